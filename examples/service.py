"""Where an example sends its requests: to the service if there is a key, else to a sandbox."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from melious.sandbox import RecordedRequest, Reply, Sandbox

VARIABLES = ("MELIOUS_API_KEY", "MELIOUS_BASE_URL")


@contextmanager
def service(script: Callable[[Sandbox], None]) -> Iterator[None]:
    """Inside the block, every client finds a key and an address in the environment.

    With `MELIOUS_API_KEY` set nothing happens: the service answers. Without it a sandbox starts.

    Args:
        script: Tells the sandbox what to answer.
    """
    if os.environ.get("MELIOUS_API_KEY"):
        yield
        return
    before = {name: os.environ.get(name) for name in VARIABLES}
    with Sandbox() as sandbox:
        script(sandbox)
        os.environ |= {"MELIOUS_API_KEY": sandbox.api_key, "MELIOUS_BASE_URL": sandbox.base_url}
        print("No MELIOUS_API_KEY is set, so a local sandbox answers: answers and figures are simulated.\n")
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def answering(answers: Mapping[str, str]) -> Callable[[Sandbox], None]:
    """A script that answers each question by words that it contains, as often as it is asked."""

    def script(sandbox: Sandbox) -> None:
        for words, answer in answers.items():
            sandbox.replies.add(Reply(text=answer), times=None, when=asks(words))

    return script


def asks(words: str) -> Callable[[RecordedRequest], bool]:
    """Whether the last message of a chat request contains these words."""

    def asked(request: RecordedRequest) -> bool:
        return words in str(request.body["messages"][-1]["content"])

    return asked
