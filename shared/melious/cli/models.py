"""`melious models`: the result of `client.models.find` as a table, or what is known of one model."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from melious._text_table import text_table, width
from melious.catalogue import ModelCard, Selection, all_models
from melious.catalogue.live import listed
from melious.catalogue.names import fold, near_names
from melious.errors import InvalidArgumentError, MeliousError
from melious.routing.filters import split_flavor
from melious.settings.config import KEY_VARIABLE, resolve_base_url

_UNKNOWN = "?"
_COLUMNS = ("model", "type", "context", "EUR in", "EUR out", "images", "tools", "reasoning")
_ON_THE_RIGHT = frozenset({"context", "EUR in", "EUR out"})
_LEAST_FIRST = ("reasoning", "tools", "images", "type", "EUR out", "context", "EUR in")
"""The columns that a narrow terminal goes without, in this order."""
_NO_LIMIT = 100
"""The width for prose where the terminal does not say how wide it is."""


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
        cards, of_service = selection.of(everything), None
    else:
        of_service = resolve_base_url(options.base_url)
        cards, source = _ask(of_service, wanted), f"Melious at {of_service}"
        everything = listed(of_service) or ()
    found = _named(cards, options.name)
    if options.json:
        origin = {"source": "shipped" if of_service is None else "service", "base_url": of_service}
        sys.stdout.write(json.dumps(origin | {"models": [card.to_dict() for card in found]}, indent=2) + "\n")
        return 0
    lines = [f"{source}: {_counted(len(found), options.name)}"]
    if found:
        lines += ["", *_table(found, one_type=options.type is not None), ""]
    asked = [card for card in found if len(found) == 1 or card.id == options.name]
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
    folded = fold(split_flavor(name or "")[0])
    if name and not folded:
        return []
    return [card for card in cards if folded in fold(card.id) or folded in fold(card.display_name)]


def _counted(count: int, name: str | None) -> str:
    if name:
        return f"{count} {'model matches' if count == 1 else 'models match'} {name!r}"
    return f"{count} {'model' if count == 1 else 'models'}"


def _ask(base_url: str, wanted: dict[str, Any]) -> list[ModelCard]:
    from melious.clients._sync.client import MeliousClient

    try:
        with MeliousClient(base_url=base_url) as client:
            return client.models.find(**wanted)
    except InvalidArgumentError:
        raise
    except MeliousError:
        sys.stderr.write("Could not list models; --offline shows the shipped catalogue.\n")
        raise


def _table(cards: Sequence[ModelCard], *, one_type: bool) -> list[str]:
    """The table, with as many columns as the terminal has room for."""
    columns = [column for column in _COLUMNS if column != "type" or not one_type]
    limit = shutil.get_terminal_size((0, 0)).columns
    hidden: list[str] = []
    lines = _lines(cards, columns)
    for column in _LEAST_FIRST:
        if not limit or max(map(width, lines)) <= limit:
            break
        if column in columns:
            columns.remove(column)
            hidden.insert(0, column)
            lines = _lines(cards, columns)
    if hidden:
        lines += ["", *_wrapped(f"Not shown for want of room: {', '.join(hidden)}. --json has everything.")]
    return lines


def _lines(cards: Sequence[ModelCard], columns: Sequence[str]) -> list[str]:
    rows = [dict(zip(_COLUMNS, _cells(card), strict=True)) for card in cards]
    cells = [[row[column] for column in columns] for row in rows]
    right = [place for place, column in enumerate(columns) if column in _ON_THE_RIGHT]
    return list(text_table(columns, cells, right=right))


def _cells(card: ModelCard) -> list[str]:
    return [
        card.id,
        card.type or _UNKNOWN,
        _count(card),
        _price(card.input_cost),
        "-" if card.type in ("embeddings", "rerank") else _price(card.output_cost),
        "refused" if card.refuses_images else _answer(card.vision),
        _answer(card.tools),
        _answer(card.reasoning),
    ]


def _details(card: ModelCard) -> Iterator[str]:
    """What the table does not say of a model, as far as it is known."""
    facts = {
        "owned by": card.owned_by,
        "max output": card.max_output_tokens and f"{card.max_output_tokens:,} tokens",
        "cache reads": card.cache_read_cost is not None and f"{_price(card.cache_read_cost)} EUR",
        "dimensions": card.dimensions,
        "reasoning_effort": ", ".join(card.reasoning_efforts),
    }
    for name, fact in facts.items():
        if fact:
            yield f"{name}: {fact}"
    for note in card.notes:
        yield from _wrapped(f"note: {note}")
    yield ""


def _notes(cards: Sequence[ModelCard], base_url: str | None) -> Iterator[str]:
    cells = [cell for card in cards for cell in _cells(card)]
    text = "EUR per million tokens."
    if _UNKNOWN in cells:
        text += f" {_UNKNOWN} = unknown."
    if "refused" in cells:
        text += " refused = images are listed, and were refused when they were tried."
    yield from _wrapped(text)
    if base_url is None:
        yield from _wrapped("Only the service knows what a key may use and what is served today.")


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, shutil.get_terminal_size((_NO_LIMIT, 0)).columns)


def _count(card: ModelCard) -> str:
    if card.context_length is None:
        return "-" if card.type in ("image", "audio") else _UNKNOWN
    return f"{card.context_length:,}"


def _price(price: Decimal | None) -> str:
    if price is None:
        return _UNKNOWN
    return f"{price:.2f}" if price == round(price, 2) else f"{price.normalize():f}"


def _answer(flag: bool | None) -> str:  # noqa: FBT001 - one of three answers, not a switch
    return _UNKNOWN if flag is None else "yes" if flag else "no"
