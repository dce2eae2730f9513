"""The tools that the sandbox runs. Their results are fixed texts that say that they are simulated."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid5

NOTE = "Simulated by the sandbox: nothing was looked up."
_MOST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool, and what it returns for arguments that fit its parameters."""

    slug: str
    name: str
    description: str
    category: str
    source: str
    tool_type: str
    parameters: Mapping[str, Any]
    run: Callable[[Mapping[str, Any]], Any]

    @property
    def function_name(self) -> str:
        """The name of the tool as a function."""
        return self.slug.replace("-", "_")

    def entry(self) -> dict[str, Any]:
        """What the list says of it."""
        return {
            "id": str(uuid5(NAMESPACE_URL, f"melious-sandbox/{self.slug}")),
            "name": self.name,
            "slug": self.slug,
            "description": self.description,
            "category": self.category,
            "source": self.source,
            "tool_type": self.tool_type,
        }

    def function(self) -> dict[str, Any]:
        """The tool in OpenAI's form."""
        function = {
            "name": self.function_name,
            "description": self.description,
            "parameters": dict(self.parameters),
        }
        return {"type": "function", "function": function}


def _search(given: Mapping[str, Any]) -> Any:
    query = given["query"][:_MOST_SHOWN]
    count = min(given.get("max_results") or 10, 3)
    return {
        "query": query,
        "simulated": True,
        "note": NOTE,
        "results": [
            {
                "title": f"Simulated result {number}",
                "url": f"https://example.com/simulated/{number}",
                "snippet": f"A fixed text of the sandbox, not an answer to {query!r}.",
            }
            for number in range(1, count + 1)
        ],
    }


def _scrape(given: Mapping[str, Any]) -> Any:
    return f"{NOTE} The content of {given['url'][:_MOST_SHOWN]} would stand here."


def _docs(given: Mapping[str, Any]) -> Any:
    return [{"simulated": True, "note": NOTE, "topic": given["topic"][:_MOST_SHOWN]}]


TOOLS = (
    Tool(
        slug="web-search",
        name="Web Search",
        description="Search the web. Gives titles, addresses and snippets.",
        category="search",
        source="native",
        tool_type="handler",
        parameters={
            "type": "object",
            "properties": {
                "query": {"type": "string", "description": "What to search for."},
                "max_results": {
                    "type": "integer",
                    "description": "How many results.",
                    "default": 10,
                    "minimum": 1,
                    "maximum": 50,
                },
            },
            "required": ["query"],
        },
        run=_search,
    ),
    Tool(
        slug="url-scraper",
        name="URL Scraper",
        description="Read the text of a page at a URL.",
        category="web",
        source="managed",
        tool_type="api",
        parameters={
            "type": "object",
            "properties": {"url": {"type": "string", "description": "The address of the page."}},
            "required": ["url"],
        },
        run=_scrape,
    ),
    Tool(
        slug="docs-lookup",
        name="Documentation Lookup",
        description="Look a topic up in the documentation of a library.",
        category="documentation",
        source="remote",
        tool_type="mcp",
        parameters={
            "type": "object",
            "properties": {"topic": {"type": "string", "description": "What to look up."}},
            "required": ["topic"],
        },
        run=_docs,
    ),
)
"""Only the slug of the first is documented; those of the others are made up."""


def find(name: str) -> Tool | None:
    """Give a tool by its slug or its function's name."""
    return next((tool for tool in TOOLS if name in (tool.slug, tool.function_name)), None)


def problem(tool: Tool, given: Mapping[str, Any]) -> tuple[str, str] | None:
    """Give the argument that does not fit the tool's parameters, and what is wrong; None if all fit."""
    properties = tool.parameters["properties"]
    for name in tool.parameters["required"]:
        if given.get(name) is None:
            return name, "is required."
    for name, value in given.items():
        known = properties.get(name)
        if known is None:
            return name, "is not a parameter of this tool."
        if value is None:
            continue
        if known["type"] == "string" and (not isinstance(value, str) or not value):
            return name, "must be a string that is not empty."
        if known["type"] == "integer":
            low, high = known["minimum"], known["maximum"]
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                return name, f"must be an integer from {low} to {high}."
    return None
