"""Fixtures for every test, and what a run takes of the tests: which HTTP library, which part of large products."""

import asyncio
import gc
import logging
import signal
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from operator import attrgetter
from typing import Any

import pytest

from melious.sandbox import Sandbox

pytest_plugins = ["melious_sandbox.pytest_plugin"]

_ADAPTERS = ("langchain", "llama_index")
_MEETS_THE_FRAMEWORK = (
    "_agents",
    "_agent",
    "_batch_parts",
    "_batches",
    "_callbacks",
    "_chat",
    "_conformance",
    "_embeddings",
    "_events",
    "_graph",
    "_integration",
    "_llm",
    "_rerank",
    "_streams",
    "_structured",
    "_tools",
    "_unit",
    "_workflows",
)
"""Ends of the names of modules whose tests run through the framework, and not only beside it."""

_GARBAGE = 20_000
"""How many new objects start a pass of the garbage collector."""

_FORGET = {
    "melious._stacklevel": "_warned.clear",
    "melious.catalogue.live": "_lists.clear",
    "melious.catalogue.methods": "forget_methods",
    "melious.catalogue.needs": "forget_needs",
    "melious.endpoints.common": "forget_checked_models",
    "melious.exchange.gate": "forget_gates",
    "melious.scale.pace": "_paces.clear",
}
"""What modules remember for as long as the process lives, and how they forget it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--http-library",
        choices=("httpx", "httpx2"),
        default="httpx2",
        help="library under the core: with httpx, httpx2 cannot be imported",
    )

    parser.addoption(
        "--exhaustive",
        action="store_true",
        help="run the whole products of parameters, and the tests that take long",
    )
    parser.addoption("--wheels", metavar="FOLDER", help="test the wheels of this folder, instead of new ones")
    parser.addoption(
        "--judges", action="store_true", help="run servers, suites and engines of others too (make judges)"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what runs on the oldest versions too; leave out what only an exhaustive run takes."""
    if config.getoption("loadgroup", default=False):
        _name_groups(items)
    for item in items:
        if item.path.parent.name in _ADAPTERS and item.path.stem.endswith(_MEETS_THE_FRAMEWORK):
            item.add_marker("versions")
    left_out = (
        {item for item in items if _needs_no_http_library(item)} if _is_without_httpx2(config) else set()
    )
    if not config.getoption("--judges"):
        left_out |= {item for item in items if item.get_closest_marker("judges") is not None}
    if config.getoption("--exhaustive"):
        _leave_out(config, items, left_out)
        return
    products: defaultdict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("sampled") is not None:
            products[item.nodeid.partition("[")[0]].append(item)
    left_out |= {item for item in items if item.get_closest_marker("exhaustive") is not None}
    for product in products.values():
        left_out |= set(product) - _sample(product)
    _leave_out(config, items, left_out)


def _name_groups(items: list[pytest.Item]) -> None:
    """Put the group into the id, for pytest-xdist 3.8, whose own way pytest 9.2 ignores (pytest-xdist#1386)."""
    for item in items:
        marker = item.get_closest_marker("xdist_group")
        if marker is not None and hasattr(item, "_id") and not item.nodeid.endswith(f"@{marker.args[0]}"):
            item._id = type(item._id).parse(f"{item.nodeid}@{marker.args[0]}")


