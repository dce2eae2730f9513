"""``python -m melious.sandbox``: the sandbox from a shell."""

import argparse
import os
import shlex
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib.resources import files
from string import Template

from melious.errors import InvalidArgumentError
from melious_sandbox.routes.models import counts
from melious_sandbox.sandbox import Sandbox, random_key
from melious_sandbox.service.profiles import PROFILES, ProfileName
from melious_sandbox.service.state import MAX_BODY_BYTES, without_secrets

_DESCRIPTION = """\
A local server with the API of Melious: chat, embeddings, rerank, images, audio, documents, models,
tools and batches, with routes, rate limits, impact and bills. It needs no key of yours and no
network. A page at its address shows the requests as they come."""
_PROFILES: Mapping[ProfileName, str] = {
    "live": "the service as its callers have measured it",
    "g1": "the service as its older pages describe it",
    "g2": "the service as its newer pages describe it",
}
_ENDPOINTS = (
    ("chat", "POST /chat/completions"),
    ("embeddings", "POST /embeddings"),
    ("rerank", "POST /rerank"),
    ("image", "POST /images/generations"),
    ("audio", "POST /audio/transcriptions"),
)
_GREETING, _EPILOG = (
    Template(files(__package__).joinpath(name).read_text("utf-8")) for name in ("greeting.txt", "help.txt")
)
_FORWARDED = ("chat", "embeddings")
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
        _warn_if_unreachable(options["upstream"])
        stopping.wait()
    return 0


def greeting(base_url: str, api_key: str, profile: ProfileName, upstream: str = "") -> str:
    """Write the greeting; ``upstream`` is the address of the server that answers instead, if any."""
    models = counts()
    serves = "\n".join(
        f"  {path:<28}{models[kind]:>3} {kind.removesuffix('s')} model{'s' if models[kind] > 1 else ''}"
        + (", and any that the server behind knows" if upstream and kind in _FORWARDED else "")
        for kind, path in _ENDPOINTS
    )
    behind = f"\nChat and embeddings are answered by {upstream}\n" if upstream else ""
    return _GREETING.substitute(
        profile=f"{profile}: {_PROFILES[profile]}",
        behind=behind,
        page=base_url.removesuffix("/v1"),
        base_url=base_url,
        serves=serves,
        all_models=f"{'GET /models':<28}{sum(models.values()):>3} models in all",
        api_key=shlex.quote(api_key),
    )


def _warn_if_unreachable(upstream: str | None) -> None:
    if upstream is None:
        return
    from melious_sandbox.service.upstream import unreachable  # noqa: PLC0415 - brings the whole HTTP client

    reason = unreachable(upstream)
    if reason is not None:
        where = without_secrets(upstream)
        sys.stderr.write(
            f"warning: {where} does not answer yet: {reason}. Chat and embeddings fail until it does.\n"
        )


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program,
        description=_DESCRIPTION,
        epilog=_EPILOG.substitute(program=program),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to bind (%(default)s); whoever reaches it sees the page, with all requests and answers",
    )
    parser.add_argument("--port", type=int, default=8321, help="port to bind, 0 for a free one (%(default)s)")
    parser.add_argument(
        "--profile", choices=list(PROFILES), default="live", help="generation of the service (%(default)s)"
    )
    key_help = "the API key to accept (a random one, which is printed)"
    parser.add_argument("--key", dest="api_key", default=random_key(), help=key_help)
    parser.add_argument(
        "--allowed-hosts",
        nargs="+",
        default=(),
        metavar="HOST",
        help="more host names that requests may use, such as host.docker.internal; by default a sandbox "
        "on loopback accepts the names of this machine only",
    )
    parser.add_argument("--rate-limit", type=_at_least_one, metavar="N", help="requests per minute")
    parser.add_argument("--latency", type=float, default=0.0, metavar="S", help="seconds before each answer")
    parser.add_argument(
        "--pace", type=float, default=0.0, metavar="X", help="speed of chat; 1: that of the providers"
    )
    parser.add_argument(
        "--batch-pace", type=float, metavar="N", help="lines of each batch per second; at once by default"
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
    parser.add_argument(
        "--upstream-key-env", metavar="NAME", help="environment variable with the upstream's key"
    )
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
