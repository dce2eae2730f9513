"""The command line: commands, arguments and their help."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple

from melious._version import __version__
from melious.cli import commands

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
    subparsers = whole.add_subparsers(dest="command", required=True)
    for name, command in COMMANDS.items():
        command.add_arguments(subparsers.add_parser(name, help=command.help))
    subparsers.add_parser("sandbox", help="a local test server; see melious sandbox --help")
    return whole


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Answer a question about the Python language with a LangChain chain and a LlamaIndex query engine, "
        "let an agent use a tool, and show what all of it cost. Without --live, on a local sandbox: no key, "
        "no network, and simulated answers and figures."
    )
    parser.add_argument("question", nargs="*", help="a question about the Python language")
    parser.add_argument(
        "--live", action="store_true", help="use the service, with the key in MELIOUS_API_KEY"
    )


def _add_batch(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Submit many requests as a batch, which the service answers in its own time, outside the per-minute "
        "limit. The exit status of results, and of submit with --wait, is 1 if a request failed."
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
    submit.add_argument("--out", metavar="FILE", help=f"{out}; needs --wait")
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


def _add_tools(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "List the tools that the service runs for the key in MELIOUS_API_KEY. A NAME finds tools by a part "
        "of their name or slug. With --run, run the tool whose slug is NAME: that may be billed, and no page "
        "says what it costs."
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="only tools with this in their name or slug")
    parser.add_argument("--source", help="only tools that are native, managed or remote")
    parser.add_argument("--tool-type", help="only tools of type handler, mcp or api")
    parser.add_argument("--category", help="only tools of this category")
    parser.add_argument(
        "--run",
        metavar="JSON",
        help="""run the tool with these arguments, such as '{"query": "heat pumps"}'""",
    )
    _add_service(parser)
    parser.add_argument("--json", action="store_true", help="machine-readable JSON, as the service sent it")


def _add_documents(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Convert PDF, Word, Excel and PowerPoint files and images, and print their text. "
        "Pages are billed: 0.50 EUR for 1,000, as the service lists them."
    )
    parser.add_argument("file", nargs="+", metavar="FILE", help="a file of at most 50 MB")
    parser.add_argument("--pages", action="store_true", help="with a heading before each page")
    _add_service(parser)
    parser.add_argument("--json", action="store_true", help="machine-readable JSON, by file and page")


def _add_service(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--base-url", metavar="URL", help="the service; MELIOUS_BASE_URL by default")
    parser.add_argument(
        "--allow-insecure-http",
        action="store_true",
        help="let the key go unencrypted to a host other than this machine",
    )


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Diagnose why requests fail. Requests the lists of models and tools, and sends each other endpoint a "
        "request for nothing, which costs nothing. Only --try sends a request that is billed. "
        "The exit status is 1 if there is a problem."
    )
    _add_service(parser)
    parser.add_argument(
        "--timeout", type=_seconds, default=10.0, metavar="SECONDS", help="for each step; 10 by default"
    )
    parser.add_argument("--no-scopes", action="store_true", help="do not check the endpoints")
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


def _add_probe(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Ask the service what its documentation leaves open, for less than a cent, and write a report to "
        "attach to an issue, without your key, personal data and most headers. It says beforehand what it "
        "sends and what that costs at most. The exit status is 1 if the service could not be asked."
    )
    _add_service(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask for consent")
    parser.add_argument(
        "--out", metavar="FILE", help="where the report goes, as Markdown; to the terminal by default"
    )
    parser.add_argument("--json", metavar="FILE", help="also write the report as JSON")
    parser.add_argument(
        "--cassette", metavar="FOLDER", help="also write the exchanges, scrubbed, for the tests to replay"
    )
    parser.add_argument(
        "--max-cost", default="0.01", metavar="EUR", help="what it may spend; 0.01 by default, 0 for nothing"
    )
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="MODEL",
        help="a chat model to ask; may be repeated; by default up to five, cheap ones first",
    )
    parser.add_argument(
        "--timeout", type=_seconds, default=60.0, metavar="SECONDS", help="for each answer; 60 by default"
    )


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Report what the requests of a rows file (track_impact(rows_file=...)) cost: energy, location-based "
        "CO2, water and money, by month, country, provider, model and project, with the share of requests "
        "that reported and the method. No key and no network are needed. Times are in UTC."
    )
    parser.add_argument("rows_file", metavar="ROWS_FILE", help="the file, lines of JSON")
    parser.add_argument(
        "--period",
        metavar="PERIOD",
        help="2026-11, 2026-Q4, 2026, or two days: 2026-11-01..2026-11-15; everything by default",
    )
    parser.add_argument(
        "--format",
        choices=("markdown", "md", "html", "csv", "json"),
        help="markdown by default, or what the suffix of --output says",
    )
    parser.add_argument("--tag", metavar="NAME", default="project", help="the tag of the last table")
    parser.add_argument("--output", metavar="FILE", help="write to this file")


class _Command(NamedTuple):
    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


COMMANDS = {
    "demo": _Command("retrieval, an agent, and what they cost", _add_demo, commands.demo),
    "models": _Command("list models, what they can do and cost", _add_models, commands.models),
    "tools": _Command("list the tools that the service runs, or run one", _add_tools, commands.tools),
    "documents": _Command("print the text of PDF and Office files", _add_documents, commands.documents),
    "doctor": _Command(
        "diagnose your setup: key, connection, rate limit, scopes", _add_doctor, commands.doctor
    ),
    "probe": _Command("ask the service what its documentation leaves open", _add_probe, commands.probe),
    "report": _Command("report on a rows file: energy, CO2, water, cost", _add_report, commands.report),
    "batch": _Command("submit a file of requests, and read the results", _add_batch, commands.batch),
}
"""The commands but `sandbox`, whose package reads its own arguments."""


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
