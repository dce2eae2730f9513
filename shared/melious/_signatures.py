"""The arguments that a signature hides behind `**`, written out for `help()`, Shift-Tab and completion.

Type checkers read them from the `TypedDict` behind `Unpack`. `inspect.signature` and the docstring get them
from here, out of the same `TypedDict`: its annotations, and the sentences of its docstring.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Container, Iterator, Mapping
from functools import lru_cache
from typing import Any, TypeVar

C = TypeVar("C", bound=Callable[..., Any])

_ENTRY = re.compile(r"^    (\*{0,2}\w[^:\n]*):(.*(?:\n {8}.*)*)\n?", re.MULTILINE)

_UNPACKED = re.compile(r"^    \*\*\w+:.*(?:\n {8}.*)*\n?", re.MULTILINE)


class _Shown:
    """A default of which only the text matters."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


FACTORY = _Shown("<factory>")
UNCHANGED = _Shown("<unchanged>")
DEFAULTS_OF_CALLS: Mapping[str, object] = {"deadline": _Shown("<the client's>")}
"""The defaults of a call's options that are not None."""


class _Source(str):
    """An annotation as it stands in the source, shown without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def parameter(name: str, annotation: object, default: object) -> inspect.Parameter:
    """A keyword argument; its annotation is shown as in the source."""
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, annotation=_as_source(annotation), default=default
    )


_shared_parameter = lru_cache(maxsize=None, typed=True)(parameter)
"""The same for each method: they share most of their arguments."""


def section(doc: str | None, heading: str) -> str:
    """A section of a docstring, without its heading; "" where there is none."""
    text = f"{inspect.cleandoc(doc or '')}\n"
    return text.partition(f"\n{heading}:\n")[2].partition("\n\n")[0]


def entries(doc: str | None, heading: str) -> Iterator[tuple[str, str]]:
    """The names and texts of a section such as `Args`; the lines of a text keep their indentation."""
    for found in _ENTRY.finditer(section(doc, heading)):
        for name in re.split(r",\s+", found[1]):
            yield name, found[2].strip()


@lru_cache
def sentences(shape: type) -> Mapping[str, str]:
    """What the docstring of a `TypedDict` says of each of its own keys, in that order."""
    return dict(entries(shape.__doc__, "Attributes"))


def written_out(
    *shapes: type,
    defaults: Mapping[str, object] = DEFAULTS_OF_CALLS,
    without: Container[str] = (),
) -> Callable[[C], C]:
    """Write the keys of `TypedDict`s out as the arguments of a function, or of a class.

    Args:
        *shapes: What the function's `**` unpacks, and the `TypedDict`s that it extends, the nearest first.
        defaults: The defaults that are not None.
        without: The keys that are not arguments.
    """

    def write_out(target: C) -> C:
        function: Any = vars(target)["__init__"] if isinstance(target, type) else target
        own = inspect.signature(function)
        said = {name: text for shape in reversed(shapes) for name, text in sentences(shape).items()}
        hints = {name: hint for shape in shapes for name, hint in shape.__annotations__.items()}
        in_order = (*(name for shape in shapes for name in sentences(shape)), *hints)
        names = [name for name in dict.fromkeys(in_order) if name in hints and name not in without]
        written = [
            each.replace(annotation=_as_source(each.annotation))
            for each in own.parameters.values()
            if each.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        written += [_shared_parameter(name, hints[name], defaults.get(name)) for name in names]
        function.__signature__ = inspect.Signature(
            written, return_annotation=_as_source(own.return_annotation)
        )
        target.__doc__ = _with_entries(target.__doc__, {name: said.get(name, "") for name in names})
        return target

    return write_out


def _with_entries(doc: str | None, texts: Mapping[str, str]) -> str | None:
    """A docstring with entries in the place of the one for `**`; None where Python drops docstrings."""
    if doc is None:
        return None
    written = "".join(f"    {name}: {text}\n" for name, text in texts.items())
    return _UNPACKED.sub(lambda _: written, f"{inspect.cleandoc(doc)}\n").rstrip()


def _as_source(annotation: Any) -> Any:
    if annotation is inspect.Parameter.empty:
        return annotation
    text = getattr(annotation, "__forward_arg__", annotation)
    return _Source(text if isinstance(text, str) else inspect.formatannotation(annotation))
