"""Plain-text tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence


def text_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[int] = ()
) -> Iterator[str]:
    r"""The lines of a table, with columns as wide as their contents.

    Args:
        header: The names of the columns.
        rows: The cells.
        right: The columns, counted from 0, to align right.

    Example:
        >>> rows = [["glm-4.7", "0.80"], ["bge-m3", "0.01"]]
        >>> print(*text_table(["model", "EUR"], rows, right=[1]), sep="\n")
        model     EUR
        -------  ----
        glm-4.7  0.80
        bge-m3   0.01
    """
    cells = [list(header), *map(list, rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    aligned_right = set(right)
    cells.insert(1, ["-" * width for width in widths])
    for row in cells:
        aligned = (
            cell.rjust(width) if column in aligned_right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(aligned).rstrip()
