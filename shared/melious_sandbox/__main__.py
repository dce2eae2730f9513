"""``python -m melious.sandbox``: the sandbox from a shell."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence

from melious.errors import InvalidArgumentError
from melious_sandbox.greeting import greeting
from melious_sandbox.sandbox import Sandbox, random_key
from melious_sandbox.service.profiles import PROFILES
from melious_sandbox.service.state import MAX_BODY_BYTES, without_secrets

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

_FLAGS: Mapping[str, str] = {"api_key": "--key", "upstream_key": "--upstream-key-env"}


def main(arguments: Sequence[str] | None = None, program: str = "python -m melious.sandbox") -> int:
    """Run the sandbox until it is interrupted, and give the exit status."""
    parser = _parser(program)
    options = vars(parser.parse_args(arguments))
    variable = options.pop("upstream_key_env")
    try:
        sandbox = Sandbox(**options, upstream_key=_upstream_key(variable))
    except InvalidArgumentError as error:
        argument = (error.param or "").partition("[")[0]
        flag = _FLAGS.get(argument, f"--{argument.replace('_', '-')}")
        parser.error(f"argument {flag}: {error.message.removeprefix(f'{argument} ')}")
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    try:
        sandbox.start()
    except OSError as error:
        sys.stderr.write(f"cannot listen on {options['host']}:{options['port']}: {error.strerror}\n")
        return 1
    with sandbox:
        upstream = without_secrets(options["upstream"])
        sys.stdout.write(greeting(sandbox.base_url, sandbox.api_key, sandbox.profile, upstream))
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
    parser.add_argument("--port", type=int, default=8321, help="port to bind, 0 for a free one (%(default)s)")
    parser.add_argument("--profile", choices=list(PROFILES), default="live", help="generation (%(default)s)")
    key_help = "the API key to accept (a random one, which is printed)"
    parser.add_argument("--key", dest="api_key", default=random_key(), help=key_help)
    parser.add_argument(
        "--allowed-hosts",
        nargs="+",
        default=(),
        metavar="HOST",
        help="further hosts that requests may name, as host.docker.internal; bound to this machine, "
        "only its own names are taken otherwise",
    )
    parser.add_argument("--rate-limit", type=_at_least_one, metavar="N", help="requests per minute")
    parser.add_argument("--latency", type=float, default=0.0, metavar="S", help="seconds before each answer")
    parser.add_argument(
        "--pace", type=float, default=0.0, metavar="X", help="1: chat at the providers' own tokens per second"
    )
    parser.add_argument("--stream-delay", type=float, default=0.0, metavar="S", help="seconds between events")
    parser.add_argument(
        "--upstream", metavar="URL", help="local model server that answers chat and embeddings"
    )
    parser.add_argument(
        "--max-body-bytes",
        type=int,
        default=MAX_BODY_BYTES,
        metavar="N",
        help="how large the body of a request may be (%(default)s)",
    )
    parser.add_argument("--upstream-key-env", metavar="NAME", help="variable that holds the upstream's key")
    return parser


def _at_least_one(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return value


def _upstream_key(variable: str | None) -> str | None:
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise InvalidArgumentError(
            f"the environment has no variable {variable}, or it is empty", param="upstream_key"
        )
    return key


if __name__ == "__main__":
    sys.exit(main())
