"""Tags: what a request belongs to, such as a project, for sums and reports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import Any

from melious.errors import InvalidArgumentError
from melious.errors.checks import check_text
from melious.impact.totals import Tags

MAX_LENGTH = 200
_MAX_OF_FRAMEWORKS = 32
FLAG = "true"
"""The value of a tag that has only a name."""

active_tags: ContextVar[Tags] = ContextVar("melious_tags", default=())
"""The tags of the enclosing `track_impact` blocks."""

sources: tuple[Callable[[], Tags], ...] = ()
"""Return the tags that a framework has for the calling code; adapters add theirs."""


def current_tags() -> Tags:
    """The tags for a request that is made here; those of a framework win over those of blocks."""
    tags = active_tags.get()
    for find in sources:
        found = find()
        if found:
            tags = merged(tags, found)
    return tags


def merged(outer: Tags, inner: Tags) -> Tags:
    """The tags of both; for a name in both, the value of the inner one."""
    return tuple(sorted((dict(outer) | dict(inner)).items())) if outer and inner else outer or inner


def checked_tags(tags: object) -> Tags:
    """The tags of a mapping.

    Raises:
        InvalidArgumentError: It is not a mapping of texts to texts.
    """
    if not isinstance(tags, Mapping):
        raise InvalidArgumentError(f"tags: must be a mapping, not {tags!r:.80}", param="tags")
    for name, value in tags.items():
        check_text("tags: a name", name)
        check_text(f"tags[{name!r}]", value)
        if len(name) > MAX_LENGTH or len(value) > MAX_LENGTH:
            raise InvalidArgumentError(
                f"tags[{name!r:.80}]: name and value must not be longer than {MAX_LENGTH} characters",
                param="tags",
            )
    return tuple(sorted(tags.items()))


def framework_tags(
    named: Mapping[Any, Any], flags: Iterable[Any] = (), *, left_out: tuple[str, ...] = ()
) -> Tags:
    """The tags among what a framework carries for its runs: short values that are text, numbers or bools.

    Args:
        named: Values by name.
        flags: Tags that have only a name; their value is `true`.
        left_out: How names begin that the framework uses itself.
    """
    found: dict[str, str] = {}
    for name, value in [*((flag, FLAG) for flag in flags), *named.items()]:
        if len(found) >= _MAX_OF_FRAMEWORKS:
            break
        if not isinstance(name, str) or not name.strip() or name.startswith(left_out):
            continue
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if isinstance(value, str | int | float) and text.strip() and max(len(name), len(text)) <= MAX_LENGTH:
            found[name] = text
    return tuple(sorted(found.items()))
