"""Models that were found, and how notebooks, terminals and pandas show them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from melious._figures import counted
from melious.catalogue.card import ModelCard

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN = "?"
REFUSED = "refused"
COLUMNS = ("model", "type", "context", "EUR in", "EUR out", "images", "tools", "reasoning")
ON_THE_RIGHT = frozenset({"context", "EUR in", "EUR out"})

_STYLE = (
    ".melious-models{overflow-x:auto}.melious-models table{border-collapse:collapse}"
    ".melious-models th,.melious-models td{text-align:left;padding:2px 10px;white-space:nowrap}"
    ".melious-models .n{text-align:right;font-variant-numeric:tabular-nums}"
)


class ModelCards(list[ModelCard]):
    """A list of cards that notebooks show as a table.

    Examples:
        >>> from melious.catalogue import Selection, all_models
        >>> cards = Selection(type="embeddings").of(all_models())
        >>> cards.to_pandas()[["id", "dimensions"]]  # doctest: +SKIP
    """

    def to_pandas(self) -> pd.DataFrame:
        """A row for each model, with `pandas.NA` for unknown facts; prices are EUR per million tokens.

        Raises:
            ImportError: pandas is not installed.
        """
        try:
            import pandas as pd  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise ImportError("to_pandas needs pandas: pip install 'melious[pandas]'") from error
        types = {
            **dict.fromkeys(("id", "type", "display_name", "owned_by"), "string"),
            **dict.fromkeys(("context_length", "max_output_tokens", "dimensions"), "Int64"),
            **dict.fromkeys(("input_cost", "output_cost", "cache_read_cost"), "Float64"),
            **dict.fromkeys(("vision", "tools", "reasoning"), "boolean"),
        }
        rows = [{name: _plain(getattr(card, name)) for name in types} for card in self]
        return pd.DataFrame(rows, columns=list(types)).astype(types)

    def _repr_html_(self) -> str:
        from html import escape  # noqa: PLC0415 - only notebooks need it

        head = "".join(f"<th{_class(name)}>{name}</th>" for name in COLUMNS)
        rows = []
        for card in self:
            shown = zip(COLUMNS, cells(card), strict=True)
            rows += ["<tr>", *(f"<td{_class(name)}>{escape(cell)}</td>" for name, cell in shown), "</tr>"]
        said = f"{counted(len(self), 'model')}. {legend(self)}"
        return (
            f'<div class="melious-models"><style>{_STYLE}</style><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{''.join(rows)}</tbody></table><p>{said}</p></div>"
        )


def cells(card: ModelCard) -> list[str]:
    """The cells of a model, in the order of `COLUMNS`."""
    return [
        card.id,
        card.type or UNKNOWN,
        _context(card),
        price(card.input_cost),
        "-" if card.type in ("embeddings", "rerank") else price(card.output_cost),
        REFUSED if card.refuses_images else _answer(card.vision),
        _answer(card.tools),
        _answer(card.reasoning),
    ]


def legend(cards: list[ModelCard]) -> str:
    """What the signs in the cells of some models mean."""
    shown = {cell for card in cards for cell in cells(card)}
    text = "EUR per million tokens."
    if UNKNOWN in shown:
        text += f" {UNKNOWN} = unknown."
    if REFUSED in shown:
        text += f" {REFUSED} = images are listed, and were refused when they were tried."
    return text


def price(amount: Decimal | None) -> str:
    """A price, with two decimals or as many as it has."""
    if amount is None:
        return UNKNOWN
    return f"{amount:.2f}" if amount == round(amount, 2) else f"{amount.normalize():f}"


def _context(card: ModelCard) -> str:
    if card.context_length is None:
        return "-" if card.type in ("image", "audio") else UNKNOWN
    return f"{card.context_length:,}"


def _answer(flag: bool | None) -> str:  # noqa: FBT001 - one of three answers, not a switch
    return UNKNOWN if flag is None else "yes" if flag else "no"


def _class(column: str) -> str:
    return ' class="n"' if column in ON_THE_RIGHT else ""


def _plain(fact: object) -> object:
    return float(fact) if isinstance(fact, Decimal) else fact
