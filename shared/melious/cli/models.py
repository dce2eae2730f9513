"""`melious models`: the result of `client.models.find` as a table."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from melious._text_table import text_table
from melious.catalogue import ModelCard, Selection, all_models
from melious.errors import InvalidArgumentError, MeliousError
from melious.settings.config import KEY_VARIABLE, resolve_base_url

_UNKNOWN = "?"


def run_models(options: argparse.Namespace) -> int:
    """Print the matching models; gives the exit status.

    Raises:
        MeliousError: There is a key, and the models cannot be listed.
    """
    names = ("type", "vision", "tools", "reasoning", "min_context", "max_input_cost", "order_by")
    wanted = {name: getattr(options, name) for name in names}
    Selection(**wanted)
    if options.offline or not os.environ.get(KEY_VARIABLE, "").strip():
        why = "" if options.offline else f" ({KEY_VARIABLE} is not set)"
        cards, source = Selection(**wanted).of(all_models()), f"The shipped catalogue{why}"
        of_service = None
    else:
        of_service = resolve_base_url(options.base_url)
        cards, source = _ask(of_service, wanted), f"Melious at {of_service}"
    if options.json:
        found = {"source": "shipped" if of_service is None else "service", "base_url": of_service}
        sys.stdout.write(json.dumps(found | {"models": [card.to_dict() for card in cards]}, indent=2) + "\n")
        return 0
    lines = [f"{source}: {len(cards)} {'model' if len(cards) == 1 else 'models'}"]
    if cards:
        lines += ["", *_lines(cards, one_type=options.type is not None), "", *_notes(cards, of_service)]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


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


def _lines(cards: Sequence[ModelCard], *, one_type: bool) -> list[str]:
    header = ["model", "type", "context", "EUR in", "EUR out", "images", "tools", "reasoning"]
    rows = [_cells(card) for card in cards]
    if one_type:
        header, rows = _without_type(header), [_without_type(row) for row in rows]
    shift = 1 if one_type else 0
    return list(text_table(header, rows, right=[column - shift for column in (2, 3, 4)]))


def _cells(card: ModelCard) -> list[str]:
    return [
        card.id,
        card.type or _UNKNOWN,
        _count(card),
        _price(card.input_cost),
        "-" if card.type in ("embeddings", "rerank") else _price(card.output_cost),
        _answer(card.vision),
        _answer(card.tools),
        _answer(card.reasoning),
    ]


def _without_type(row: list[str]) -> list[str]:
    return [row[0], *row[2:]]


def _notes(cards: Sequence[ModelCard], base_url: str | None) -> list[str]:
    notes = ["EUR per million tokens."]
    if any(_UNKNOWN in cells for cells in map(_cells, cards)):
        notes[0] += f" {_UNKNOWN} = unknown."
    if base_url is None:
        notes.append("Only the service knows what a key may use and what is served today.")
    return notes


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
