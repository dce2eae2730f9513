"""What a terminal shows: colours, and how wide it is."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from typing import Literal, TextIO, TypeAlias

Style: TypeAlias = Literal["bold", "dim", "red", "green", "yellow", "cyan"]

_CODES: Mapping[Style, str] = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "cyan": "36",
}


class Paint:
    """Puts colour on texts where their destination shows colours.

    `NO_COLOR` turns colours off and `FORCE_COLOR` on; otherwise they are on in a terminal that is not `dumb`.

    Args:
        out: Where the texts will be written.

    Examples:
        >>> import io
        >>> Paint(io.StringIO())("ok", "green")
        'ok'
    """

    def __init__(self, out: TextIO) -> None:
        self.on = shows_colours(out)

    def __call__(self, text: str, *styles: Style) -> str:
        """A text in some styles; the text itself where there are no colours."""
        if not self.on or not text or not styles:
            return text
        return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m"


def shows_colours(out: TextIO) -> bool:
    """Whether colours may be written somewhere."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    if sys.platform == "win32" and not (os.environ.get("WT_SESSION") or os.environ.get("TERM")):
        return False  # the old console writes the codes themselves
    return os.environ.get("TERM") != "dumb" and out.isatty()


def terminal_width(most: int) -> int:
    """The columns of the terminal, at most `most`; `most` itself where there is no terminal.

    `COLUMNS` wins over what the terminal says.
    """
    return min(most, shutil.get_terminal_size((most, 0)).columns)
