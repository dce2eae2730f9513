"""What the endpoints of the service's own tools answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator

from melious.answers.results import Result
from melious.wire import codec

_FAILED = ("is_error", "isError")


class HostedTool(Result):
    """A tool that the service runs. What it does not say is None.

    Attributes:
        id: Its id, a UUID.
        name: Its name.
        slug: What `client.tools.execute` takes.
        description: What it does.
        source: `native`, `managed` or `remote`.
        tool_type: `handler`, `mcp` or `api`.
        category: Its category.

    Examples:
        >>> tool = HostedTool(name="Web Search", slug="web-search")
        >>> tool.slug, tool.category
        ('web-search', None)
    """

    id: str | None = None
    name: str | None = None
    slug: str | None = None
    description: str | None = None
    source: str | None = None
    tool_type: str | None = None
    category: str | None = None

    @field_validator("id", "name", "slug", "description", "source", "tool_type", "category", mode="before")
    @classmethod
    def _text_or_nothing(cls, value: Any) -> Any:
        return value if isinstance(value, str | int) and not isinstance(value, bool) else None


class HostedToolPage(Result):
    """A page of the list of tools.

    Attributes:
        items: The tools.

    Examples:
        >>> page = HostedToolPage.model_validate({"items": [{"slug": "web-search"}]})
        >>> [tool.slug for tool in page.items]
        ['web-search']
    """

    items: list[HostedTool] = Field(default_factory=list)


class HostedFunctionList(Result):
    """The tools as functions in OpenAI's form.

    Attributes:
        tools: The functions, for `client.chat.create(tools=...)`.

    Examples:
        >>> form = {"type": "function", "function": {"name": "web_search"}}
        >>> HostedFunctionList(tools=[form]).tools[0]["type"]
        'function'
    """

    tools: list[dict[str, Any]] = Field(default_factory=list)


class HostedToolSchema(Result):
    """The schema of a tool.

    Attributes:
        parameters: The JSON schema of its arguments; None if the answer has none.

    Examples:
        >>> HostedToolSchema(parameters={"type": "object"}).parameters
        {'type': 'object'}
    """

    parameters: dict[str, Any] | None = None


class HostedToolLimit(Result):
    """The rate limit of a tool. No answer of the service was ever seen; `raw` has all of it.

    Attributes:
        limit: How many runs a window allows, if reported.
        remaining: How many are left, if reported.
        reset: When the window ends, if reported, as the service says it.

    Examples:
        >>> HostedToolLimit(limit=60, remaining=59).remaining
        59
    """

    limit: Any = None
    remaining: Any = None
    reset: Any = None


class ToolResult(Result):
    """What a tool of the service returned.

    Attributes:
        result: The result, as the service sent it: text, an object, a list, a number or None.

    Examples:
        >>> ToolResult(result={"title": "Grüße"}).text
        '{"title":"Grüße"}'
        >>> ToolResult(result={"error": "The page could not be read."}).is_error
        True
    """

    result: Any = None

    @property
    def text(self) -> str:
        """The result as text for a model: text as it is, anything else as JSON."""
        return self.result if isinstance(self.result, str) else codec.dumps(self.result).decode()

    @property
    def is_error(self) -> bool:
        """Whether the answer says that the tool failed.

        It does with `success` false, `is_error` or `isError` true, or an `error` that is not empty, in the
        answer or in a result that is an object.
        """
        answer = self.raw if isinstance(self.raw, Mapping) else {}
        return _failed(answer) or (isinstance(self.result, Mapping) and _failed(self.result))


def failure_of(result: ToolResult) -> str:
    """What a failed run says: its result, or the whole answer where that is empty.

    Examples:
        >>> failure_of(ToolResult(result={"error": "The page is gone."}))
        '{"error":"The page is gone."}'
    """
    return result.text if result.result or result.raw is None else codec.dumps(result.raw).decode()


def _failed(said: Mapping[str, Any]) -> bool:
    return (
        said.get("success") is False
        or any(said.get(name) is True for name in _FAILED)
        or bool(said.get("error"))
    )
