"""Servers of others, each in a process of its own on a free port of this machine."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

ATTEMPTS = 1200
"""How often a server is asked whether it is ready."""

BETWEEN = 0.25
"""Seconds between two attempts; a process that ends is noticed at once."""


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@contextmanager
def serving(
    command: Sequence[str], ready_url: str, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a server, wait until an address of it answers 200, and end it and its children afterwards."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=os.environ | (environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_ready(process, ready_url, log)
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a server and its children at once."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    for _ in range(ATTEMPTS):
        if _is_ready(url):
            return
        try:
            process.wait(BETWEEN)
        except subprocess.TimeoutExpired:
            continue
        raise RuntimeError(f"the server ended with {process.returncode}:\n{_end_of(log)}")
    raise RuntimeError(f"{url} was not ready after {ATTEMPTS} attempts:\n{_end_of(log)}")


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _end_of(log: Path) -> str:
    return log.read_text("utf-8", "replace")[-2000:]
