"""GET /tools and what is below it: the tools that the service runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode

from melious.answers.hosted_tools import (
    HostedFunctionList,
    HostedTool,
    HostedToolLimit,
    HostedToolPage,
    HostedToolSchema,
    ToolResult,
)
from melious.answers.reading import json_of, meta_of, read_as, set_source
from melious.endpoints.common import check_known, check_utf8, request_of
from melious.errors import (
    BudgetExceededError,
    ConfigurationError,
    InvalidArgumentError,
    MeliousError,
    NotFoundError,
    ResidencyError,
    ResponseDecodeError,
    ServerError,
)
from melious.errors.checks import check_mapping, check_one_of, check_text, check_whole
from melious.errors.suggestions import nearest
from melious.exchange.request import Operation, Request, Response
from melious.routing.filters import FiltersArgument
from melious.routing.residency import ResidencyRule, VerifyLocation, check_verifiable
from melious.settings.config import ClientConfig
from melious.settings.options import CallOptions, check_option
from melious.wire import codec
from melious.wire.hosted_tools import HostedFunction, entries_in, function_form

PATH = "tools"
MOST_ON_A_PAGE = 100
_SOURCES = ("native", "managed", "remote")
_TOOL_TYPES = ("handler", "mcp", "api")
FILTERS = ("source", "tool_type", "category", "search")
ENDS_THE_RUN = (BudgetExceededError, ConfigurationError, ResidencyError)
"""What no model can do anything about: adapters raise it, and show the model other errors of a tool."""
FunctionList: TypeAlias = list[HostedFunction]
_SCHEMAS = ("parameters", "input_schema", "inputSchema", "schema")
_EXTENSIONS = frozenset({"environment_impact", "billing_cost", "usage"})


class ToolFilterParams(CallOptions, total=False):
    """Which tools of the service to list. None lists all.

    Attributes:
        source: Where a tool comes from: `native`, `managed` or `remote`.
        tool_type: What runs it: `handler`, `mcp` or `api`.
        category: Its category.
        search: Words to look for.
    """

    source: str | None
    tool_type: str | None
    category: str | None
    search: str | None


class ToolListParams(ToolFilterParams, total=False):
    """Which page of the tools to list.

    Attributes:
        page: The number of the page, from 1, the service's default.
        page_size: Tools on a page: 1 to 100; 50 by the service's default.
    """

    page: int | None
    page_size: int | None


class ToolParams(CallOptions, total=False):
    """The optional parameters of a tool's own endpoints."""


class ToolRunParams(ToolParams, total=False):
    """The optional parameters of a tool's run.

    Attributes:
        filters: Sent with no tool. Its countries are those that `verify_location` checks an answer against.
        verify_location: `warn` or `raise` if an answer is not from `filters["countries"]`; `off` by default.
    """

    filters: FiltersArgument | None
    verify_location: VerifyLocation | None


def filters_among(params: Mapping[str, Any]) -> frozenset[str]:
    """The names of the filters that are set."""
    return frozenset(name for name in FILTERS if params.get(name) is not None)


def check_filters(params: Mapping[str, Any]) -> None:
    """Refuse filters that the service is known to refuse."""
    _refuse_body(params)
    for name, known in (("source", _SOURCES), ("tool_type", _TOOL_TYPES)):
        if params.get(name) is not None:
            check_one_of(name, params[name], known)
    for name in ("category", "search"):
        if params.get(name) is not None:
            check_text(name, params[name])
            check_utf8(name, params[name])


def list_page(config: ClientConfig, params: ToolListParams) -> Operation[HostedToolPage]:
    """A call for a page of tools."""
    check_known(params, ToolListParams, "tools")
    check_filters(params)
    if params.get("page") is not None:
        check_whole("page", params["page"], least=1)
    if params.get("page_size") is not None:
        check_whole("page_size", params["page_size"], least=1, most=MOST_ON_A_PAGE)
    names = ("page", "page_size", *FILTERS)
    query = urlencode({name: params[name] for name in names if params.get(name) is not None})  # type: ignore[literal-required]
    return Operation(_get(config, f"{PATH}?{query}" if query else PATH, params), _page)


def functions(config: ClientConfig, params: ToolParams) -> Operation[HostedFunctionList]:
    """A call for the tools in OpenAI's form."""
    check_known(params, ToolParams, "tools")
    _refuse_body(params)
    return Operation(_get(config, f"{PATH}/openai", params), _functions)


def retrieve(config: ClientConfig, slug: str, params: ToolParams) -> Operation[HostedTool]:
    """A call for one tool."""
    return Operation(_about(config, slug, "", params), _tool)


def schema(config: ClientConfig, slug: str, params: ToolParams) -> Operation[HostedToolSchema]:
    """A call for the schema of a tool."""
    return Operation(_about(config, slug, "/schema", params), _schema)


def rate_limit(config: ClientConfig, slug: str, params: ToolParams) -> Operation[HostedToolLimit]:
    """A call for the rate limit of a tool."""
    return Operation(_about(config, slug, "/rate-limit", params), _limit)


def execute(
    config: ClientConfig, slug: str, parameters: Mapping[str, Any] | None, params: ToolRunParams
) -> Operation[ToolResult]:
    """A call that runs a tool."""
    check_known(params, ToolRunParams, "tools")
    check_mapping("parameters", parameters)
    path = f"{_path(slug)}/execute"
    body: dict[str, Any] = {"parameters": dict(parameters or {})}
    for extra in (config.extra_body, params.get("extra_body")):
        body.update(extra or {})
    given = params.get("filters")
    filters = config.filters if given is None else check_option("filters", given)
    mode = params.get("verify_location") or config.verify_location
    if mode != "off":
        check_verifiable(mode, filters)
    request = request_of(config, "tools", path, params, body, advise=_advice)
    # Filters are not sent, and no page says whether answers state where a tool ran: a rule still holds.
    routing = request.routing._replace(model=slug, residency=ResidencyRule.of(mode, filters))
    return Operation(request._replace(routing=routing, otherwise=request.otherwise or _failed_run), _result)


