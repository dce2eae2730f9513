"""Every private or undocumented interface of a dependency that this project leans on, and why.

The table is held against what is installed, on the newest versions and on the oldest that pyproject.toml
allows, so that a dependency that changes one of them breaks a test with a name. Each row is held against our
own file too, so that the table says what is true.
"""

from __future__ import annotations

from functools import reduce
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
CORE, LANGCHAIN, LLAMA = "shared/melious", "langchain_melious", "llama_index_melious"
SANDBOX = "shared/melious_sandbox"


class Borrowed(NamedTuple):
    """One interface.

    Attributes:
        where: Module and attribute, as ``module:Class.attribute``.
        file: Ours that uses it.
        why: What nothing documented does as well.
    """

    where: str
    file: str
    why: str


_PER_READ = "a deadline must bind every single read, which only the connection layer below the client lets it"
_PYTHON = [
    Borrowed(
        "_thread:LockType._at_fork_reinit",
        f"{CORE}/forks.py",
        "a lock that another thread held during a fork would jam the child",
    ),
    Borrowed(
        "sys:_getframe",
        f"{CORE}/_stacklevel.py",
        "warnings point at the caller's line, as `warnings` itself does",
    ),
]
_HTTPCORE = [
    Borrowed(f"{core}:{name}", f"{CORE}/{file}", why)
    for core in ("httpcore", "httpcore2")
    for name, file, why in (
        ("ConnectionPool.create_connection", "http/connections.py", _PER_READ),
        ("AsyncConnectionPool.create_connection", "http/connections.py", _PER_READ),
        ("HTTPProxy.create_connection", "http/connections.py", _PER_READ),
        ("AsyncHTTPProxy.create_connection", "http/connections.py", _PER_READ),
        ("HTTPConnection.handle_request", "http/_sync/pool.py", _PER_READ),
        ("AsyncHTTPConnection.handle_async_request", "http/_async/pool.py", _PER_READ),
        (
            "HTTPConnection.has_expired",
            "http/connections.py",
            "a connection that the server closed is not used again",
        ),
        ("HTTPConnection.is_closed", "http/connections.py", "a connection that is spent is not kept"),
        ("SyncBackend.connect_tcp", "http/_sync/pool.py", _PER_READ),
        ("AnyIOBackend.connect_tcp", "http/_async/pool.py", _PER_READ),
        ("Request", "http/connections.py", "one attempt, without the client's work per request"),
        ("Origin", "http/connections.py", "where a connection leads"),
        ("URL", "http/connections.py", "the target, already encoded"),
        ("PoolTimeout", "http/_sync/pool.py", "what is raised where all connections are in use"),
        ("ReadTimeout", "http/connections.py", "what is raised where the time is up"),
    )
]
_AIOHTTP = [
    Borrowed(
        "aiohttp:ClientResponse.raw_headers",
        f"{CORE}/http/_async/aiohttp_pool.py",
        "headers as bytes, as in httpcore",
    ),
]
_AIOHTTP += [
    Borrowed(f"aiohttp:{where}", f"{CORE}/{file}", why)
    for where, file, why in (
        (
            "TCPConnector.connect",
            "http/_async/aiohttp_pool.py",
            "an idle connection is proved clean before it is used again",
        ),
        ("connector.Connection.protocol", "http/_async/aiohttp_pool.py", "what is asked for that proof"),
        (
            "client_proto.ResponseHandler.should_close",
            "http/leftovers.py",
            "whole answers that nobody asked for",
        ),
        (
            "client_proto.ResponseHandler.is_connected",
            "http/leftovers.py",
            "a connection that the server closed",
        ),
    )
]
_FORMS = [
    Borrowed(f"python_multipart.{where}", f"{SANDBOX}/server/bodies.py", why)
    for where, why in (
        ("multipart:parse_options_header", "the boundary of a form, before it is parsed"),
        ("exceptions:FormParserError", "what a broken form ends in"),
    )
]
_UVICORN = [
    Borrowed(f"uvicorn.protocols.http.h11_impl:H11Protocol.{name}", f"{SANDBOX}/server/listener.py", why)
    for name, why in (("connection_made", "the sandbox resets and cuts connections on demand"),)
] + [
    Borrowed(
        "uvicorn:Server.main_loop", f"{SANDBOX}/server/listener.py", "it starts and stops within milliseconds"
    ),
    Borrowed(
        "uvicorn:Server.on_tick", f"{SANDBOX}/server/listener.py", "it starts and stops within milliseconds"
    ),
]
_PYDANTIC = [
    Borrowed(
        "pydantic:BaseModel.__pydantic_validator__",
        f"{LLAMA}/component.py",
        "a change is checked on a copy before it is made",
    ),
    Borrowed(
        "pydantic:BaseModel.__pydantic_private__",
        f"{LANGCHAIN}/settings/copies.py",
        "copies share no held client",
    ),
]
_OPENTELEMETRY = [
    Borrowed(
        "opentelemetry.context:_SUPPRESS_INSTRUMENTATION_KEY",
        f"{CORE}/otel/nesting.py",
        "nothing is recorded where tracing is suppressed, as other instrumentations do",
    ),
]
_CHAT_MODEL = "langchain_core.language_models.chat_models:BaseChatModel"
_LANGCHAIN = [
    Borrowed(f"langchain_core.{where}", f"{LANGCHAIN}/{file}", why)
    for where, file, why in (
        (
            "language_models.chat_models:BaseChatModel._combine_llm_outputs",
            "chat/surrounded.py",
            "`generate` of several prompts sums usage",
        ),
        (
            "language_models.chat_models:BaseChatModel._convert_cached_generations",
            "chat/surrounded.py",
            "cached answers are marked, and cost nothing again",
        ),
        (
            "language_models.chat_models:BaseChatModel._should_stream",
            "chat/surrounded.py",
            "`streaming` and callbacks decide",
        ),
        (
            "language_models.chat_models:BaseChatModel._resolve_model_profile",
            "chat/described.py",
            "the profile follows the model",
        ),
        (
            "language_models.chat_models:BaseChatModel._get_ls_params",
            "chat/described.py",
            "traces name provider and model",
        ),
        (
            "language_models.base:BaseLanguageModel._add_version",
            "chat/model.py",
            "traces name this package's version",
        ),
        (
            "output_parsers.transform:BaseTransformOutputParser._transform",
            "chat/structured.py",
            "objects while they stream",
        ),
        (
            "output_parsers.transform:BaseTransformOutputParser._atransform",
            "chat/structured.py",
            "objects while they stream",
        ),
        ("runnables.base:Runnable._call_with_config", "rerank/step.py", "rerank is a run with callbacks"),
        ("runnables.base:Runnable._acall_with_config", "rerank/step.py", "rerank is a run with callbacks"),
        (
            "runnables.config:var_child_runnable_config",
            "callbacks/reports.py",
            "embeddings report to the run around them",
        ),
        (
            "tracers.context:register_configure_hook",
            "callbacks/handlers.py",
            "`get_melious_callback` reaches every run of a block",
        ),
        ("utils.utils:LC_ID_PREFIX", "chat/model.py", "messages of one run have one id"),
        (
            "language_models.chat_models:_ChatModelBinding",
            "chat/bound.py",
            "what is bound to a model goes into its batches too",
        ),
        (
            "language_models.chat_models:BaseChatModel._convert_input",
            "chat/batch_chain.py",
            "a batch takes the inputs that `invoke` takes",
        ),
        (
            "language_models._utils:_normalize_messages",
            "chat/batch_chain.py",
            "messages of a batch are those of `invoke`",
        ),
        (
            "messages.content:KNOWN_BLOCK_TYPES",
            "blocks.py",
            "blocks that the core does not know are wrapped",
        ),
        ("messages.block_translators:register_translator", "blocks.py", "standard blocks of this provider"),
    )
] + [
    Borrowed(
        "tenacity:RetryCallState", f"{LANGCHAIN}/callbacks/retries.py", "`on_retry` of callbacks is given one"
    ),
    Borrowed(
        "langchain.chat_models.base:_BUILTIN_PROVIDERS",
        f"{LANGCHAIN}/registration.py",
        "`register` adds a provider",
    ),
    Borrowed(
        "langchain.embeddings.base:_BUILTIN_PROVIDERS",
        f"{LANGCHAIN}/registration.py",
        "`register` adds a provider",
    ),
    Borrowed("tenacity:Future", f"{LANGCHAIN}/callbacks/retries.py", "and in it what went wrong"),
]
_LLAMA = [
    Borrowed(where, f"{LLAMA}/{file}", why)
    for where, file, why in (
        *(
            (
                f"llama_index.core.base.embeddings.base:BaseEmbedding.{name}.__wrapped__",
                "embeddings/embedding.py",
                reason,
            )
            for reason in ("a call that comes through another of ours is told of once",)
            for name in (
                "get_query_embedding",
                "aget_query_embedding",
                "get_text_embedding",
                "aget_text_embedding",
                "get_text_embedding_batch",
                "aget_text_embedding_batch",
            )
        ),
        (
            "llama_index.core.base.embeddings.base:BaseEmbedding._aget_text_embeddings_cached",
            "embeddings/embedding.py",
            "what the cache lacks goes out in one call",
        ),
        ("llama_index.core.llms.llm:LLM._extend_messages", "llm/model.py", "the system prompt goes in once"),
        (
            "llama_index.core.llms.function_calling:FunctionCallingLLM._structured_stream_call",
            "llm/structured_predict.py",
            "objects while they stream",
        ),
        (
            "llama_index.core.llms.function_calling:FunctionCallingLLM._structured_astream_call",
            "llm/structured_predict.py",
            "objects while they stream",
        ),
        (
            "llama_index.core.program.utils:create_flexible_model",
            "llm/structured.py",
            "objects that are half there",
        ),
        ("llama_index.core.program.utils:FlexibleModel", "llm/structured.py", "objects that are half there"),
        (
            "llama_index_instrumentation.event_handlers:NullEventHandler",
            "listeners.py",
            "events that nobody hears are not made",
        ),
        (
            "llama_index_instrumentation.dispatcher:active_instrument_tags",
            "llm/streaming.py",
            "events of a stream have the tags of its call",
        ),
        (
            "llama_index_instrumentation.dispatcher:Dispatcher.parent",
            "events.py",
            "handlers that would only warn of an event do not get it",
        ),
        (
            "llama_index_instrumentation.span:active_span_id",
            "llm/streaming.py",
            "events of a stream name its span",
        ),
        (
            "llama_index_instrumentation.dispatcher:Dispatcher.model_fields.event_handlers",
            "listeners.py",
            "events that nobody hears are not made",
        ),
        (
            "llama_index_instrumentation.dispatcher:Dispatcher.model_fields.propagate",
            "listeners.py",
            "events that nobody hears are not made",
        ),
    )
]
BORROWED = [
    *_PYTHON,
    *_HTTPCORE,
    *_AIOHTTP,
    *_FORMS,
    *_UVICORN,
    *_PYDANTIC,
    *_OPENTELEMETRY,
    *_LANGCHAIN,
    *_LLAMA,
]


def _step(thing: object, name: str) -> object:
    return thing[name] if isinstance(thing, dict) else getattr(thing, name)


@pytest.mark.parametrize("borrowed", BORROWED, ids=[one.where for one in BORROWED])
def test_it_is_there(borrowed: Borrowed) -> None:
    module, _, attributes = borrowed.where.partition(":")
    reduce(_step, attributes.split("."), import_module(module))


@pytest.mark.parametrize("borrowed", BORROWED, ids=[one.where for one in BORROWED])
def test_our_file_uses_it(borrowed: Borrowed) -> None:
    text = (ROOT / borrowed.file).read_text()
    names = borrowed.where.partition(":")[2].split(".")
    assert (names[-2] if names[-1] == "__wrapped__" else names[-1]) in text
