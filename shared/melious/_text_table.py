"""Plain-text tables, for terminals and logs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal
from unicodedata import combining, east_asian_width

_GAP = "  "


def text_table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Iterable[int] = (),
    rule: Literal["-", "─"] = "-",
    first_width: int = 0,
    max_width: int | None = None,
) -> Iterator[str]:
    r"""The lines of a table, with columns as wide as their contents.

    Args:
        header: The names of the columns.
        rows: The cells. Characters that a terminal would not print are replaced.
        right: The columns, counted from 0, to align right.
        rule: The line under the header: `-` for each column, `─` in one piece.
        first_width: The least width of the first column.
        max_width: The most that a line may take; None for no limit. A first cell that would take
            more gets a line of its own.

    Examples:
        >>> rows = [["glm-4.7", "0.80"], ["bge-m3", "0.01"]]
        >>> print(*text_table(["model", "EUR"], rows, right=[1]), sep="\n")
        model     EUR
        -------  ----
        glm-4.7  0.80
        bge-m3   0.01
    """
    cells = [[_printable(cell) for cell in row] for row in (header, *rows)]
    widths = [max(width(row[column]) for row in cells) for column in range(len(header))]
    if max_width is not None:
        room = max_width - sum(len(_GAP) + each for each in widths[1:])
        widths[0] = max(first_width, width(cells[0][0]), min(widths[0], room))
    on_the_right = set(right)
    yield _line(cells[0], widths, on_the_right)
    yield (_GAP if rule == "-" else rule * len(_GAP)).join(rule * each for each in widths)
    for row in cells[1:]:
        if width(row[0]) > widths[0]:
            yield _clipped(row[0], max_width or widths[0])
            row[0] = ""
        yield _line(row, widths, on_the_right)


def fitting(
    header: Sequence[str], rows: Sequence[Sequence[str]], most: int, spare: Iterable[str]
) -> list[int]:
    """The columns of a table for which there is room, as places in the header.

    Args:
        header: The names of the columns.
        rows: The cells.
        most: The columns of the terminal that a line may take.
        spare: The names of what a narrow table goes without, the most dispensable first.

    Examples:
        >>> fitting(["model", "EUR", "tools"], [["glm-4.7", "0.80", "yes"]], 15, ["tools", "EUR"])
        [0, 1]
    """
    places = list(range(len(header)))
    widths = [max(map(width, column)) for column in zip(header, *rows, strict=True)]
    for name in spare:
        if sum(widths[place] for place in places) + len(_GAP) * (len(places) - 1) <= most:
            break
        if name in header:
            places.remove(header.index(name))
    return places


def width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


def _line(cells: Sequence[str], widths: Sequence[int], on_the_right: set[int]) -> str:
    padded = []
    for column, cell in enumerate(cells):
        space = " " * (widths[column] - width(cell))
        padded.append(space + cell if column in on_the_right else cell + space)
    return _GAP.join(padded).rstrip()


def _printable(text: str) -> str:
    """A text without control characters, which could change the terminal."""
    return "".join(char if char.isprintable() else "�" for char in text)


def _clipped(text: str, most: int) -> str:
    while width(text) > most:
        text = f"{text[:-2]}…"
    return text
