"""`MeliousHostedToolSpec`: the tools that Melious runs, such as web search, as tools of LlamaIndex."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from inspect import signature
from typing import TYPE_CHECKING, Any, ClassVar, cast

from llama_index.core.base.llms.types import TextBlock
from llama_index.core.bridge.pydantic import BaseModel, ConfigDict, Field, create_model
from llama_index.core.tools.function_tool import FunctionTool
from llama_index.core.tools.tool_spec.base import SPEC_FUNCTION_TYPE, BaseToolSpec
from llama_index.core.tools.types import ToolMetadata, ToolOutput

from llama_index_melious.component import MeliousComponent
from llama_index_melious.events import dispatch_usage
from melious.endpoints.tools import FILTERS, ToolRunParams, check_filters, check_names
from melious.errors import BudgetExceededError, ConfigurationError, MeliousError, ResidencyError

if TYPE_CHECKING:
    from melious.answers.hosted_tools import ToolResult
    from melious.wire.hosted_tools import HostedFunction

_PARAMETERS = frozenset(ToolRunParams.__annotations__)
_HOLDS_EXCEPTIONS = "exception" in signature(ToolOutput.__init__).parameters
"""LlamaIndex 0.14.5 has no place for them."""
_ENDS_THE_RUN = (BudgetExceededError, ConfigurationError, ResidencyError)
"""What no model can do anything about."""


class MeliousHostedToolSpec(MeliousComponent, BaseToolSpec, defer_build=False):
    """The tools that Melious runs, such as web search and URL scraping, for LlamaIndex's agents.

    `to_tool_list` asks the service which tools the key may use (scope `kit.tools`). The content of a tool's
    `ToolOutput` is the result as text, JSON unless it is text; its `raw_output` is the `ToolResult`, whose
    `.result` is what the service sent, of which no shape is documented.

    A failure is a `ToolOutput` with `is_error`: what the service refuses, what it does not answer, and
    results that say that they are errors. Its `exception`, which the oldest LlamaIndex here does not
    have, is the `MeliousError`. An exhausted budget, a wrong setting and a `ResidencyError` are raised. A
    `MeliousUsageEvent` reports each run.

    Args:
        include: Names or slugs of the tools to offer; all by default.
        exclude: Names or slugs of tools to leave out; none by default.
        source: Only tools that are `native`, `managed` or `remote`; any by default.
        tool_type: Only tools of type `handler`, `mcp` or `api`; any by default.
        category: Only tools of this category; any by default.
        search: Only tools that the service finds for these words; all by default.
        api_key: The key; by default the environment variable `MELIOUS_API_KEY`.
        base_url: The URL of the service; by default `MELIOUS_BASE_URL`, then `https://api.melious.ai/v1`.
        api_base: LlamaIndex's name for `base_url`.
        filters: Which providers may serve, such as `{"countries": ["DE", "FR"]}`; by default any. No tool is
            sent filters; `verify_location` checks the countries.
        verify_location: `warn` or `raise` if an answer is not from `filters["countries"]`; `off` by default.
        timeout: Seconds for each wait, a `Timeout`, an `httpx.Timeout` or `(connect, read)`. Default: 120 s.
        deadline: Seconds for a whole call, with waits and retries; 600 by default, None for no limit.
        max_retries: Further attempts after transient errors; 2 by default, 0 for none.
        budget, verify, ...: The rest of `melious.ClientOptions`.
        additional_kwargs: Further parameters of every run; those named like fields of the body go into it.
        http_client, async_http_client: Your own httpx clients, never closed; none by default.

    Raises:
        ConfigurationError: There is no key, or the base URL cannot be used.
        InvalidArgumentError: Another argument is wrong or unknown.

    Examples:
        >>> from llama_index_melious import MeliousHostedToolSpec
        >>> from melious.sandbox import Sandbox
        >>> with Sandbox() as sandbox:
        ...     spec = MeliousHostedToolSpec(
        ...         include=["web-search"], api_key=sandbox.api_key, base_url=sandbox.base_url
        ...     )
        ...     [search] = spec.to_tool_list()
        ...     output = search.call(query="heat pumps")
        >>> search.metadata.name, output.raw_output.result["note"]
        ('web_search', 'Simulated by the sandbox: nothing was looked up.')

        In an agent:

        >>> from llama_index.core.agent.workflow import FunctionAgent  # doctest: +SKIP
        >>> agent = FunctionAgent(tools=spec.to_tool_list(), llm=Melious(model="glm-4.7"))  # doctest: +SKIP
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

    spec_functions: list[SPEC_FUNCTION_TYPE] = Field(default_factory=list, exclude=True)

    @classmethod
    def class_name(cls) -> str:
        """The name for LlamaIndex's serialisation."""
        return "MeliousHostedToolSpec"

    def _check(self) -> None:
        check_names("include", self.include)
        check_names("exclude", self.exclude)
        check_filters(self._chosen())
        super()._check()

    def to_tool_list(
        self,
        spec_functions: list[SPEC_FUNCTION_TYPE] | None = None,
        func_to_metadata_mapping: dict[str, ToolMetadata] | None = None,
    ) -> list[FunctionTool]:
        """The tools that the key may use and the settings choose.

        Args:
            spec_functions: Names or slugs, in place of `include`.
            func_to_metadata_mapping: Other metadata for tools, by their names.

        Raises:
            PermissionDeniedError: The key does not have the scope `kit.tools`.
            InvalidArgumentError: A name is that of no tool.
            MeliousError: A request failed.
        """
        found = self._client().tools.functions(
            include=self._included(spec_functions), exclude=self.exclude, **self._chosen()
        )
        return [self._tool(each, func_to_metadata_mapping) for each in found]

    async def to_tool_list_async(
        self,
        spec_functions: list[SPEC_FUNCTION_TYPE] | None = None,
        func_to_metadata_mapping: dict[str, ToolMetadata] | None = None,
    ) -> list[FunctionTool]:
        """The tools that the key may use and the settings choose. See `to_tool_list`."""
        found = await self._aclient().tools.functions(
            include=self._included(spec_functions), exclude=self.exclude, **self._chosen()
        )
        return [self._tool(each, func_to_metadata_mapping) for each in found]

    def _chosen(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in FILTERS}

    def _included(self, spec_functions: list[SPEC_FUNCTION_TYPE] | None) -> Sequence[str] | None:
        if spec_functions is None:
            return self.include
        return [name if isinstance(name, str) else name[0] for name in spec_functions]

    def _tool(self, function: HostedFunction, metadata: Mapping[str, ToolMetadata] | None) -> FunctionTool:
        def run(**arguments: Any) -> ToolOutput:
            try:
                result = self._client().tools.execute(function.slug, arguments, **self._call())
            except MeliousError as error:
                return _failed(function, arguments, error)
            return _output(function, arguments, result)

        async def arun(**arguments: Any) -> ToolOutput:
            try:
                result = await self._aclient().tools.execute(function.slug, arguments, **self._call())
            except MeliousError as error:
                return _failed(function, arguments, error)
            return _output(function, arguments, result)

        usual = ToolMetadata(function.description, function.name, fn_schema=_schema_class(function))
        return FunctionTool(
            fn=run,
            metadata=(metadata or {}).get(function.name, usual),
            async_fn=arun,
            # LlamaIndex turns a `ToolOutput` of a function into text, but leaves that of a callback alone.
            callback=_unchanged,
            async_callback=_unchanged_async,
        )

    def _call(self) -> dict[str, Any]:
        """The parameters of a run; presets and flavors reach no tool."""
        given = self._parameters(_PARAMETERS, {}, {})
        return {name: value for name, value in given.items() if name in _PARAMETERS}