def chosen(
    found: Collection[HostedFunction], include: Collection[str] | None, exclude: Collection[str] | None
) -> FunctionList:
    """The functions to offer, by names or slugs.

    Raises:
        InvalidArgumentError: A name is that of no tool.
    """
    known = {name for each in found for name in (each.name, each.slug)}
    for argument, names in (("include", include), ("exclude", exclude)):
        for place, name in enumerate(_checked_names(argument, names)):
            if argument == "include" and name not in known:
                near = nearest(name, sorted(known))
                hint = f"; did you mean {near!r}?" if near else ""
                raise InvalidArgumentError(
                    f"include[{place}]: there is no tool {name!r} among those found{hint}", param="include"
                )
    dropped = set(exclude or ())
    return [
        each
        for each in found
        if (include is None or {each.name, each.slug} & set(include)) and not {each.name, each.slug} & dropped
    ]


def check_names(argument: str, names: Collection[str] | None) -> None:
    """Refuse what is not a list of names of tools."""
    _checked_names(argument, names)


def _checked_names(argument: str, names: Collection[str] | None) -> Collection[str]:
    if names is None:
        return ()
    if isinstance(names, str | bytes) or not isinstance(names, Collection):
        raise InvalidArgumentError(
            f"{argument}: must be a list of names of tools, not {type(names).__name__}", param=argument
        )
    for place, name in enumerate(names):
        if not isinstance(name, str):
            raise InvalidArgumentError(
                f"{argument}[{place}]: must be the name of a tool, not {type(name).__name__}", param=argument
            )
    return names


def _refuse_body(params: Mapping[str, Any]) -> None:
    if params.get("extra_body"):
        raise InvalidArgumentError("extra_body: requests about tools have no body")


def _path(slug: object) -> str:
    check_text("slug", slug)
    if slug in (".", ".."):
        raise InvalidArgumentError(f"slug: must be the slug of a tool, not {slug!r}", param="slug")
    return f"{PATH}/{quote(check_utf8('slug', str(slug)), safe='')}"


def _about(config: ClientConfig, slug: str, what: str, params: ToolParams) -> Request:
    check_known(params, ToolParams, "tools")
    _refuse_body(params)
    return _get(config, _path(slug) + what, params, advise=_advice)


def _get(config: ClientConfig, path: str, params: Mapping[str, Any], **details: Any) -> Request:
    # A look-up uses nothing that a ledger could count.
    request = request_of(config, "tools", path, params, None, retry_timeouts=True, **details)
    return request._replace(sinks=())


def _failed_run(_: Request, error: MeliousError) -> MeliousError | None:
    """The error that ends the call, where it came in a successful answer: the tool ran, and may be billed."""
    in_an_answer = isinstance(error, ServerError) and error.status_code is None
    return error if in_an_answer and "is_retryable" not in error.__dict__ else None


def _advice(error: MeliousError) -> str | None:
    if isinstance(error, NotFoundError):
        return (
            "`client.tools.list()` and `melious tools` list the tools that the key may use, with their slugs"
        )
    return None


def _entries(response: Response) -> tuple[Any, list[dict[str, Any]]]:
    raw = _json(response)
    entries = entries_in(raw)
    if entries is None:
        raise ResponseDecodeError(
            "tools: the answer has no list of tools", request_id=response.request_id, body=raw
        )
    return raw, entries


def _json(response: Response) -> Any:
    """An answer as JSON, which need not be an object.

    Raises:
        ResponseDecodeError: It is not JSON.
        APIStatusError: It is an error object.
    """
    if response.body.lstrip()[:1] != b"{":
        try:
            return codec.loads(response.body)
        except ValueError:
            pass
    return json_of(response, "tools")


def _page(response: Response) -> HostedToolPage:
    raw, entries = _entries(response)
    whole = raw if isinstance(raw, dict) else {}
    page = read_as(HostedToolPage, raw, response, "tools", {**whole, "items": entries})
    for tool, entry in zip(page.items, entries, strict=True):
        set_source(tool, entry, meta_of(response))
    return page


def _functions(response: Response) -> HostedFunctionList:
    raw, entries = _entries(response)
    return read_as(
        HostedFunctionList, raw, response, "tools", {"tools": [function_form(each) for each in entries]}
    )


def _tool(response: Response) -> HostedTool:
    raw = json_of(response, "tools")
    inner = raw.get("tool")
    return read_as(HostedTool, raw, response, "tools", inner if isinstance(inner, dict) else raw)


def _schema(response: Response) -> HostedToolSchema:
    raw = json_of(response, "tools")
    inner = raw.get("function")
    holder = inner if isinstance(inner, dict) else raw
    found = next((holder[name] for name in _SCHEMAS if isinstance(holder.get(name), dict)), None)
    if found is None and isinstance(raw.get("properties"), dict):
        found = raw
    return read_as(HostedToolSchema, raw, response, "tools", {"parameters": found})


def _limit(response: Response) -> HostedToolLimit:
    raw = json_of(response, "tools")
    return read_as(HostedToolLimit, raw, response, "tools")


def _result(response: Response) -> ToolResult:
    raw = _json(response)
    if not isinstance(raw, dict):
        return read_as(ToolResult, raw, response, "tools", {"result": raw})
    own = {name: value for name, value in raw.items() if name not in _EXTENSIONS}
    return read_as(ToolResult, raw, response, "tools", {**raw, "result": raw.get("result", own)})
