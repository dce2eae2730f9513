"""Instances that are shown, serialised, copied, pickled, and shared by threads and event loops."""

import asyncio
import copy
import gc
import json
import logging
import pickle
import ssl
import subprocess
import sys
import threading
import warnings

import httpx
import pytest
from llama_index.core.async_utils import asyncio_run
from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from pydantic import Field
from three_classes import CLASSES, acall, call

from llama_index_melious import Melious
from melious import InvalidArgumentError, ProviderFilters
from melious.settings.config import Timeout

KEY = "sk-mel-verysecret"


@pytest.fixture(params=CLASSES, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


@pytest.fixture
def make(kind, place):
    return lambda **arguments: kind(**{**CLASSES[kind][0], **place, **arguments})


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
    subprocess.run([sys.executable, "-c", code], input=pickle.dumps(components), check=True)
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
        thread.join()
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
        thread.join()

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


# --- certificates ------------------------------------------------------------------------------------


def test_copies_share_a_tls_context_and_pickles_refuse_it(make):
    context = ssl.create_default_context()
    component = make(verify=context)
    assert copy.deepcopy(component).verify is component.with_options(preset="speed").verify is context
    with pytest.raises(InvalidArgumentError, match="verify: an SSLContext cannot be pickled") as caught:
        pickle.dumps(component)
    assert caught.value.param == "verify"
    assert pickle.loads(pickle.dumps(make(verify=False))).verify is False
