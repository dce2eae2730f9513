"""Code that the page offers for a request: run as it stands, it sends the same request again."""

import json
import shlex
import subprocess

import pytest

from melious.endpoints import chat, embeddings, images, rerank
from melious.sandbox import Fault
from melious.settings.options import RoutingOptions
from melious_sandbox.page.snippets import PARAMETERS, snippets
from melious_sandbox.page.texts import Cleaner

PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1Pe"
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": 'It\'s the "weather"\n',
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    }
]
QUESTION = [{"role": "user", "content": 'What\'s a "lighthouse"?\n\\ $HOME `é` \u2028\x85\u202e 👩\u200d🔬'}]
HISTORY = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Weather in Oslo?"},
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "get_weather", "arguments": '{"city":"Oslo"}'},
            }
        ],
    },
    {"role": "tool", "content": "It rains.", "tool_call_id": "call_1"},
]
PICTURE = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is it?"},
            {"type": "image_url", "image_url": {"url": PIXEL}},
        ],
    }
]
ROUTING = {"preset": "environment", "filters": {"countries": ["DE", "FR"], "max_carbon_intensity": 200}}
ALL = ("curl", "Python", "LangChain", "LlamaIndex")
CASES = [
    ("chat/completions", {"model": "glm-4.7", "messages": QUESTION}, ALL),
    ("chat/completions", {"model": "glm-4.7:eco", "messages": HISTORY, "tools": TOOLS, "temperature": 0.2, "seed": 7}, ALL),
    ("chat/completions", {"model": "glm-4.7", "messages": QUESTION, **ROUTING, "max_tokens": 20, "stop": ["x"]}, ALL),
    ("chat/completions", {"model": "gemma-3-27b-it", "messages": PICTURE}, ALL),
    ("chat/completions", {"model": "glm-4.7", "messages": QUESTION, "custom_weights": {"price": 1.0}, "later": [1, {"": None}, []]}, ALL),
    (
        "chat/completions",
        {"model": "glm-4.7", "messages": QUESTION, "stream": True, "stream_options": {"include_usage": True}},
        ALL,
    ),
    ("embeddings", {"model": "bge-m3", "input": ["sea", "it's sand"], **ROUTING}, ALL),
    ("rerank", {"model": "bge-reranker-v2-m3", "query": "sea?", "documents": ["sea", "sand"], "top_n": 1}, ALL),
    ("images/generations", {"model": "flux-schnell", "prompt": "a pier", "size": "64x64"}, ("curl", "Python")),
]  # fmt: skip
SENT_BY_THE_LIBRARY = {"encoding_format": "base64", "response_format": "b64_json", "return_documents": False}


@pytest.fixture
def offered(sandbox):
    return lambda: snippets(sandbox.requests[-1], Cleaner([sandbox.api_key]))


@pytest.fixture
def run(sandbox, monkeypatch, tmp_path):
    monkeypatch.setenv("MELIOUS_BASE_URL", sandbox.base_url)
    monkeypatch.setenv("MELIOUS_API_KEY", sandbox.api_key)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.chdir(tmp_path)

    def execute(way, code):
        if way == "curl":
            subprocess.run(["bash", "-euc", code], check=True, capture_output=True)
        else:
            exec(compile(code, way, "exec"), {})
        return sandbox.requests[-1]

    return execute


@pytest.mark.parametrize(
    ("endpoint", "known"),
    [
        ("chat", chat.ChatParams),
        ("embeddings", embeddings.EmbeddingParams),
        ("rerank", rerank.RerankParams),
        ("images", images.ImageParams),
    ],
)
def test_fields_are_given_by_name_where_the_library_knows_them(endpoint, known):
    assert PARAMETERS[endpoint] <= known.__annotations__.keys() | RoutingOptions.__annotations__.keys()


def same(body):
    """Give a body without what the library sends by itself."""
    return {name: value for name, value in body.items() if SENT_BY_THE_LIBRARY.get(name) != value}


@pytest.mark.filterwarnings("ignore:preset")
@pytest.mark.parametrize(("path", "body", "ways"), CASES)
def test_each_way_sends_the_same_request(http, offered, run, sandbox, capsys, path, body, ways):
    http.post(f"/{path}", json=body)
    codes = offered()
    assert tuple(codes) == ways
    for way, code in codes.items():
        again = run(way, code)
        assert (again.path, again.status) == (f"/v1/{path}", 200), code
        assert same(again.body) == same(body), code
        assert sandbox.api_key not in code
        assert all(sign.isprintable() or sign == "\n" for sign in code)
    assert len(sandbox.requests) == 1 + len(ways)
    assert capsys.readouterr().out or path.startswith("images")


def test_a_request_for_a_list_and_one_with_a_fault(http, offered, run):
    http.get("/models?include_meta=true&x=a%20b", headers={"x-sandbox-fault": Fault(status=503).to_header()})
    (code,) = offered().values()
    again = run("curl", code)
    assert (again.path, again.query, again.status) == ("/v1/models", "include_meta=true&x=a+b", 503)


def test_a_form_names_its_file(http, offered, run, tmp_path):
    form = {"model": "whisper-large-v3", "language": "en"}
    http.post("/audio/transcriptions", data=form, files={"file": ("it's.wav", b"RIFF", "audio/wav")})
    codes = offered()
    assert tuple(codes) == ("curl",)
    (tmp_path / "it's.wav").write_bytes(b"RIFF")
    again = run("curl", codes["curl"])
    assert {name: again.body[name] for name in form} == form
    assert again.body["file"]["filename"] == "it's.wav"


@pytest.mark.parametrize(
    "body",
    [
        b"[1,2]",
        b'"\\ud800"',
        b"it's",
        b'{"model":5}',
        b'{"model":"m","messages":["x"]}',
        b'{"model":"m","messages":[],"input":[],"documents":[]}',
        b'{"model":"m","messages":[{"content":[{"type":"input_audio"}]}],"input":5,"documents":7}',
        b'{"model":"m","messages":[{"content":[5]},{"content":5,"tool_calls":null}],"documents":[{"a":1},5]}',
    ],
)
@pytest.mark.parametrize("path", ["chat/completions", "embeddings", "rerank", "images/generations"])
def test_strange_bodies_give_code_that_can_be_read(http, offered, path, body):
    http.post(f"/{path}", content=body, headers={"content-type": "application/json"})
    for way, code in offered().items():
        if way == "curl":
            assert shlex.split(code)[0] == "curl"
        else:
            compile(code, way, "exec")


def test_keys_are_not_in_the_code(start_sandbox, client_of):
    key = 'a"b\\c'
    sandbox = start_sandbox(api_key=key)
    body = {
        "model": "glm-4.7",
        "messages": [{"role": "user", "content": f"my {key} and sk-mel-anothers"}],
        key: key,
    }
    client_of(sandbox).post(f"/chat/completions?key={key}", json=body, headers={"x-sandbox-y": key})
    codes = snippets(sandbox.requests[0], Cleaner([key]))
    assert codes.keys() == set(ALL)
    for code in codes.values():
        assert "my *** and ***" in code
        assert key not in code
        assert json.dumps(key)[1:-1] not in code
