"""What this project leans on beyond names: how borrowed interfaces behave, and where their parts lie.

Like the table in `test_borrowed_interfaces.py`, this holds on the newest versions and on the oldest.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE, LANGCHAIN, LLAMA = "shared/melious", "langchain_melious", "llama_index_melious"
SANDBOX = "shared/melious_sandbox"


def test_a_lock_of_threading_can_be_reset() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock._at_fork_reinit()
    assert lock.acquire(blocking=False)


@pytest.mark.parametrize("name", ["httpcore", "httpcore2"])
def test_failures_are_told_apart_by_the_names_of_their_classes(name: str) -> None:
    core = import_module(name)
    for kind, base in {
        "ConnectError": "NetworkError",
        "ConnectTimeout": "TimeoutException",
        "ReadTimeout": "TimeoutException",
        "WriteTimeout": "TimeoutException",
        "PoolTimeout": "TimeoutException",
        "ReadError": "NetworkError",
        "WriteError": "NetworkError",
        "ProxyError": "Exception",
        "UnsupportedProtocol": "Exception",
        "RemoteProtocolError": "ProtocolError",
        "LocalProtocolError": "ProtocolError",
    }.items():
        assert base in {cls.__name__ for cls in getattr(core, kind).__mro__}


_LEFTOVERS = [
    *(
        (f"{core}.{where}", attribute)
        for core in ("httpcore", "httpcore2")
        for where, attribute in (
            ("_sync.connection:HTTPConnection", "_connection"),
            ("_async.connection:AsyncHTTPConnection", "_connection"),
            ("_sync.http_proxy:ForwardHTTPConnection", "_connection"),
            ("_async.http_proxy:AsyncForwardHTTPConnection", "_connection"),
            ("_sync.http_proxy:TunnelHTTPConnection", "_connection"),
            ("_async.http_proxy:AsyncTunnelHTTPConnection", "_connection"),
            ("_sync.socks_proxy:Socks5Connection", "_connection"),
            ("_async.socks_proxy:AsyncSocks5Connection", "_connection"),
            ("_sync.http11:HTTP11Connection", "_h11_state"),
            ("_async.http11:AsyncHTTP11Connection", "_h11_state"),
            ("_backends.anyio:AnyIOStream", "_stream"),
            ("_backends.sync:TLSinTLSStream", "_incoming"),
        )
    ),
    ("anyio.streams.tls:TLSStream", "_read_bio"),
    ("anyio.streams.tls:TLSStream", "_ssl_object"),
    ("anyio._backends._asyncio:SocketStream", "_protocol"),
    ("anyio._backends._asyncio:StreamProtocol", "read_queue"),
    ("aiohttp.client_proto:ResponseHandler", "_parser"),
]
"""Where bytes can wait that nobody asked for: what `leftovers.py` looks at, and closes connections without."""


@pytest.mark.parametrize(("where", "attribute"), _LEFTOVERS, ids=[".".join(one) for one in _LEFTOVERS])
def test_the_layers_that_may_hold_left_over_bytes_have_their_names(where: str, attribute: str) -> None:
    name, _, kind = where.partition(":")
    module = import_module(name)
    assert hasattr(module, kind)
    assert attribute in inspect.getsource(module)
    assert attribute in (ROOT / CORE / "http/leftovers.py").read_text()


def test_an_answer_of_uvicorn_can_be_refused_before_it_begins() -> None:
    protocol = import_module("uvicorn.protocols.http.h11_impl").H11Protocol
    assert callable(protocol.send_400_response)
    assert "send_400_response" in (ROOT / SANDBOX / "server" / "listener.py").read_text()


def test_failures_of_aiohttp_are_client_errors() -> None:
    aiohttp = import_module("aiohttp")
    for kind in (
        "ClientConnectorError",
        "ServerDisconnectedError",
        "ClientPayloadError",
        "ConnectionTimeoutError",
    ):
        assert issubclass(getattr(aiohttp, kind), aiohttp.ClientError)


def test_an_exception_of_aiohttp_that_holds_the_request_says_so_by_an_attribute() -> None:
    # It would keep the request's headers, the key among them.
    aiohttp = import_module("aiohttp")
    assert hasattr(aiohttp.ClientResponseError("the request", ()), "request_info")


@pytest.mark.parametrize("name", ["httpx", "httpx2"])
def test_a_response_of_a_client_says_whether_its_body_was_read(name: str) -> None:
    httpx = import_module(name)
    response = httpx.Response(200, content=b"body")
    assert response.is_stream_consumed
    assert isinstance(response.headers.raw, list)
    request = httpx.Request("GET", "http://127.0.0.1", extensions={"timeout": {"read": 1.0}})
    request.extensions["timeout"]["read"] = 2.0
    assert request.extensions["timeout"]["read"] == 2.0


def test_uvicorn_s_protocol_has_the_state_that_the_sandbox_reads() -> None:
    uvicorn, h11 = import_module("uvicorn"), import_module("uvicorn.protocols.http.h11_impl")
    config = uvicorn.Config(lambda *_: None, loop="asyncio", lifespan="off", ws="none")
    config.load()
    server = uvicorn.Server(config)
    assert {"connections", "tasks"} <= set(vars(server.server_state))

    async def made() -> object:
        return h11.H11Protocol(config, server.server_state, {"ours": True})

    protocol = asyncio.run(made())
    assert protocol.app_state == {"ours": True}
    assert inspect.iscoroutinefunction(uvicorn.Server.main_loop)


def test_langchain_asks_a_model_for_its_events_by_name() -> None:
    source = inspect.getsource(import_module("langchain_core.language_models.chat_models"))
    ours = (ROOT / LANGCHAIN / "chat/model.py").read_text()
    for name in ("_stream_chat_model_events", "_astream_chat_model_events"):
        assert name in source
        assert name in ours


def test_langchain_remembers_arguments_under_one_name() -> None:
    base = import_module("langchain_core.load.serializable").Serializable
    assert "_serialized" in inspect.getsource(import_module("langchain_core.language_models.chat_models"))
    assert hasattr(base, "lc_secrets")


def test_a_retry_state_of_tenacity_takes_no_function() -> None:
    tenacity = import_module("tenacity")
    state = tenacity.RetryCallState(tenacity.Retrying(), fn=None, args=(), kwargs={})
    state.outcome = tenacity.Future.construct(1, LookupError("gone"), has_exception=True)
    assert state.outcome.failed


def test_streams_of_llama_index_report_to_a_dispatcher_of_this_name() -> None:
    name = "llama_index.core.llms.callbacks"
    assert name in (ROOT / LLAMA / "llm/streaming.py").read_text()
    assert import_module(name).dispatcher.name == name


def test_a_message_of_llama_index_can_be_made_without_checks() -> None:
    message = import_module("llama_index.core.llms").ChatMessage.model_construct(
        role="assistant", blocks=[], additional_kwargs={}
    )
    assert message.blocks == []
