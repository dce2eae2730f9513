"""What the fuzz targets share."""

from typing import NamedTuple


class Outcome(NamedTuple):
    """What came of one target: how many inputs it was fed, and what escaped."""

    target: str
    inputs: int
    escapes: list[str]
