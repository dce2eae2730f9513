"""The command line: commands, arguments and their help."""

from __future__ import annotations

import argparse

from melious._version import __version__

_DEMO = (
    "Answer a question about the Python language with a LangChain chain and a LlamaIndex query engine, let "
    "an agent use a tool, and show what all of it cost. Without --live, on a local sandbox: no key, no "
    "network, and simulated answers and figures."
)
_VARIABLES = """\
environment variables:
  MELIOUS_API_KEY       the key
  MELIOUS_BASE_URL      the service, if it is not https://api.melious.ai/v1
  MELIOUS_LOG           info: a line for each request; debug: each attempt too
  NO_COLOR              1: no colours
  FORCE_COLOR           1: colours, also where it is not a terminal"""


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    whole = argparse.ArgumentParser(
        prog="melious",
        description="Melious for LangChain and LlamaIndex.",
        epilog=_VARIABLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=f"melious {__version__}")
    commands = whole.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="retrieval, an agent, and what they cost", description=_DEMO)
    demo.add_argument("question", nargs="*", help="a question about the Python language")
    demo.add_argument("--live", action="store_true", help="use the service, with the key in MELIOUS_API_KEY")
    commands.add_parser("sandbox", help="a local test server; see melious sandbox --help")
    _add_models(commands.add_parser("models", help="list models, what they can do and cost"))
    _add_doctor(
        commands.add_parser("doctor", help="diagnose your setup: key, connection, rate limit, scopes")
    )
    _add_batch(commands.add_parser("batch", help="submit a file of requests, and read the results"))
    return whole


def _add_batch(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Submit many requests as a batch, which the service answers in its own time, outside the per-minute "
        "limit. The exit status of results is 1 if a request failed."
    )
    actions = parser.add_subparsers(dest="action", required=True)
    submit = actions.add_parser("submit", help="submit the requests in a file; prints the id of the batch")
    submit.add_argument(
        "file",
        metavar="FILE.jsonl",
        help="a JSON object on each line: a request, or a line with custom_id and body; - for standard input",
    )
    submit.add_argument(
        "--endpoint", metavar="PATH", help="that of the first line by default, or /v1/chat/completions"
    )
    submit.add_argument(
        "--again", action="store_true", help="submit them although a batch with these requests exists"
    )
    wait = "wait for the end"
    out = "write the results to this file"
    submit.add_argument("--wait", action="store_true", help=wait)
    submit.add_argument("--out", metavar="FILE", help=f"{out}; with --wait")
    status = actions.add_parser("status", help="show how far a batch is")
    results = actions.add_parser(
        "results", help="print a JSON line for each request: its answer or its error"
    )
    results.add_argument("--wait", action="store_true", help=wait)
    results.add_argument("--out", metavar="FILE", help=out)
    cancel = actions.add_parser("cancel", help="cancel a batch; what has been answered stays readable")
    for action in (status, results, cancel):
        action.add_argument("id", metavar="ID", help="what submit printed")
    for action in (submit, status, results, cancel):
        _add_service(action)


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "List the models that the key in MELIOUS_API_KEY may use; without a key, the shipped catalogue. "
        "A NAME finds models by a part of their name, and shows more of a single one."
    )
    yes_or_no = argparse.BooleanOptionalAction
    parser.add_argument("name", nargs="?", metavar="NAME", help="only models with this in their name")
    parser.add_argument("--type", help="chat, embeddings, rerank, image or audio")
    parser.add_argument("--vision", action=yes_or_no, help="only models that take images, or only others")
    parser.add_argument("--tools", action=yes_or_no, help="only models that call tools, or only others")
    parser.add_argument("--reasoning", action=yes_or_no, help="only reasoning models, or only others")
    parser.add_argument(
        "--min-context",
        type=_tokens,
        metavar="TOKENS",
        help="only models that read at least this many tokens: 131072, 128k or 1M",
    )
    parser.add_argument(
        "--max-input-cost", metavar="EUR", help="only models with at most this price per million input tokens"
    )
    parser.add_argument(
        "--order-by",
        metavar="WORD",
        help="price, input_cost, output_cost, context, max_output or name; reversed: --order-by=-price",
    )
    parser.add_argument("--limit", type=_positive, metavar="N", help="show the first N models only")
    parser.add_argument("--offline", action="store_true", help="use the shipped catalogue, without a request")
    _add_service(parser)
    parser.add_argument("--json", action="store_true", help="machine-readable JSON with all known facts")


def _add_service(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--base-url", metavar="URL", help="the service; MELIOUS_BASE_URL by default")
    parser.add_argument(
        "--allow-insecure-http",
        action="store_true",
        help="let the key go unencrypted to a host other than this machine",
    )


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Diagnose why requests fail. Requests the list of models, and sends each other endpoint an empty "
        "request, which cannot be served and costs nothing. Only --try sends a request that is billed. "
        "The exit status is 1 if there is a problem."
    )
    _add_service(parser)
    parser.add_argument(
        "--timeout", type=_seconds, default=10.0, metavar="SECONDS", help="for each step; 10 by default"
    )
    parser.add_argument("--no-scopes", action="store_true", help="do not send empty requests")
    parser.add_argument(
        "--try",
        dest="model_to_try",
        nargs="?",
        const="",
        metavar="MODEL",
        help="also send one small chat request, which is billed, and show its receipt; "
        "the cheapest model by default",
    )
    parser.add_argument(
        "--need",
        action="append",
        default=[],
        metavar="ENDPOINT",
        help="fail if the key may not use this endpoint; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="machine-readable JSON")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)


def _tokens(text: str) -> int:
    from melious.catalogue.selection import tokens_of

    try:
        return tokens_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number of seconds")
    return seconds
