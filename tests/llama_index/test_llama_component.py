"""What all three classes share: arguments, secrets, copies, pickles, threads and loops."""

import asyncio
import copy
import gc
import json
import logging
import pickle
import subprocess
import sys
import threading
import traceback
import warnings

import httpx
import pytest
from llama_index.core.async_utils import asyncio_run
from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.schema import NodeWithScore, TextNode
from pydantic import Field

import llama_index_melious
from llama_index_melious import Melious, MeliousEmbedding, MeliousRerank
from melious import ConfigurationError, InvalidArgumentError, ProviderFilters
from melious.settings.config import Timeout

KEY = "sk-mel-verysecret"
NODES = [NodeWithScore(node=TextNode(text=text)) for text in ("Trains run.", "Cats sleep.")]
CLASSES = {
    Melious: ({"model": "glm-4.7"}, "complete", ("Hello",), {}),
    MeliousEmbedding: ({"model": "bge-m3"}, "get_query_embedding", ("trains",), {}),
    MeliousRerank: ({"model": "bge-reranker-v2-m3"}, "postprocess_nodes", (NODES,), {"query_str": "trains"}),
}


@pytest.fixture(params=CLASSES, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


@pytest.fixture
def make(kind, place):
    return lambda **arguments: kind(**{**CLASSES[kind][0], **place, **arguments})


def call(component):
    _, method, arguments, keywords = CLASSES[type(component)]
    return getattr(component, method)(*arguments, **keywords)


async def acall(component):
    _, method, arguments, keywords = CLASSES[type(component)]
    return await getattr(component, f"a{method}")(*arguments, **keywords)


# --- arguments ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "right"), [("presett", "preset"), ("api_bas", "api_base"), ("timout", "timeout")]
)
def test_misspelt_arguments_are_named(make, kind, wrong, right):
    with pytest.raises(InvalidArgumentError, match=f"{kind.__name__}.*{wrong!r}.*did you mean {right!r}"):
        make(**{wrong: 1})


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"max_retries": -1}, "max_retries"),
        ({"timeout": 0}, "timeout"),
        ({"deadline": -1}, "deadline"),
        ({"flavor": "sweet"}, "flavor"),
        ({"model": "glm-4.7:eco", "flavor": "speed"}, "flavor"),
        ({"http_client": 5}, "http_client"),
        ({"filters": {"max_carbon_intensity": "low"}}, "max_carbon_intensity"),
        ({"default_headers": {"x": "a\r\nb"}}, "default_headers"),
        ({"base_url": "ftp://melious.ai"}, "base_url"),
        ({"base_url": "http://melious.example"}, "in clear"),
        ({"async_transport": "carrier pigeon"}, "async_transport"),
        ({"api_key": f"{KEY}\n{KEY}"}, "line break"),
        ({"max_retries": "many"}, "max_retries: Input should be a valid integer"),
    ],
)
def test_wrong_arguments_are_refused_early_and_quietly(make, wrong, said):
    with pytest.raises(ValueError, match=said) as caught:
        make(**wrong)
    assert KEY not in str(caught.value)


