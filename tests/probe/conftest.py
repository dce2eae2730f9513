"""Runs of the probe against loopback servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from melious.probe.runner import Line, Probe

MODELS = ("llama-3.1-8b-instruct", "gpt-oss-120b", "deepseek-v4.1-flash")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, no address, no proxy and no certificates of the machine's own."""
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
    for name in (*names, "MELIOUS_API_KEY", "MELIOUS_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Probe]]:
    """Make probes that have read the list of models."""
    # Imported here, since --http-library takes effect after this file is read.
    from melious.probe.runner import Probe
    from melious.probe.sending import Wire

    with ExitStack() as stack:

        def make(
            base_url: str, key: str, *, limit: str = "0.01", models: tuple[str, ...] = MODELS, **how: Any
        ) -> Probe:
            monkeypatch.setenv("MELIOUS_API_KEY", key)
            wire = Wire(base_url, 60.0)
            stack.callback(wire.close)
            probe = Probe(wire, Decimal(limit), models, **how)
            probe.prepare()
            return probe

        yield make


@pytest.fixture
def probed(prepared: Callable[..., Probe]) -> Callable[..., tuple[Probe, dict[str, Line]]]:
    """Make whole runs; give the probe, and its lines by name."""

    def run(*arguments: Any, **how: Any) -> tuple[Probe, dict[str, Line]]:
        probe = prepared(*arguments, **how)
        probe.run(lambda _: None)
        return probe, {line.name: line for line in probe.lines}

    return run


@pytest.fixture
def lines_of(sandbox, probed):
    """The lines of a whole run against the sandbox of the session, by name."""

    def run(**how: Any) -> dict[str, Line]:
        return probed(sandbox.base_url, sandbox.api_key, **how)[1]

    return run