def pytest_collection_finish() -> None:
    """Hide the collected tests from the garbage collector: a pass over a million objects takes half a second."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE, 10, 10)


def _leave_out(config: pytest.Config, items: list[pytest.Item], left_out: set[pytest.Item]) -> None:
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    items[:] = [item for item in items if item not in left_out]


def _is_without_httpx2(config: pytest.Config) -> bool:
    return bool(config.getoption("--http-library") == "httpx")


def _needs_no_http_library(item: Any) -> bool:
    """Whether it runs on aiohttp, which is the same whatever the HTTP library is."""
    params = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return any(isinstance(value, str) and value == "aiohttp" for value in params)


def _sample(product: list[pytest.Item]) -> set[pytest.Item]:
    """Every n-th item of a product, and one for each value of each parameter that is not among them."""
    marker = product[0].get_closest_marker("sampled")
    assert marker is not None
    taken = product[:: marker.args[0]]
    seen = {value for item in taken for value in _values(item)}
    for item in product:
        if not seen.issuperset(_values(item)):
            taken.append(item)
            seen.update(_values(item))
    return set(taken)


def _values(item: Any) -> set[tuple[str, int]]:
    # Cases of a product share the objects that their parameters are given as.
    return {(name, id(value)) for name, value in item.callspec.params.items()}


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell starts what runs in its background so; tests of Ctrl-C need it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.pluginmanager.hasplugin("hypothesispytest"):  # which the judges, for one, do without
        _choose_examples(config)
    if _is_without_httpx2(config):
        # Plugins of pytest may hold httpx2 already; what counts is that the core has not chosen yet.
        if "melious.http.library" in sys.modules:
            raise pytest.UsageError("melious.http.library was imported before --http-library took effect")
        sys.modules["httpx2"] = None  # type: ignore[assignment]


def _choose_examples(config: pytest.Config) -> None:
    from hypothesis import settings

    # How long an example takes says more of the machine than of the code.
    examples = 250 if config.getoption("--exhaustive") else 40
    settings.register_profile("suite", deadline=None, max_examples=examples)
    settings.load_profile("suite")


@pytest.fixture
def event_loop_closed() -> Iterator[None]:
    """LlamaIndex's blocking calls take the event loop of the thread, and none of them closes it."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture
def sandbox(melious_sandbox: Sandbox) -> Sandbox:
    """The sandbox of the session, profile live, with nothing left of the test before."""
    return melious_sandbox


@pytest.fixture(autouse=True)
def _nothing_is_remembered() -> Iterator[None]:
    """What clients learned ends with the test: the next server may get the same address, and a gate stays closed.

    So do the lists of warnings already given and of models already checked.
    """
    yield
    for module, forget in _FORGET.items():
        loaded = sys.modules.get(module)  # with --http-library nothing is imported before it is needed
        if loaded is not None:
            attrgetter(forget)(loaded)()


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Levels and streams that a test gives to loggers end with it, like the output that pytest captures."""
    levels = [(logger, logger.level) for logger in _loggers()]
    streams = set(_streams())
    yield
    for logger, level in levels:
        if logger.level != level:
            logger.setLevel(level)
    for logger, handler in set(_streams()) - streams:
        logger.removeHandler(handler)


def _loggers() -> list[logging.Logger]:
    made = logging.root.manager.loggerDict.values()
    return [logging.root, *(logger for logger in made if isinstance(logger, logging.Logger))]


def _streams() -> Iterator[tuple[logging.Logger, logging.Handler]]:
    for logger in _loggers():
        for handler in logger.handlers:
            if type(handler) is logging.StreamHandler:
                yield logger, handler


@pytest.fixture
def patient_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows the end of a stream is waited for, so that its connection is kept on a busy machine too."""
    from melious.http._async import aiohttp_pool, pool
    from melious.http._sync import pool as blocking_pool

    for module in (aiohttp_pool, pool, blocking_pool):
        monkeypatch.setattr(module, "DRAIN_SECONDS", 60.0)


@pytest.fixture(scope="session", autouse=True)
def _usual_backoff() -> float:
    """Retries follow at once, where the service names no wait; gives the seconds that users wait for."""
    from melious.exchange import retry

    usual, retry.BACKOFF_BASE = retry.BACKOFF_BASE, 0.0
    return usual


@pytest.fixture
def backoff(_usual_backoff: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries wait as they do for users."""
    from melious.exchange import retry

    monkeypatch.setattr(retry, "BACKOFF_BASE", _usual_backoff)


@pytest.fixture
def no_wait_for_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for a batch looks again almost at once, not after a second."""
    from melious.endpoints import patience

    monkeypatch.setattr(patience, "FIRST", 0.001)


@pytest.fixture
def start_sandbox() -> Iterator[Callable[..., Sandbox]]:
    """Start further sandboxes with the arguments of ``Sandbox``; they stop after the test."""
    with ExitStack() as stack:

        def start(*args: Any, **kwargs: Any) -> Sandbox:
            return stack.enter_context(Sandbox(*args, **kwargs))

        yield start
