"""``python -m melious.sandbox``: the sandbox from a shell."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence

from melious.sandbox.greeting import greeting
from melious.sandbox.profiles import PROFILES
from melious.sandbox.server import Sandbox
from melious.sandbox.service import without_secrets

_DESCRIPTION = """\
A local server that speaks the wire of Melious: chat, embeddings, rerank, images, audio and models,
with routes, rate limits, impact and bills. It needs no key of yours and no network. A page at its
address shows the requests as they come."""
_EPILOG = """\
a model server on this machine can answer instead of the sandbox's own made-up sentences:

  {program} --upstream http://127.0.0.1:11434/v1     Ollama
  {program} --upstream http://127.0.0.1:8000/v1      vLLM
  {program} --upstream http://127.0.0.1:8080/v1      llama.cpp (llama-server)

Chat and embeddings go there, under the model's name without its flavor; names that the catalogue
does not know go through, as "llama3.2:1b". Keys, checks, rate limits, filters, faults, routes,
impact and bills stay those of the sandbox; the last two are computed from the server's token
counts, or from the sandbox's own where it gives none."""


def main(arguments: Sequence[str] | None = None, program: str = "python -m melious.sandbox") -> int:
    """Run the sandbox until it is interrupted.

    Args:
        arguments: The command line; that of the process by default.
        program: What the command is called in its help.

    Returns:
        The exit status.
    """
    options = _parser(program).parse_args(arguments)
    upstream_key = None
    if options.upstream_key_env is not None:
        upstream_key = os.environ.get(options.upstream_key_env)
        if upstream_key is None:
            sys.stderr.write(f"the environment has no variable {options.upstream_key_env}\n")
            return 2
    sandbox = Sandbox(
        options.profile,
        api_key=options.key,
        host=options.host,
        port=options.port,
        rate_limit=options.rate_limit,
        latency=options.latency,
        pace=options.pace,
        stream_delay=options.stream_delay,
        upstream=options.upstream,
        upstream_key=upstream_key,
    )
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    try:
        sandbox.start()
    except OSError as error:
        sys.stderr.write(f"cannot listen on {options.host}:{options.port}: {error.strerror}\n")
        return 1
    with sandbox:
        sys.stdout.write(
            greeting(sandbox.base_url, sandbox.api_key, sandbox.profile, without_secrets(options.upstream))
        )
        sys.stdout.flush()
        stopping.wait()
    return 0


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program,
        description=_DESCRIPTION,
        epilog=_EPILOG.format(program=program),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to bind (%(default)s); whoever reaches it sees the page"
    )
    parser.add_argument(
        "--port", type=_whole(65_535), default=8321, help="port to bind, 0 for a free one (%(default)s)"
    )
    parser.add_argument("--profile", choices=list(PROFILES), default="live", help="generation (%(default)s)")
    parser.add_argument("--key", default="sk-mel-sandbox", help="the API key to accept (%(default)s)")
    parser.add_argument("--rate-limit", type=_whole(), metavar="N", help="requests per minute")
    parser.add_argument("--latency", type=float, default=0.0, metavar="S", help="seconds before each answer")
    parser.add_argument(
        "--pace", type=float, default=0.0, metavar="X", help="1: chat at the providers' own tokens per second"
    )
    parser.add_argument("--stream-delay", type=float, default=0.0, metavar="S", help="seconds between events")
    parser.add_argument(
        "--upstream", metavar="URL", help="local model server that answers chat and embeddings"
    )
    parser.add_argument("--upstream-key-env", metavar="NAME", help="variable that holds the upstream's key")
    return parser


def _whole(most: int | None = None) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if value < 0 or (most is not None and value > most):
            allowed = "0 or more" if most is None else f"from 0 to {most}"
            raise argparse.ArgumentTypeError(f"{value} is not {allowed}")
        return value

    return number


if __name__ == "__main__":
    sys.exit(main())
