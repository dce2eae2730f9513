"""`client.tools`: the tools that the service runs."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any, Unpack

from melious._signatures import written_out
from melious.answers.hosted_tools import (
    HostedFunctionList,
    HostedTool,
    HostedToolLimit,
    HostedToolPage,
    HostedToolSchema,
    ToolResult,
)
from melious.clients._async.endpoint import AsyncEndpoint
from melious.endpoints import tools
from melious.endpoints.tools import (
    MOST_ON_A_PAGE,
    FunctionList,
    ToolFilterParams,
    ToolListParams,
    ToolParams,
    ToolRunParams,
)
from melious.errors import NotFoundError
from melious.settings.options import CallOptions
from melious.wire.hosted_tools import functions_of, pages_left

_logger = logging.getLogger("melious")


class AsyncTools(AsyncEndpoint):
    """`client.tools`."""

    @written_out(ToolListParams, ToolFilterParams, CallOptions)
    async def list(self, **params: Unpack[ToolListParams]) -> HostedToolPage:
        """List a page of the tools that the key may use.

        Args:
            **params: Those of `melious.ToolListParams`.

        Raises:
            InvalidArgumentError: An argument is wrong; nothing was sent.
            MeliousError: The call failed; the subclass says how.
        """
        return await self._call(tools.list_page(self._config, params))

    @written_out(ToolFilterParams, CallOptions)
    async def iterate(self, **params: Unpack[ToolFilterParams]) -> AsyncIterator[HostedTool]:
        """List all tools that the key may use, page by page.

        It ends with the last page if the service says which that is, and otherwise with a page that has
        no new tool.

        Args:
            **params: Those of `melious.ToolFilterParams`.

        Yields:
            The tools, each once.

        Raises:
            InvalidArgumentError: An argument is wrong; nothing was sent.
            MeliousError: A call failed; the subclass says how.
        """
        seen: set[str] = set()
        page, count = 1, 0
        while True:
            asked: ToolListParams = {**params, "page": page, "page_size": MOST_ON_A_PAGE}
            try:
                listed = await self.list(**asked)
            except NotFoundError:
                if page == 1:
                    raise
                return  # some services answer so beyond the last page
            count += len(listed.items)
            new = False
            for tool in listed.items:
                key = tool.id or tool.slug or repr(tool.raw)
                if key not in seen:
                    seen.add(key)
                    new = True
                    yield tool
            if not new or pages_left(listed.raw, page, count) is False:
                return
            page += 1

    @written_out(CallOptions)
    async def openai(self, **params: Unpack[ToolParams]) -> HostedFunctionList:
        """Give the tools as functions in OpenAI's form, as the service names them.

        `functions` gives them with the slugs that run them.

        Args:
            **params: Those of `melious.CallOptions`.

        Raises:
            MeliousError: The call failed; the subclass says how.
        """
        return await self._call(tools.functions(self._config, params))

    @written_out(ToolFilterParams, CallOptions)
    async def functions(
        self,
        *,
        include: Collection[str] | None = None,
        exclude: Collection[str] | None = None,
        **params: Unpack[ToolFilterParams],
    ) -> FunctionList:
        """Give the tools as functions for models, each with the slug that runs it.

        The functions are those of `openai`. How their names relate to slugs is not documented: a slug
        in the function's own form is taken, else that of the listed tool of the same slug or name,
        compared exactly, then in lower case with all other signs as one. A name that models cannot call
        is changed; the log says which functions matched no tool.

        Args:
            include: Names or slugs of the tools to give; all by default.
            exclude: Names or slugs of tools to leave out; none by default.
            **params: Those of `melious.ToolFilterParams`.

        Raises:
            InvalidArgumentError: An argument is wrong, or `include` names no tool.
            MeliousError: A call failed; the subclass says how.
        """
        tools.check_names("include", include)
        tools.check_names("exclude", exclude)
        filters = tools.filters_among(params)
        options: Any = {name: value for name, value in params.items() if name not in tools.FILTERS}
        tools.check_filters(params)
        forms = await self._call(tools.functions(self._config, options))
        listed = [tool.raw async for tool in self.iterate(**params)]
        found, problems = functions_of(forms.tools, listed, only_listed=bool(filters))
        for problem in problems:
            _logger.warning("tools of %s: %s", self._config.base_url, problem)
        return tools.chosen(found, include, exclude)

    @written_out(CallOptions)
    async def retrieve(self, slug: str, **params: Unpack[ToolParams]) -> HostedTool:
        """Look up one tool.

        Args:
            slug: The tool's slug, such as `web-search`.
            **params: Those of `melious.CallOptions`.

        Raises:
            NotFoundError: There is no such tool.
            MeliousError: The call failed; the subclass says how.
        """
        return await self._call(tools.retrieve(self._config, slug, params))

    @written_out(CallOptions)
    async def schema(self, slug: str, **params: Unpack[ToolParams]) -> HostedToolSchema:
        """Look up the schema of a tool.

        Args:
            slug: The tool's slug, such as `web-search`.
            **params: Those of `melious.CallOptions`.

        Raises:
            NotFoundError: There is no such tool.
            MeliousError: The call failed; the subclass says how.
        """
        return await self._call(tools.schema(self._config, slug, params))

    @written_out(ToolRunParams, CallOptions)
    async def execute(
        self, slug: str, parameters: Mapping[str, Any] | None = None, **params: Unpack[ToolRunParams]
    ) -> ToolResult:
        """Run a tool.

        The shape of results is not documented: `.result` is what the service sent. Where a tool runs, and
        what it costs, is not documented either; with `verify_location="raise"`, an answer that does not
        state its location raises a `ResidencyError`.

        Args:
            slug: The tool's slug, such as `web-search`.
            parameters: Its arguments, by its schema; none by default.
            **params: Those of `melious.ToolRunParams`.

        Raises:
            InvalidArgumentError: An argument is wrong; nothing was sent.
            NotFoundError: There is no such tool.
            MeliousError: The call failed; the subclass says how.
        """
        return await self._call(tools.execute(self._config, slug, parameters, params))

    @written_out(CallOptions)
    async def rate_limit(self, slug: str, **params: Unpack[ToolParams]) -> HostedToolLimit:
        """Look up the rate limit of a tool.

        Args:
            slug: The tool's slug, such as `web-search`.
            **params: Those of `melious.CallOptions`.

        Raises:
            NotFoundError: There is no such tool.
            MeliousError: The call failed; the subclass says how.
        """
        return await self._call(tools.rate_limit(self._config, slug, params))
