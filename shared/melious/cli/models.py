"""`melious models`: the result of `client.models.find` as a table, or what is known of one model."""

from __future__ import annotations

import argparse
import json
import os
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from melious._figures import counted
from melious._terminal import Paint, terminal_width
from melious._text_table import fitting, text_table
from melious.catalogue import ModelCard, Selection, all_models
from melious.catalogue.found import COLUMNS, ON_THE_RIGHT, cells, legend, price
from melious.catalogue.live import listed
from melious.catalogue.names import fold, near_names
from melious.errors import InvalidArgumentError, MeliousError
from melious.settings.config import KEY_VARIABLE, resolve_base_url

_LEAST_FIRST = ("reasoning", "tools", "images", "type", "EUR out", "context", "EUR in")
"""The columns that a narrow terminal goes without, in this order."""
_PROSE = 100
"""The longest line of prose."""
_UNLIMITED = 10_000
"""The width of a table that goes to no terminal."""


def run_models(options: argparse.Namespace) -> int:
    """Print the matching models; gives the exit status.

    Raises:
        MeliousError: There is a key, and the models cannot be listed.
    """
    names = ("type", "vision", "tools", "reasoning", "min_context", "max_input_cost", "order_by")
    wanted = {name: getattr(options, name) for name in names}
    selection = Selection(**wanted)
    if options.offline or not os.environ.get(KEY_VARIABLE, "").strip():
        why = "" if options.offline else f" ({KEY_VARIABLE} is not set)"
        everything, source = all_models(), f"The shipped catalogue{why}"
        cards: list[ModelCard] = selection.of(everything)
        of_service = None
    else:
        insecure = options.allow_insecure_http
        of_service = resolve_base_url(options.base_url, allow_insecure_http=insecure)
        cards = _ask({"base_url": of_service, "allow_insecure_http": insecure}, selection, wanted)
        source = f"Melious at {of_service}"
        everything = listed(of_service) or ()
    matching = _named(cards, options.name)
    found = matching if options.limit is None else matching[: options.limit]
    if options.json:
        origin = {"source": "shipped" if of_service is None else "service", "base_url": of_service}
        sys.stdout.write(json.dumps(origin | {"models": [card.to_dict() for card in found]}, indent=2) + "\n")
        return 0
    lines = _wrapped(f"{source}: {_counted(len(matching), len(everything), options.name)}")
    if len(found) < len(matching):
        lines[-1:] = _wrapped(f"{lines[-1]}, the first {len(found)} of them below")
    if found:
        lines += ["", *_table(found, one_type=options.type is not None), ""]
    asked = [card for card in found if len(matching) == 1 or card.id == options.name]
    if asked:
        lines += _details(asked[0])
    if found:
        lines += _notes(found, of_service)
    unserved = _named(
        selection.of(replace(card, served=True) for card in everything if not card.served), options.name
    )
    if unserved:
        lines += _wrapped(f"Listed, but not served: {', '.join(card.id for card in unserved)}.")
    elif not found and options.name:
        near = near_names(options.name, (card.id for card in cards))
        lines += _wrapped(f"Near it: {', '.join(near)}." if near else "No name is near it.")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _named(cards: Iterable[ModelCard], name: str | None) -> list[ModelCard]:
    """The models whose id or display name has the name in it, whatever its case and punctuation."""
    folded = fold(name or "")
    if name and not folded:
        return []
    return [card for card in cards if folded in fold(card.id) or folded in fold(card.display_name)]


def _counted(count: int, listed: int, name: str | None) -> str:
    of = f"{count} of {counted(listed, 'model')}"
    return f"{of} {'matches' if count == 1 else 'match'} {name!r}" if name else of


def _ask(service: dict[str, Any], selection: Selection, wanted: dict[str, Any]) -> list[ModelCard]:
    from melious.clients._sync.client import MeliousClient

    try:
        with MeliousClient(**service) as client:
            return client.models.find(**wanted)
    except InvalidArgumentError:
        raise
    except MeliousError:
        selection.of(all_models())  # a misspelt type is said first: asking again would not help
        sys.stderr.write("Could not list models; --offline shows the shipped catalogue.\n")
        raise


def _table(cards: Sequence[ModelCard], *, one_type: bool) -> list[str]:
    """The table, with as many columns as the terminal has room for."""
    columns = [column for column in COLUMNS if column != "type" or not one_type]
    rows = [dict(zip(COLUMNS, cells(card), strict=True)) for card in cards]
    wide = [[row[column] for column in columns] for row in rows]
    places = fitting(columns, wide, terminal_width(_UNLIMITED), _LEAST_FIRST)
    shown = [columns[place] for place in places]
    right = [place for place, column in enumerate(shown) if column in ON_THE_RIGHT]
    head, rule, *lines = text_table(shown, [[row[place] for place in places] for row in wide], right=right)
    paint = Paint(sys.stdout)
    table = [paint(head, "bold"), paint(rule, "dim"), *lines]
    hidden = [column for column in columns if column not in shown]
    if hidden:
        table += ["", *_wrapped(f"Not shown for want of room: {', '.join(hidden)}. --json has everything.")]
    return table


def _details(card: ModelCard) -> Iterator[str]:
    """What the table does not say of a model, as far as it is known."""
    facts = {
        "owned by": card.owned_by,
        "max output": card.max_output_tokens and f"{card.max_output_tokens:,} tokens",
        "cache reads": card.cache_read_cost is not None and f"{price(card.cache_read_cost)} EUR",
        "dimensions": card.dimensions,
        "reasoning_effort": ", ".join(card.reasoning_efforts),
    }
    for name, fact in facts.items():
        if fact:
            yield f"{name}: {fact}"
    for note in card.notes:
        yield from _wrapped(f"note: {note}")
    yield ""


def _notes(cards: list[ModelCard], base_url: str | None) -> Iterator[str]:
    yield from _wrapped(legend(cards))
    if base_url is None:
        yield from _wrapped("Only the service knows what a key may use and what is served today.")


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, terminal_width(_PROSE))
