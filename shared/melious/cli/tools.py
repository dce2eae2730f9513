"""`melious tools`: the tools that the service runs, as a table, and one of them run."""

from __future__ import annotations

import argparse
import json
import os
import sys
import textwrap
from typing import TYPE_CHECKING, Any

from melious._figures import counted
from melious._terminal import Paint, terminal_width
from melious._text_table import fitting, text_table
from melious.catalogue.names import fold
from melious.cli.words import no_key
from melious.errors import ConfigurationError, InvalidArgumentError
from melious.settings.config import KEY_VARIABLE, resolve_base_url

if TYPE_CHECKING:
    from melious.answers.hosted_tools import HostedTool
    from melious.clients._sync.client import MeliousClient

_COLUMNS = ("slug", "name", "source", "type", "category")
_LEAST_FIRST = ("category", "type", "source", "name")
_PROSE = 100
_UNLIMITED = 10_000
_UNKNOWN = "-"


def run_tools(options: argparse.Namespace) -> int:
    """List the matching tools, or run one; gives the exit status.

    Raises:
        MeliousError: There is no key, an option is wrong, or the request failed.
    """
    if not os.environ.get(KEY_VARIABLE, "").strip():
        raise ConfigurationError(no_key())
    from melious.clients._sync.client import MeliousClient

    insecure = options.allow_insecure_http
    base_url = resolve_base_url(options.base_url, allow_insecure_http=insecure)
    with MeliousClient(base_url=base_url, allow_insecure_http=insecure) as client:
        if options.run is not None:
            return _run(client, options)
        filters = {name: getattr(options, name) for name in ("source", "tool_type", "category")}
        tools = list(client.tools.iterate(**filters))
    matching = [tool for tool in tools if _matches(tool, options.name)]
    if options.json:
        found = {"base_url": base_url, "tools": [tool.raw for tool in matching]}
        sys.stdout.write(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
        return 0
    name = f" {'matches' if len(matching) == 1 else 'match'} {options.name!r}" if options.name else ""
    lines = _wrapped(f"Melious at {base_url}: {len(matching)} of {counted(len(tools), 'tool')}{name}")
    if matching:
        lines += ["", *_table(matching)]
    if len(matching) == 1 and matching[0].description:
        lines += ["", *_wrapped(matching[0].description)]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _run(client: MeliousClient, options: argparse.Namespace) -> int:
    """Run a tool and print its result; 1 where the result says that the tool failed."""
    if not options.name:
        raise InvalidArgumentError(
            "--run: needs the slug of a tool, such as melious tools web-search --run ..."
        )
    result = client.tools.execute(options.name, _arguments(options.run))
    if options.json:
        sys.stdout.write(json.dumps(result.raw, indent=2, ensure_ascii=False) + "\n")
    else:
        empty = result.is_error and not result.result
        sys.stdout.write(_shown(result.raw if empty else result.result) + "\n")
    return 1 if result.is_error else 0


def _arguments(text: str) -> dict[str, Any]:
    try:
        given = json.loads(text)
    except ValueError as error:
        raise InvalidArgumentError(f"--run: is not valid JSON: {error}") from None
    if not isinstance(given, dict):
        raise InvalidArgumentError("--run: must be a JSON object of the tool's arguments")
    return given


def _shown(result: Any) -> str:
    return result if isinstance(result, str) else json.dumps(result, indent=2, ensure_ascii=False)


def _matches(tool: HostedTool, name: str | None) -> bool:
    folded = fold(name or "")
    return not name or any(folded in fold(text) for text in (tool.slug, tool.name) if text)


def _table(tools: list[HostedTool]) -> list[str]:
    """The table, with as many columns as the terminal has room for."""
    wide = [
        [text or _UNKNOWN for text in (tool.slug, tool.name, tool.source, tool.tool_type, tool.category)]
        for tool in tools
    ]
    places = fitting(_COLUMNS, wide, terminal_width(_UNLIMITED), _LEAST_FIRST)
    rows = [[row[place] for place in places] for row in wide]
    head, rule, *lines = text_table([_COLUMNS[place] for place in places], rows)
    paint = Paint(sys.stdout)
    return [paint(head, "bold"), paint(rule, "dim"), *lines]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, terminal_width(_PROSE))
