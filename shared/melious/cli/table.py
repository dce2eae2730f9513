"""Plain-text tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence


def table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[int] = ()
) -> Iterator[str]:
    r"""Lines of a table, as wide as their contents.

    Args:
        header: The names of the columns.
        rows: The cells.
        right: The columns, from 0, whose cells stand on the right, as figures do.

    Example:
        >>> print(*table(["model", "EUR"], [["glm-4.7", "0.80"], ["bge-m3", "0.01"]], right=[1]), sep="\n")
        model     EUR
        -------  ----
        glm-4.7  0.80
        bge-m3   0.01
    """
    cells = [list(header), *map(list, rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    on_the_right = set(right)
    cells.insert(1, ["-" * width for width in widths])
    for row in cells:
        placed = (
            cell.rjust(width) if column in on_the_right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(placed).rstrip()