def test_errors_of_fields_do_not_show_the_key(make):
    with pytest.raises(InvalidArgumentError, match="preset: Input should be a valid string") as caught:
        make(api_key=KEY, preset=["not", "text"])
    assert KEY not in str(caught.value)
    with pytest.raises(InvalidArgumentError, match="api_key") as caught:
        make(api_key=[KEY])
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_key_and_url_from_the_environment(kind, sandbox, monkeypatch):
    monkeypatch.delenv("MELIOUS_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="MELIOUS_API_KEY"):
        kind(**CLASSES[kind][0])
    monkeypatch.setenv("MELIOUS_API_KEY", sandbox.api_key)
    monkeypatch.setenv("MELIOUS_BASE_URL", sandbox.base_url)
    call(kind(**CLASSES[kind][0]))
    asyncio.run(acall(kind(**CLASSES[kind][0])))
    assert [request.status for request in sandbox.requests] == [200, 200]
    monkeypatch.setenv("MELIOUS_API_KEY", "sk-mel-wrong")
    call(kind(**CLASSES[kind][0], api_key=sandbox.api_key))
    assert sandbox.requests[-1].status == 200


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/", "/v1/chat/completions"])
@pytest.mark.parametrize("word", ["base_url", "api_base"])
def test_base_url_in_any_spelling(kind, sandbox, word, ending):
    url = sandbox.base_url.removesuffix("/v1") + ending
    component = kind(**CLASSES[kind][0], api_key=sandbox.api_key, **{word: url})
    assert component.base_url == component.api_base == sandbox.base_url
    call(component)
    assert sandbox.requests[-1].status == 200


def test_two_words_that_say_different_things(make):
    with pytest.raises(InvalidArgumentError, match="api_base"):
        make(api_base="https://other.example/v1")


def test_headers_and_the_way_of_the_key(make, sandbox):
    call(make(default_headers={"x-team": "blue"}, auth="x-api-key"))
    headers = sandbox.requests[-1].headers
    assert headers["x-team"] == "blue"
    assert "x-api-key" in headers
    assert "authorization" not in headers


def test_settings_that_change_take_effect(make, sandbox):
    component = make()
    call(component)
    component.preset = "speed"
    component.default_headers = {"x-team": "red"}
    call(component)
    assert "preset" not in sandbox.requests[0].body
    assert sandbox.requests[1].body["preset"] == "speed"
    assert sandbox.requests[1].headers["x-team"] == "red"
    changed = component.model_copy(update={"preset": "price"})
    call(changed)
    assert sandbox.requests[2].body["preset"] == "price"


def test_a_wrong_setting_that_is_set_later_is_an_error_before_anything_is_sent(make, sandbox):
    component = make()

    def set_and_ask():
        component.filters = {"country": ["DE"]}
        call(component)

    with pytest.raises(
        InvalidArgumentError, match=r"^(\w+: )?filters: unknown filter 'country'; did you mean"
    ):
        set_and_ask()
    assert len(sandbox.requests) == 0


def test_injected_clients_carry_the_requests_and_stay_open(make, sandbox):
    with httpx.Client(headers={"x-mine": "sync"}, trust_env=False) as client:
        call(make(http_client=client))
        assert sandbox.requests[-1].headers["x-mine"] == "sync"
        assert not client.is_closed

    async def main():
        async with httpx.AsyncClient(headers={"x-mine": "async"}, trust_env=False) as client:
            await acall(make(async_http_client=client))
            assert sandbox.requests[-1].headers["x-mine"] == "async"
            assert not client.is_closed

    asyncio.run(main())


def test_aiohttp_under_the_async_calls(make, sandbox):
    pytest.importorskip("httpx_aiohttp")
    asyncio.run(acall(make(async_transport="aiohttp")))
    assert sandbox.requests[-1].status == 200


# --- secrets -----------------------------------------------------------------------------------------


def test_secrets_are_nowhere_to_be_read(kind, sandbox, start_sandbox):
    other = start_sandbox(api_key=KEY)

    class Keeper(BaseEventHandler):
        seen: list = Field(default_factory=list)

        def handle(self, event, **_):
            self.seen.append(event)

    keeper, root = Keeper(), get_dispatcher()
    debug = LlamaDebugHandler(print_trace_on_end=False)
    component = kind(
        **CLASSES[kind][0],
        api_key=KEY,
        base_url=other.base_url,
        default_headers={"x-pass": f"{KEY}-header"},
        callback_manager=CallbackManager([debug]),
    )
    root.add_event_handler(keeper)
    try:
        call(component)
        asyncio.run(acall(component))
    finally:
        root.event_handlers.remove(keeper)
    shown = [
        repr(component),
        str(component),
        json.dumps(component.to_dict()),
        component.to_json(),
        component.model_dump_json(),
        repr(component.api_key),
        repr(component.to_payload()) if hasattr(component, "to_payload") else "",
        *(repr(event.model_dump()) for event in keeper.seen),
        *(repr(event.payload) for event in debug.get_events()),
    ]
    assert keeper.seen
    assert debug.get_events()
    assert not [text for text in shown if KEY in text]


def test_to_dict_and_back(make, kind, sandbox, monkeypatch):
    component = make(
        preset="environment",
        filters=ProviderFilters(countries=["DE", "FR", "SE"], max_carbon_intensity=400),
        timeout=Timeout(connect=2.0),
        extra_body={"a": 1},
    )
    kept = json.loads(component.to_json())
    assert kept["class_name"] == kind.class_name()
    monkeypatch.setenv("MELIOUS_API_KEY", sandbox.api_key)
    again = kind.from_dict(kept)
    assert again.to_dict() == component.to_dict()
    assert again.timeout == Timeout(connect=2.0)
    call(again)
    assert sandbox.requests[-1].body["filters"] == {
        "countries": ["DE", "FR", "SE"],
        "max_carbon_intensity": 400,
    }
    monkeypatch.setenv("MELIOUS_API_KEY", "sk-mel-wrong")
    with pytest.raises(Exception, match="401"):
        call(kind.from_dict(kept))


def test_to_dict_does_not_depend_on_the_key(make):
    assert make(api_key="sk-mel-one").to_dict() == make(api_key="sk-mel-two").to_dict()


# --- copies, pickles, threads, loops -----------------------------------------------------------------


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("method", ["pickle", "deepcopy"])
def test_copies_work(make, used, method, sandbox, caplog, monkeypatch):
    monkeypatch.delenv("MELIOUS_API_KEY", raising=False)
    with httpx.Client(trust_env=False) as client, caplog.at_level(logging.WARNING):
        component = make(preset="speed", default_headers={"x-team": "blue"}, http_client=client)
        if used:
            call(component)
            asyncio.run(acall(component))
        other = pickle.loads(pickle.dumps(component)) if method == "pickle" else copy.deepcopy(component)
        assert other.http_client is (None if method == "pickle" else client)
        assert other.to_dict() == component.to_dict()
        call(other)
        asyncio.run(acall(other))
    assert {request.headers["x-team"] for request in sandbox.requests} == {"blue"}
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_another_process_can_use_pickles(place, sandbox):
    code = (
        "import pickle, sys\n"
        "llm, embedding, rerank = pickle.load(sys.stdin.buffer)\n"
        "embedding.get_query_embedding(llm.complete('Hello').text)\n"
        "rerank.postprocess_nodes([], query_str='trains')"
    )
    components = [kind(**CLASSES[kind][0], **place) for kind in CLASSES]
    for component in components:
        call(component)
    sandbox.requests.clear()
    subprocess.run([sys.executable, "-c", code], input=pickle.dumps(components), check=True, timeout=60)
    assert [(request.endpoint, request.status) for request in sandbox.requests] == [
        ("chat", 200),
        ("embeddings", 200),
    ]


def test_threads_share_an_instance(make, sandbox):
    component = make()
    failed = []

    def work():
        try:
            call(component)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not failed
    assert len(sandbox.requests) == 16


def test_loops_one_after_another_and_side_by_side(make, sandbox):
    component = make()
    for _ in range(2):
        asyncio.run(acall(component))
    threads = [threading.Thread(target=lambda: asyncio.run(acall(component))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert len(sandbox.requests) == 6
    assert {request.status for request in sandbox.requests} == {200}


def test_calls_from_blocking_code_inside_a_running_loop(make, sandbox):
    component = make()

    async def main():
        await acall(component)
        for _ in range(2):
            asyncio_run(acall(component))  # a new loop in a thread of its own
        await acall(component)

    with warnings.catch_warnings():
        # LlamaIndex closes those loops without ending their generators, so that nothing can close
        # their connections before they are collected.
        warnings.simplefilter("ignore", ResourceWarning)
        asyncio.run(main())
        asyncio.run(acall(component))
        gc.collect()
    assert len(sandbox.requests) == 5
    assert {request.status for request in sandbox.requests} == {200}


def test_nothing_opens_before_the_first_call(make, sandbox):
    component = make()
    repr(component)
    component.to_dict()
    if isinstance(component, Melious):
        assert component.metadata.context_window
    assert not sandbox.requests
    assert component._clients.blocking is component._clients.asyncio is None


# --- the package -------------------------------------------------------------------------------------


def run(code, *flags):
    return subprocess.run(
        [sys.executable, *flags, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )


def test_importing_the_package_loads_nothing():
    done = run(
        "import sys, llama_index_melious\n"
        "print(dir(llama_index_melious))\n"
        "heavy = {'llama_index.core', 'httpx', 'httpx2', 'pydantic', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy",
        "-W",
        "error",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(sorted(llama_index_melious.__all__))


def test_importing_a_class_opens_no_connection_and_loads_no_http_library():
    done = run(
        "import socket, sys\n"
        "def refuse(*_): raise AssertionError('a connection')\n"
        "socket.socket.connect = refuse\n"
        "from llama_index_melious import Melious\n"
        "Melious(model='glm-4.7', api_key='k').metadata\n"
        "assert not {'httpx2', 'tiktoken.load'} & set(sys.modules)"
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("missing", ["llama_index", "llama_index.core"])
@pytest.mark.parametrize("name", ["Melious", "MeliousEmbedding", "MeliousRerank"])
def test_without_the_framework_the_extra_is_named(name, missing):
    done = run(
        "import sys\n"
        f"sys.modules[{missing!r}] = None\n"
        f"try:\n    from llama_index_melious import {name}\n"
        "except ImportError as error:\n    print(error)"
    )
    assert done.returncode == 0, done.stderr
    assert "llama_index_melious needs llama-index-core" in done.stdout
    assert "pip install 'melious[llama-index]'" in done.stdout


def test_unknown_names_of_the_package():
    with pytest.raises(AttributeError, match="Meliouss"):
        _ = llama_index_melious.Meliouss
