"""What other integrations of LangChain offer: the model by position, its name, a provider's name, estimates."""

import base64
import sys
from types import ModuleType

import pytest
from langchain.agents import create_agent
from langchain.chat_models import init_chat_model
from langchain.embeddings import init_embeddings
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage, trim_messages
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.tools import tool
from pydantic import BaseModel

import langchain_melious
from langchain_melious import registration
from langchain_melious.errors import InvalidArgumentError, NotFoundError
from melious.sandbox import Fault, Reply

CLASSES = [
    "ChatMelious",
    "MeliousEmbeddings",
    "MeliousRerank",
    "MeliousImageGenerator",
    "MeliousAudioParser",
]
KEY = "sk-mel-0123456789"


@pytest.mark.parametrize("name", CLASSES)
def test_the_model_by_position(name):
    kind = getattr(langchain_melious, name)
    made = kind("some-model", api_key=KEY)
    assert (made.model, made.model_name) == ("some-model", "some-model")
    with pytest.raises(InvalidArgumentError, match=f"{name}: takes only the model by position"):
        kind("some-model", KEY)
    with pytest.raises(InvalidArgumentError, match=f"{name}: model: is given twice"):
        kind("some-model", model="another", api_key=KEY)


@pytest.fixture
def unregistered():
    tables = [sys.modules[name]._BUILTIN_PROVIDERS for name in registration._REGISTRIES]
    for table in tables:
        table.pop("melious", None)
    yield
    for table in tables:
        table.pop("melious", None)


@pytest.mark.usefixtures("unregistered")
def test_a_registered_provider_is_known_by_name(sandbox):
    with pytest.raises(ValueError, match="melious"):
        init_chat_model("melious:glm-4.7")
    assert langchain_melious.register()
    assert langchain_melious.register(), "twice is once"
    place = {"api_key": sandbox.api_key, "base_url": sandbox.base_url}
    sandbox.replies.add(Reply(text="Hi"))
    assert init_chat_model("melious:glm-4.7:eco", **place).invoke("Hello").text == "Hi"
    assert sandbox.requests[-1].body["model"] == "glm-4.7:eco"
    assert len(init_embeddings("melious:bge-m3", **place).embed_query("Hello")) == 1024


@pytest.mark.usefixtures("unregistered")
def test_an_agent_takes_the_name(sandbox, monkeypatch):
    monkeypatch.setenv("MELIOUS_API_KEY", sandbox.api_key)
    monkeypatch.setenv("MELIOUS_BASE_URL", sandbox.base_url)
    langchain_melious.register()
    sandbox.replies.add(Reply(text="Hi"))
    agent = create_agent("melious:glm-4.7", [])
    assert agent.invoke({"messages": "Hello"})["messages"][-1].text == "Hi"


@pytest.mark.usefixtures("unregistered")
@pytest.mark.parametrize("table", [None, {"a": "b"}, {"a": ("b",)}, ["a"]], ids=repr)
def test_a_langchain_that_keeps_providers_in_another_way_is_left_alone(monkeypatch, caplog, table):
    changed = ModuleType("langchain.chat_models.base")
    if table is not None:
        changed._BUILTIN_PROVIDERS = table
    monkeypatch.setitem(sys.modules, "langchain.chat_models.base", changed)
    before = repr(table)
    assert not langchain_melious.register()
    assert repr(table) == before
    assert "not registered" in caplog.text


# --- tokens --------------------------------------------------------------------------------------------


def test_classes_functions_and_tools_are_counted(chat):
    class Search(BaseModel):
        """Search the web for pages about something."""

        query: str

    def look(place: str) -> str:
        """Look at a place."""
        return place

    llm, messages = chat(), [HumanMessage("Hello")]
    bare = llm.get_num_tokens_from_messages(messages)
    for given in (
        Search,
        look,
        tool(look),
        {"name": "f", "parameters": {"type": "object", "properties": {}}},
    ):
        assert llm.get_num_tokens_from_messages(messages, tools=[given]) > bare + 5


@pytest.mark.parametrize(
    "block",
    [
        {"type": "audio", "mime_type": "audio/mp3", "base64": base64.b64encode(b"ID3" * 200_000).decode()},
        {"type": "image", "mime_type": "image/png", "base64": base64.b64encode(b"png" * 200_000).decode()},
        {
            "type": "file",
            "mime_type": "application/pdf",
            "base64": base64.b64encode(b"%PDF" * 200_000).decode(),
        },
    ],
    ids=["audio", "image", "pdf"],
)
def test_a_recording_counts_a_flat_figure(chat, block):
    messages = [HumanMessage(["Who speaks?", block])]
    assert chat().get_num_tokens_from_messages(messages) < 1_100
    assert trim_messages(messages, max_tokens=4_000, token_counter=chat(), strategy="last") == messages


