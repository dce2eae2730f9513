"""The fields of the adapters' classes, as `help()`, Shift-Tab and completion show them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from melious._signatures import FACTORY, entries, parameter, sentences
from melious.settings.options import OPTION, ClientOptions

_REST = re.compile(r"^    (\w[^:\n]*), \.\.\.: The rest of `melious\.(\w+)`.*\n(?: {8}.*\n)*", re.MULTILINE)
_UNPACKED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class _Signature:
    """The signature of a class with fields, made when it is asked for; instances have none."""

    def __get__(self, instance: object, owner: type[BaseModel]) -> inspect.Signature:
        if instance is not None:
            raise AttributeError("__signature__")
        return signature_of(owner)


def show_fields(made: type[BaseModel], *shapes: type) -> None:
    """Show the fields of a class in its signature, as its docstring lists them, and fill that list in.

    A class with arguments of its own keeps its signature.

    Args:
        made: The class.
        *shapes: The `TypedDict`s whose rest the docstring refers to, beside `ClientOptions`.
    """
    doc = vars(made).get("__doc__")
    if doc:
        made.__doc__ = _filled_in(doc, set(made.model_fields), (ClientOptions, *shapes))
    given = list(inspect.signature(made.__init__).parameters.values())[1:]
    if all(each.kind in _UNPACKED for each in given):
        made.__signature__ = _Signature()  # type: ignore[assignment]  # a descriptor


def signature_of(made: type[BaseModel]) -> inspect.Signature:
    """The signature of a class: its arguments in the order of the docstring, then those of the framework."""
    aliases: Mapping[str, str] = getattr(made, "argument_aliases", {})
    fields = made.model_fields
    listed = [name for name in dict.fromkeys(_listed(made)) if name in fields or name in aliases]
    shown = {name: aliases.get(name, name) for name in (*listed, *fields)}
    if "model" in listed and "model" in aliases:
        del shown[aliases["model"]]
    parameters = []
    for name, field_name in shown.items():
        field = fields[field_name]
        annotation = ClientOptions.__annotations__.get(field_name, field.annotation)
        if field.is_required():
            default: object = inspect.Parameter.empty
        elif field_name in OPTION:
            default = OPTION[field_name].default
        else:
            default = field.default if field.default_factory is None else FACTORY
        parameters.append(parameter(name, annotation, default))
    by_position = inspect.Parameter.VAR_POSITIONAL in {
        each.kind for each in inspect.signature(made.__init__).parameters.values()
    }
    if by_position:
        parameters = [
            each.replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD) if each.name == "model" else each
            for each in sorted(parameters, key=lambda each: each.name != "model")
        ]
    return inspect.Signature(parameters)


def _listed(made: type) -> Iterator[str]:
    for each in made.__mro__:
        for heading in ("Args", "Attributes"):
            for name, _ in entries(vars(each).get("__doc__"), heading):
                yield name


def _filled_in(doc: str, fields: set[str], shapes: tuple[type, ...]) -> str:
    """A docstring with an entry for each argument that "The rest of ..." stands for."""
    text = f"{inspect.cleandoc(doc)}\n"
    elsewhere = {name for name, _ in entries(_REST.sub("", text), "Args")}

    said_by = {shape.__name__: sentences(shape) for shape in shapes}

    def rest(found: re.Match[str]) -> str:
        said = said_by[found[2]]
        names = [name for name in said if name in fields and name not in elsewhere]
        return "".join(f"    {name}: {said[name]}\n" for name in names)

    return _REST.sub(rest, text).rstrip()
