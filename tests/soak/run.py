"""One run: the server's process, the callers, and the table."""

import json
import subprocess
import sys
import time
from pathlib import Path

from .callers import Soak
from .report import table

ROOT = Path(__file__).parent.parent.parent
MAX_RETRIES = 2


async def soak(
    *,
    transport: str = "httpx",
    seconds: float = 180.0,
    seed: int = 1,
    share: float = 0.1,
    tasks: int = 64,
    threads: int = 16,
    calls: int = sys.maxsize,
) -> tuple[str, bool]:
    """Run until the time or the number of calls is up; gives the table, and whether all was sound."""
    started = time.monotonic()
    with _server(seed, share) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            run = Soak(port, server, seed=seed, max_retries=MAX_RETRIES)
            sizes = await run.run(transport, tasks, threads, seconds, calls, _say)
            counted, _ = server.communicate()
        except BaseException:
            server.kill()
            raise
    return table(run.tally, json.loads(counted), sizes, time.monotonic() - started)


def _server(seed: int, share: float) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.soak.server", str(seed), str(share), str(MAX_RETRIES)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