def test_chinese_is_counted_by_its_bytes(chat):
    text = "热泵从外面的空气中吸收热量" * 20
    assert len(text) <= chat().get_num_tokens(text) <= 3 * len(text)
    assert chat().get_num_tokens_from_messages([HumanMessage(text)]) >= len(text)


# --- usage ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_usage_under_the_names_of_others_is_read(way, chat, whole, sandbox, streamed):
    usage = {"input_tokens": 7, "output_tokens": 3}
    if streamed:
        body = '{"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}'
        counted = '{"choices": [], "usage": {"input_tokens": 7, "output_tokens": 3}}'
        sandbox.faults.add(Fault(raw=[f"data: {body}\n\n", f"data: {counted}\n\n", "data: [DONE]\n\n"]))
        message = whole(way.stream(chat(), "Hello"))
    else:
        choice = {"message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
        sandbox.replies.add(Reply(json={"choices": [choice], "usage": usage}))
        message = way.invoke(chat(), "Hello")
    assert (message.usage_metadata["input_tokens"], message.usage_metadata["output_tokens"]) == (7, 3)


# --- embeddings, and lists of models -------------------------------------------------------------------


def test_embeddings_wait_for_their_rate_limiter(way, embeddings, sandbox):
    class Counted(BaseRateLimiter):
        def __init__(self):
            self.waits = []

        def acquire(self, *, blocking=True):
            self.waits.append(("sync", blocking))
            return True

        async def aacquire(self, *, blocking=True):
            self.waits.append(("async", blocking))
            return True

    limiter = Counted()
    model = embeddings(rate_limiter=limiter)
    way.call(model, "embed_documents", ["one", "two"])
    way.call(model, "embed_query", "one")
    assert limiter.waits == [("async" if way.asynchronous else "sync", True)] * 2
    assert "rate_limiter" not in model.model_dump()


def test_a_server_that_does_not_say_what_its_models_are(way, chat, sandbox, caplog):
    data = [{"id": name, "object": "model"} for name in ("something", "else", "glm-4.7")]
    sandbox.faults.add(Fault(endpoint="models", body={"object": "list", "data": data}))
    assert way.call(chat(), "available_models") == ["glm-4.7"]
    assert "leaves out 2 of 3 models" in caplog.text


@pytest.mark.parametrize("name", ["ChatMelious", "MeliousEmbeddings", "MeliousRerank"])
def test_a_blank_model_is_refused_when_the_object_is_made(name):
    with pytest.raises(InvalidArgumentError, match="model: must be non-empty text"):
        getattr(langchain_melious, name)("  ", api_key="sk-mel-x")


def test_the_service_counts_where_it_is_asked_to(chat, sandbox):
    estimating, counting = chat(), chat(token_counter="service")
    messages = [
        SystemMessage("Be brief."),
        HumanMessage("How long is the Elbe?"),
        AIMessage("", tool_calls=[{"name": "length", "args": {"river": "Elbe"}, "id": "1"}]),
        ToolMessage("1094 km", tool_call_id="1"),
    ]
    estimating.get_num_tokens_from_messages(messages)
    assert len(sandbox.requests) == 0
    count = counting.get_num_tokens_from_messages(messages)
    (request,) = sandbox.requests
    assert request.path == "/v1/messages/count_tokens"
    assert [turn["role"] for turn in request.body["messages"]] == ["user", "assistant", "user"]

    def length(river: str) -> float:
        """Give the length of a river in km."""

    assert counting.get_num_tokens_from_messages(messages, tools=[length]) > count > 0
    assert counting.get_num_tokens("How long is the Elbe?") > 0
    assert counting.get_num_tokens_from_messages(messages[:1]) > 0
    assert (counting.get_num_tokens(""), counting.get_num_tokens_from_messages([])) == (0, 0)
    assert len(sandbox.requests) == 4
    kept = trim_messages(messages, max_tokens=count - 1, token_counter=counting, strategy="last")
    assert 0 < len(kept) < len(messages)


def test_a_count_that_fails_is_an_error(chat, sandbox):
    sandbox.faults.add(Fault(endpoint="messages", code="not_found"))
    with pytest.raises(NotFoundError):
        chat(token_counter="service").get_num_tokens("Hi")
    with pytest.raises(InvalidArgumentError, match="token_counter"):
        chat(token_counter="tiktoken")