class _Arguments(BaseModel):
    """The arguments of a tool; the service checks them."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow", protected_namespaces=())


def _schema_class(function: HostedFunction) -> type[BaseModel]:
    """A class whose schema is that of the tool's arguments, as the service gave it."""
    parameters = dict(function.parameters)
    needed = parameters.get("required") or ()
    fields: dict[str, Any] = {
        name: (Any, ... if name in needed else None)
        for name in parameters["properties"]
        if name.isidentifier() and not name.startswith("_") and not hasattr(BaseModel, name)
    }
    made = create_model(f"{function.name}_arguments", __base__=_Arguments, **fields)

    def model_json_schema(*_: Any, **__: Any) -> dict[str, Any]:
        return deepcopy(parameters)

    made.model_json_schema = model_json_schema  # type: ignore[method-assign]  # the service's own
    return made


def _output(function: HostedFunction, arguments: dict[str, Any], result: ToolResult) -> ToolOutput:
    dispatch_usage("tools", {**dict(result), "model": function.slug}, origin=result.meta)
    return ToolOutput(
        tool_name=function.name,
        blocks=[TextBlock(text=result.text)],
        raw_input={"args": (), "kwargs": arguments},
        raw_output=result,
        is_error=result.is_error,
    )


def _failed(function: HostedFunction, arguments: dict[str, Any], error: MeliousError) -> ToolOutput:
    """The output of a failed request, for the model to read.

    Raises:
        MeliousError: It is one that no model can do anything about.
    """
    if isinstance(error, _ENDS_THE_RUN):
        raise error
    more: dict[str, Any] = {"exception": error} if _HOLDS_EXCEPTIONS else {}
    return ToolOutput(
        tool_name=function.name,
        blocks=[TextBlock(text=f"Encountered error: {error.message}")],
        raw_input={"args": (), "kwargs": arguments},
        raw_output=str(error),
        is_error=True,
        **more,
    )


def _unchanged(output: Any) -> ToolOutput:
    return cast("ToolOutput", output)


async def _unchanged_async(output: Any) -> ToolOutput:
    return cast("ToolOutput", output)
