"""`MeliousToolkit`: the tools that Melious runs, such as web search, as tools of LangChain."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired, TypedDict

from langchain_core.tools import ArgsSchema, BaseTool, BaseToolkit, ToolException
from pydantic import Field, SkipValidation

from langchain_melious.callbacks.reports import RequestInfo, areport, report, usage_of
from langchain_melious.errors import (
    for_langchain,
    langchain_errors,
)
from langchain_melious.settings.fields import ServiceSettings
from melious import errors as core
from melious.endpoints.tools import FILTERS, check_filters, check_names
from melious.errors.checks import check_text
from melious.wire.hosted_tools import HostedFunction, schema_of

if TYPE_CHECKING:
    from melious.answers.hosted_tools import ToolResult

_ENDS_THE_RUN = (core.BudgetExceededError, core.ConfigurationError, core.ResidencyError)
"""What no model can do anything about."""


class HostedToolError(core.MeliousError, ToolException):
    """A tool of the service failed.

    It has the attributes of the `MeliousError` that is its cause, if the request failed, and
    `handle_tool_error` decides whether the model sees it.
    """

    @classmethod
    def of(cls, error: core.MeliousError) -> HostedToolError:
        """The failure of a request as the failure of a tool."""
        made = cls.__new__(cls, *error.args)
        made.args = error.args
        made.__dict__.update(error.__dict__)
        made.advice, made.is_retryable = error.advice, error.is_retryable
        return made


class ToolArtifact(TypedDict):
    """The artifact of a tool message, without what the service did not report.

    Attributes:
        result: The result as the service sent it: text, an object, a list or None.
        model: The tool's slug.
        usage: Counts of tokens.
        environment_impact: Energy, carbon and water, provider and country.
        billing_cost: The cost, as decimal strings.
        request_id: The service's id of the request.
    """

    result: Any
    model: str
    usage: NotRequired[dict[str, Any]]
    environment_impact: NotRequired[dict[str, Any]]
    billing_cost: NotRequired[dict[str, Any]]
    request_id: NotRequired[str]


class MeliousHostedTool(ServiceSettings, BaseTool, defer_build=False):
    """A tool that Melious runs, such as web search. `MeliousToolkit` makes them.

    The content of the tool message is the result as text, JSON unless it is text; its artifact
    (`result`, `model`, `request_id`, ...) holds the result itself, of which no shape is documented.

    A failure is a `ToolException` that is a `MeliousError` too: what the service refuses, what it does
    not answer, and results that say that they are errors. `handle_tool_error` shows it to the model. An
    exhausted budget, a wrong setting and a `ResidencyError` are raised as they are. Each run is reported
    to `melious.track_impact` and, as the custom event `melious_usage`, to LangChain's callbacks.

    Args:
        name: The name for models.
        slug: What the service calls it: `web-search`.
        description: What it does, for models.
        args_schema: The JSON schema of its arguments; none by default.
        api_key: The key; by default the environment variable `MELIOUS_API_KEY`.
        base_url: The URL of the service; by default `MELIOUS_BASE_URL`, then `https://api.melious.ai/v1`.
        filters: Which providers may serve, such as `{"countries": ["DE", "FR"]}`; by default any. No tool is
            sent filters; `verify_location` checks the countries.
        verify_location: `warn` or `raise` if an answer is not from `filters["countries"]`; `off` by default.
        timeout: Seconds for each wait, a `Timeout`, an `httpx.Timeout` or `(connect, read)`. Default: 120 s.
        deadline: Seconds for a whole call, with waits and retries; 600 by default, None for no limit.
        max_retries: Further attempts after transient errors; 2 by default, 0 for none.
        budget, verify, ...: The rest of `melious.ClientOptions`.
        http_client, async_http_client: Your own httpx clients, never closed; none by default.
        handle_tool_error, callbacks, tags, metadata, return_direct: As in LangChain's `BaseTool`.

    Raises:
        langchain_melious.errors.ConfigurationError: The key is missing or the base URL is not valid.
        langchain_melious.errors.InvalidArgumentError: An argument is invalid or unknown.

    Examples:
        >>> from langchain_melious import MeliousHostedTool
        >>> from melious.sandbox import Sandbox
        >>> with Sandbox() as sandbox:
        ...     search = MeliousHostedTool(
        ...         name="web_search",
        ...         slug="web-search",
        ...         description="Search the web.",
        ...         args_schema={"type": "object", "properties": {"query": {"type": "string"}}},
        ...         api_key=sandbox.api_key,
        ...         base_url=sandbox.base_url,
        ...     )
        ...     call = {"name": search.name, "args": {"query": "heat pumps"}, "id": "1", "type": "tool_call"}
        ...     message = search.invoke(call)
        >>> message.artifact["result"]["note"]
        'Simulated by the sandbox: nothing was looked up.'
    """

    name: str = Field(min_length=1)
    slug: str = Field(min_length=1)
    description: str = ""
    args_schema: Annotated[ArgsSchema | None, SkipValidation()] = Field(
        default_factory=lambda: schema_of(None), description="The JSON schema of the arguments."
    )
    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"

    def _check(self) -> None:
        check_text("slug", self.slug)
        if isinstance(self.args_schema, Mapping) or self.args_schema is None:
            self.args_schema = schema_of(self.args_schema)

    def _run(self, /, **arguments: Any) -> tuple[str, ToolArtifact]:
        with langchain_errors:
            try:
                result = self._sync_client().tools.execute(self.slug, arguments)
            except core.MeliousError as error:
                raise _failure(error) from error
            report(self._info(), [result])
            return self._outcome(result)

    async def _arun(self, /, **arguments: Any) -> tuple[str, ToolArtifact]:
        with langchain_errors:
            try:
                result = await self._async_client().tools.execute(self.slug, arguments)
            except core.MeliousError as error:
                raise _failure(error) from error
            await areport(self._info(), [result])
            return self._outcome(result)

    def _info(self) -> RequestInfo:
        return RequestInfo("tools", self.slug, {})

    def _outcome(self, result: ToolResult) -> tuple[str, ToolArtifact]:
        """The content of the tool message and its artifact."""
        if result.is_error:
            raise HostedToolError(result.text, request_id=result.request_id, body=result.raw)
        about = usage_of(self._info(), result)
        del about["endpoint"]
        artifact: Any = {"result": result.result, **about}
        return result.text, artifact


class MeliousToolkit(ServiceSettings, BaseToolkit, defer_build=False):
    """The tools that Melious runs, such as web search and URL scraping, for LangChain's agents.

    `get_tools` asks the service which tools the key may use (scope `kit.tools`) and makes a
    `MeliousHostedTool` of each, with the settings given here.

    Args:
        api_key: The key; by default the environment variable `MELIOUS_API_KEY`.
        base_url: The URL of the service; by default `MELIOUS_BASE_URL`, then `https://api.melious.ai/v1`.
        include: Names or slugs of the tools to offer; all by default.
        exclude: Names or slugs of tools to leave out; none by default.
        source: Only tools that are `native`, `managed` or `remote`; any by default.
        tool_type: Only tools of type `handler`, `mcp` or `api`; any by default.
        category: Only tools of this category; any by default.
        search: Only tools that the service finds for these words; all by default.
        handle_tool_error: As in LangChain's `BaseTool`: True shows failures to the model; False, the default,
            raises them.
        filters: Which providers may serve, such as `{"countries": ["DE", "FR"]}`; by default any. No tool is
            sent filters; `verify_location` checks the countries.
        verify_location: `warn` or `raise` if an answer is not from `filters["countries"]`; `off` by default.
        timeout: Seconds for each wait, a `Timeout`, an `httpx.Timeout` or `(connect, read)`. Default: 120 s.
        deadline: Seconds for a whole call, with waits and retries; 600 by default, None for no limit.
        max_retries: Further attempts after transient errors; 2 by default, 0 for none.
        budget, verify, ...: The rest of `melious.ClientOptions`.
        http_client, async_http_client: Your own httpx clients, never closed; none by default.

    Raises:
        langchain_melious.errors.ConfigurationError: The key is missing or the base URL is not valid.
        langchain_melious.errors.InvalidArgumentError: An argument is invalid or unknown.

    Examples:
        >>> from langchain_melious import MeliousToolkit
        >>> from melious.sandbox import Sandbox
        >>> with Sandbox() as sandbox:
        ...     toolkit = MeliousToolkit(
        ...         exclude=["docs-lookup"], api_key=sandbox.api_key, base_url=sandbox.base_url
        ...     )
        ...     tools = toolkit.get_tools()
        >>> [(tool.name, tool.slug) for tool in tools]
        [('web_search', 'web-search'), ('url_scraper', 'url-scraper')]

        In an agent:

        >>> from langchain.agents import create_agent  # doctest: +SKIP
        >>> agent = create_agent(ChatMelious(model="glm-4.7"), tools=tools)  # doctest: +SKIP
    """

    if TYPE_CHECKING:
        include: Sequence[str] | None = None
        exclude: Sequence[str] | None = None
    else:  # `check_names` checks them
        include: Any = None
        exclude: Any = None
    source: str | None = None
    tool_type: str | None = None
    category: str | None = None
    search: str | None = None
    handle_tool_error: Any = False

    def _check(self) -> None:
        check_names("include", self.include)
        check_names("exclude", self.exclude)
        check_filters(self._chosen())

    def get_tools(self) -> list[BaseTool]:
        """The tools that the key may use and the toolkit's settings choose.

        Raises:
            langchain_melious.errors.PermissionDeniedError: The key does not have the scope `kit.tools`.
            langchain_melious.errors.InvalidArgumentError: `include` names a tool that does not exist.
            MeliousError: A request failed.
        """
        with langchain_errors:
            found = self._sync_client().tools.functions(
                include=self.include, exclude=self.exclude, **self._chosen()
            )
            return self._tools(found)

    async def aget_tools(self) -> list[BaseTool]:
        """The tools that the key may use and the toolkit's settings choose. See `get_tools`."""
        with langchain_errors:
            found = await self._async_client().tools.functions(
                include=self.include, exclude=self.exclude, **self._chosen()
            )
            return self._tools(found)

    def _chosen(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in FILTERS}

    def _tools(self, found: Collection[HostedFunction]) -> list[BaseTool]:
        settings = {
            **self._options(),
            "http_client": self.http_client,
            "async_http_client": self.async_http_client,
            "handle_tool_error": self.handle_tool_error,
        }
        return [
            MeliousHostedTool(
                name=each.name,
                slug=each.slug,
                description=each.description,
                args_schema=dict(each.parameters),
                **settings,
            )
            for each in found
        ]


def _failure(error: core.MeliousError) -> core.MeliousError:
    """The error that a failed request raises from a tool."""
    return for_langchain(error) if isinstance(error, _ENDS_THE_RUN) else HostedToolError.of(error)
