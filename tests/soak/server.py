"""The server of the soak, a process of its own: prints its port, reads outcomes, and prints its counts at the end.

python -m tests.soak.server SEED SHARE MAX_RETRIES
"""

import asyncio
import json
import random
import sys
from pathlib import Path

from . import answers, plans
from .ledger import Ledger


class Server:
    """Answers every request, one in so many with a fault."""

    def __init__(self, seed: int, share: float, max_retries: int) -> None:
        self.ledger = Ledger(max_retries)
        self._chance = random.Random(seed)
        self._share = share

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Deal with one connection."""
        try:
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                lines = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
                body = await reader.readexactly(int(lines.get("content-length", 0)))
                endpoint = answers.endpoint_of(head.split(" ", 2)[1], body)
                call = lines[answers.CALL_HEADER]
                turn = plans.Turn(writer, endpoint, call, self.ledger.request(call))
                plan = self._plan(endpoint)
                turn.record.played.append(plan.__name__.strip("_"))
                await plan(turn)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the caller is gone
        finally:
            writer.close()

    def _plan(self, endpoint: str) -> plans.Plan:
        if self._chance.random() >= self._share:
            return plans.sound
        self.ledger.counts["faults"] += 1
        return self._chance.choice(plans.ANY + plans.STREAM if endpoint == "stream" else plans.ANY)


async def _outcomes(ledger: Ledger) -> None:
    """Read what the callers say, a line for each call, until they say no more."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        call, outcome, attempts = line.decode().split()
        ledger.settle(call, outcome, int(attempts))


def _pages() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1])


async def _main(seed: int, share: float, max_retries: int) -> None:
    made = Server(seed, share, max_retries)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    await _outcomes(made.ledger)
    print(json.dumps({**made.ledger.counts, "pages": _pages(), "notes": made.ledger.notes}), flush=True)  # noqa: T201
    server.close()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
