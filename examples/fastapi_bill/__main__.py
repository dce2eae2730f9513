"""Start the API, ask as two users, and show their bills: `python -m examples.fastapi_bill [--serve]`."""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from examples.fastapi_bill.app import create_app
from examples.service import answering, service
from melious.impact.units import euro

USERS = {"token-of-anna": "anna", "token-of-ben": "ben"}
BUDGET = "0.00015"  # euro: small, so that somebody reaches it
QUESTIONS = [
    ("anna", "Which rivers flow through Hamburg?"),
    ("ben", "Why is the sea salty?"),
    ("anna", "Which of them is longer?"),
    ("anna", "How long is the longer one?"),
    ("ben", "Is the Baltic Sea salty?"),
]
ANSWERS = {
    "Hamburg": "The Elbe, the Alster and the Bille flow through Hamburg. The Alster forms two lakes.",
    "Why": "Rivers wash salts out of rock and carry them to the sea. Water evaporates, and the salt stays.",
    "longer?": "The Elbe is much longer. It rises in the Giant Mountains and ends in the North Sea.",
    "How long": "The Elbe is 1,094 kilometres long. It is navigable for about 940 of them.",
    "Baltic": "Only slightly: it is brackish. Many rivers flow in, and little salt water does.",
}
CURL = """Ask from another terminal, and open http://127.0.0.1:8000/docs for the rest of the API:
  curl -N http://127.0.0.1:8000/chat -H 'authorization: Bearer token-of-anna' \\
    -H 'content-type: application/json' -d '{"question": "Which rivers flow through Hamburg?"}'
"""


@contextmanager
def running(app: FastAPI, port: int = 0) -> Iterator[str]:
    """Serve an application in a thread; gives its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    with server.config.bind_socket() as socket:
        socket.listen()  # whoever connects before the server runs waits
        thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{socket.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def events(response: httpx.Response) -> Iterator[tuple[str, Any]]:
    """The server-sent events of a response: name and data."""
    name = ""
    for line in response.iter_lines():
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


def ask(client: httpx.Client, user: str, question: str) -> None:
    """Ask as a user, and print the answer as it comes."""
    print(f"{user}: {question}")
    with client.stream("POST", "/chat", json={"question": question}, headers=headers(user)) as response:
        if response.status_code != httpx.codes.OK:
            print(f"  {response.status_code}: {json.loads(response.read())['detail']}\n")
            return
        print("  ", end="")
        for name, data in events(response):
            if name == "token":
                print(data, end="", flush=True)
            elif name == "bill":
                print(f"\n  [{so_far(data)}]\n")
            else:
                print(f"\n  {name}: {data}")


def so_far(bill: dict[str, Any]) -> str:
    """The bill in a line."""
    sums = [
        f"{euro(Decimal(bill[name]))} {word}"
        for name, word in (("eur", "reported"), ("estimated_eur", "estimated"))
        if bill[name] is not None
    ]
    return ", ".join([f"{bill['requests']} so far", *sums, *["simulated"] * bool(bill["simulated"])])


def headers(user: str) -> dict[str, str]:
    """The header that says who asks."""
    token = next(token for token, name in USERS.items() if name == user)
    return {"authorization": f"Bearer {token}"}


def main(arguments: list[str] | None = None) -> None:
    """Serve, and either play both users or wait."""
    parser = argparse.ArgumentParser(prog="python -m examples.fastapi_bill", description=__doc__)
    parser.add_argument("--serve", action="store_true", help="serve on port 8000 until Ctrl-C")
    serve = parser.parse_args(arguments).serve
    with service(answering(ANSWERS)), tempfile.TemporaryDirectory() as folder:
        app = create_app(USERS, Path(folder), max_cost_eur=BUDGET)
        if serve:
            print(CURL)
            uvicorn.run(app, port=8000)
            return
        with running(app) as url, httpx.Client(base_url=url, timeout=60) as client:
            for user, question in QUESTIONS:
                ask(client, user, question)
            page = client.get("/bill.html", headers=headers("anna")).text
            Path("receipt.html").write_text(page, encoding="utf-8")
            print("The bill of anna is in receipt.html.")


if __name__ == "__main__":
    main()
