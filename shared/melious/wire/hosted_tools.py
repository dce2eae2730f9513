"""The service's own tools: their lists in every known shape, and which slug runs which function. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from melious.wire.schemas import is_wire_name, object_schema, wire_name

_LISTS = ("items", "tools", "data", "results")
_NOT_IN_WORDS = re.compile(r"[^a-z0-9]+")
_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class HostedFunction:
    """A tool of the service, as a model calls it and as the service runs it.

    Attributes:
        name: The name for models: letters, digits, `_` and `-`, at most 64.
        slug: What `client.tools.execute` takes.
        description: What it does.
        parameters: The JSON schema of its arguments.

    Examples:
        >>> HostedFunction("web_search", "web-search", "Search the web.").to_openai()["function"]["name"]
        'web_search'
    """

    name: str
    slug: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=lambda: schema_of(None))

    def to_openai(self) -> dict[str, Any]:
        """The function in OpenAI's form, for `client.chat.create(tools=[...])`."""
        said = {"description": self.description} if self.description else {}
        return {
            "type": "function",
            "function": {"name": self.name, **said, "parameters": dict(self.parameters)},
        }


def entries_in(answer: Any) -> list[dict[str, Any]] | None:
    """The objects of a list, bare or in `items`, `tools`, `data` or `results`; None where there is no list.

    Examples:
        >>> entries_in({"items": [{"slug": "web-search"}, None]}), entries_in({"items": None})
        ([{'slug': 'web-search'}], None)
    """
    if isinstance(answer, Mapping):
        answer = next((answer[name] for name in _LISTS if isinstance(answer.get(name), list)), None)
    if not isinstance(answer, list):
        return None
    return [entry for entry in answer if isinstance(entry, dict)]


def function_form(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A function in OpenAI's form; a bare function is wrapped.

    Examples:
        >>> function_form({"name": "web_search", "parameters": {}})["type"]
        'function'
    """
    if isinstance(entry.get("function"), Mapping):
        return {"type": "function", **entry}
    return {"type": "function", "function": {name: entry[name] for name in entry if name != "type"}}


def functions_of(
    forms: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]], *, only_listed: bool = False
) -> tuple[list[HostedFunction], list[str]]:
    """Find the slug of each function, and a name for it that servers take.

    The slug is the one that the function's own form states, or else that of the listed tool whose slug
    or name equals the function's name: exactly, or in lower case with all other signs as one. Where no
    tool matches, the function's name is taken for its slug.

    Args:
        forms: Functions in OpenAI's form.
        tools: The listed tools, with `name` and `slug`.
        only_listed: Leave out functions that match no listed tool.

    Returns:
        The functions, and what is wrong with those that were left out or are uncertain.

    Examples:
        >>> form = {"type": "function", "function": {"name": "web_search"}}
        >>> [found], _ = functions_of([form], [{"name": "Web Search", "slug": "web-search"}])
        >>> found.slug
        'web-search'
    """
    found: dict[str, HostedFunction] = {}
    problems: list[str] = []
    for place, form in enumerate(forms):
        function = form.get("function")
        given: Mapping[str, Any] = function if isinstance(function, Mapping) else {}
        name = _text(given, "name")
        if name is None:
            problems.append(f"function {place} has no name, and is left out")
            continue
        slug = _text(given, "slug") or _text(form, "slug")
        slugs = [] if slug is None else [slug]
        if slug is None or only_listed:
            slugs = _slugs(slug or name, tools)
        if len(slugs) > 1:
            problems.append(f"{name!r} could be any of {', '.join(slugs)}, and is left out")
            continue
        if not slugs and only_listed:
            continue
        if not slugs:
            problems.append(f"{name!r} is not among the listed tools; its name is taken for its slug")
        runs = slugs[0] if slugs else name
        if any(each.slug == runs for each in found.values()):
            continue
        called = _free_name(name, runs, found)
        found[called] = HostedFunction(
            called, runs, _text(given, "description") or "", schema_of(given.get("parameters"))
        )
    return list(found.values()), problems


def schema_of(parameters: Any) -> dict[str, Any]:
    """The schema of a tool's arguments: always an object with `properties`.

    Examples:
        >>> schema_of(None)
        {'type': 'object', 'properties': {}}
    """
    if not isinstance(parameters, Mapping) or not parameters:
        return {"type": "object", "properties": {}}
    schema, wrapped = object_schema(parameters)
    if wrapped:  # whatever it is, arguments are an object
        return {"type": "object", "properties": {}}
    if not isinstance(schema.get("properties"), Mapping):
        schema["properties"] = {}
    return schema


def _slugs(name: str, tools: Sequence[Mapping[str, Any]]) -> list[str]:
    """The slugs of the tools that a name may mean, by the first comparison that finds any."""
    for same in (_is_slug, _is_name, _reads_alike):
        slugs = dict.fromkeys(
            slug for tool in tools if (slug := _text(tool, "slug")) is not None and same(name, tool)
        )
        if slugs:
            return list(slugs)
    return []


def _is_slug(name: str, tool: Mapping[str, Any]) -> bool:
    return tool.get("slug") == name


def _is_name(name: str, tool: Mapping[str, Any]) -> bool:
    return tool.get("name") == name


def _reads_alike(name: str, tool: Mapping[str, Any]) -> bool:
    return _words(name) in {_words(text) for key in ("slug", "name") if (text := _text(tool, key))}


def _words(text: str) -> str:
    return _NOT_IN_WORDS.sub(" ", text.lower()).strip()


def _free_name(name: str, slug: str, taken: Mapping[str, HostedFunction]) -> str:
    """A name that servers take and no other function has."""
    if is_wire_name(name) and name not in taken:
        return name
    short = wire_name(name)
    if len(name) <= _LONGEST_NAME and short not in taken:
        return short
    mark = blake2b(f"{name}\0{slug}".encode("utf-8", "replace"), digest_size=4).hexdigest()
    return f"{short[: _LONGEST_NAME - len(mark) - 1]}_{mark}"


def _text(entry: Mapping[str, Any], key: str) -> str | None:
    value = entry.get(key)
    return value if isinstance(value, str) and value.strip() else None


def pages_left(answer: Any, page: int, seen: int) -> bool | None:
    """Whether a paged list goes on after this page, by what it says of itself; None if it does not say.

    Args:
        answer: The page.
        page: Its number, from 1.
        seen: How many entries this page and those before it had.

    Examples:
        >>> pages_left({"items": [], "total": 3}, 1, 2), pages_left({"items": []}, 1, 2)
        (True, None)
    """
    for facts in _facts(answer):
        for key in ("has_more", "has_next"):
            if isinstance(facts.get(key), bool):
                return bool(facts[key])
        for key in ("total_pages", "pages"):
            if type(facts.get(key)) is int:
                return page < int(facts[key])
        for key in ("total", "total_count"):
            if type(facts.get(key)) is int:
                return seen < int(facts[key])
    return None


def _facts(answer: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(answer, Mapping):
        yield answer
        for key in ("pagination", "meta"):
            if isinstance(answer.get(key), Mapping):
                yield answer[key]
