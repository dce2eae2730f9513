"""What the endpoints share in building a request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

from melious.answers.results import Result
from melious.endpoints.otherwise import Alternatives, MethodStep, Simplify
from melious.errors import BadRequestError, InvalidArgumentError, MeliousError, ModelNotFoundError
from melious.exchange.request import Limits, Request
from melious.impact import active_budgets, active_ledgers
from melious.impact.tags import current_tags
from melious.routing.fallbacks import (
    Relaxation,
    check_steps_verifiable,
    checked_steps,
    relaxations,
)
from melious.routing.filters import (
    check_suffix,
    filters_in,
    flavored,
    routing_preference,
    split_flavor,
    warn_about_unused_preset,
)
from melious.routing.residency import ResidencyRule, check_verifiable
from melious.routing.terms import RoutingTerms
from melious.settings.config import (
    ClientConfig,
    checked_headers,
    reject_unknown,
    timeout_for,
)
from melious.settings.options import RoutingOptions, check_call_options, check_option
from melious.wire import codec
from melious.wire.uploads import Upload

if TYPE_CHECKING:
    from melious.impact.budget import ImpactBudget

R = TypeVar("R", bound=Result)

_fitting: set[tuple[str, str, str]] = set()
"""Models that were checked against the catalogue: once for each endpoint and base URL."""
_MOST_CHECKED = 1024


OMIT = frozenset(RoutingOptions.__annotations__) | {
    "convert_documents",
    "merge_system_messages",
    "replay_reasoning",
    "stream_impact",
    "structured_output",
}
"""Parameters that are not fields of the body."""


def check_known(params: Mapping[str, Any], shape: type, where: str) -> None:
    """Refuse parameters that the endpoint does not have, and wrong options of the call."""
    reject_unknown(params, _names_of(shape), where)
    check_call_options(params)


@cache
def _names_of(shape: type) -> frozenset[str]:
    return frozenset({*shape.__annotations__, "model"})


def is_list(value: object) -> bool:
    """Whether a value is a non-empty iterable other than text, bytes and mappings."""
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping) and bool(value)


def check_model(model: object) -> str:
    """Refuse a model that is not a name, or is empty."""
    if not isinstance(model, str) or not model.strip():
        raise InvalidArgumentError(f"model: must be the name of a model, not {model!r}")
    if ":" in model:
        check_suffix(model)
    return model


def forget_checked_models() -> None:
    """Check every model against the catalogue again."""
    _fitting.clear()


def _check_fits(model: str, endpoint: str, base_url: str) -> None:
    key = (model, endpoint, base_url)
    if key in _fitting:
        return
    if not _is_shipped_for(model, endpoint):
        from melious.endpoints.model_check import check_model_fits  # noqa: PLC0415 - reads the catalogue

        check_model_fits(model, endpoint, base_url)
    if len(_fitting) >= _MOST_CHECKED:
        _fitting.clear()
    _fitting.add(key)


def _is_shipped_for(model: str, endpoint: str) -> bool:
    """Whether the shipped catalogue has a model for an endpoint, without reading all of it."""
    from pkgutil import get_data  # noqa: PLC0415 - only needed by advice on an error

    kind = "image" if endpoint == "images" else endpoint
    entry = f'{{"id": "{split_flavor(model)[0]}", "type": "{kind}"'
    return entry.encode("utf-8", "surrogatepass") in (get_data("melious", "catalogue/models.json") or b"")


def check_utf8(where: str, text: str, errors: str = "strict") -> str:
    """Refuse text with half of a surrogate pair, which only JSON can escape; returns the text."""
    try:
        text.encode("utf-8", errors)
    except UnicodeEncodeError:
        raise InvalidArgumentError(
            f"{where}: {text[:100]!r} contains half of a surrogate pair, which UTF-8 cannot encode"
        ) from None
    return text


def body_of(
    config: ClientConfig, endpoint: str, model: str, fields: Mapping[str, Any], params: Mapping[str, Any]
) -> dict[str, Any]:
    """Build a body: the model with its flavor, the given fields, routing, and extra fields.

    A model given in `extra_body` is sent as it is; another one is checked against the catalogue.
    """
    body: dict[str, Any] = {"model": flavored(check_model(model), _given(params, "flavor", config.flavor))}
    if not is_extra("model", config, params):
        _check_fits(model, endpoint, config.base_url)
    body.update(fields)
    body.update((name, value) for name, value in params.items() if value is not None and name not in OMIT)
    preset = _given(params, "preset", config.preset)
    if preset is not None:
        body["preset"] = preset
    given = params.get("filters")
    filters = config.filters if given is None else check_option("filters", given)
    if filters is not None:
        body["filters"] = filters
    for extra in (config.extra_body, params.get("extra_body")):
        if extra:
            body.update(extra)
    if "preset" in body:
        warn_about_unused_preset(body)
    verify_location = _given(params, "verify_location", config.verify_location)
    if verify_location != "off":
        check_verifiable(verify_location, filters_in(body))
    return body


def is_extra(name: str, config: ClientConfig, params: Mapping[str, Any]) -> bool:
    """Whether `extra_body` has a field, which then is sent unchecked."""
    return any(extra and name in extra for extra in (config.extra_body, params.get("extra_body")))


def _given(params: Mapping[str, Any], name: str, default: Any) -> Any:
    value = params.get(name)
    return default if value is None else value


def request_of(
    config: ClientConfig,
    endpoint: str,
    path: str,
    params: Mapping[str, Any],
    body: dict[str, Any] | Upload | None,
    *,
    retry_timeouts: bool = False,
    retry_malformed: bool = False,
    spent: float = 0.0,
    simpler: tuple[Simplify, ...] = (),
    method: MethodStep | None = None,
    **details: Any,
) -> Request:
    """Build a request, with the options of the call and the client.

    Args:
        config: The client's settings.
        endpoint: The endpoint's name.
        path: The path below the base URL.
        params: The parameters of the call.
        body: What to send; `InvalidArgumentError` if it cannot be written as JSON.
        retry_timeouts: The endpoint's default: whether its work may be done twice.
        retry_malformed: Whether to retry the gateway's spurious "malformed" 400 once.
        spent: Seconds of the deadline that the call has already used.
        simpler: Ways to leave out what the service refuses.
        method: How to ask for an object by another method.
        **details: Other fields of the request.
    """
    retry = _given(params, "retry_timeouts", config.retry_timeouts)
    fields = body.fields if isinstance(body, Upload) else body or {}
    filters = filters_in(fields)
    steps: tuple[Relaxation, ...] = ()
    given_steps = _given(params, "routing_fallbacks", config.routing_fallbacks)
    verify_location = _given(params, "verify_location", config.verify_location)
    if given_steps is not None and body is not None:
        steps = relaxations(filters, checked_steps(given_steps))
        check_steps_verifiable(verify_location, steps)
    if "advise" not in details and body is not None:
        model = str(fields.get("model", ""))
        details["advise"] = partial(advice_of, model=model, endpoint=endpoint, base_url=config.base_url)
    budgets = () if body is None else budgets_of(config)
    ledgers = active_ledgers()
    return Request(
        method="GET" if body is None else "POST",
        path=path,
        endpoint=endpoint,
        limits=Limits(
            timeout=timeout_for(endpoint, _given(params, "timeout", config.timeout)),
            deadline=params.get("deadline", config.deadline),
            max_retries=_given(params, "max_retries", config.max_retries),
            spent=spent,
            retry_timeouts=retry_timeouts if retry is None else retry,
            retry_malformed=retry_malformed,
            retry_no_providers="filters" not in fields,
        ),
        body=encoded(body) if isinstance(body, dict) else body,
        headers=checked_headers("extra_headers", params.get("extra_headers")),
        base_url=config.base_url,
        routing=RoutingTerms(
            model=split_flavor(str(fields.get("model", "")))[0],
            preference=routing_preference(fields),
            residency=None if verify_location == "off" else ResidencyRule.of(verify_location, filters),
        ),
        on_retry=params.get("on_retry"),
        otherwise=Alternatives(simpler, method, steps) if simpler or method or steps else None,
        admit=_admission(budgets) if budgets else None,
        sinks=(*ledgers, *budgets),
        tags=current_tags() if ledgers else (),
        **details,
    )


def without_ledger(request: Request) -> Request:
    """A request that costs nothing, so that no budget refuses it and no ledger counts it."""
    return request._replace(admit=None, sinks=())


def with_header(request: Request, name: str, value: str) -> Request:
    """A request with a header, unless the caller has set it."""
    if any(given.lower() == name for given, _ in request.headers):
        return request
    return request._replace(headers=(*request.headers, (name, value)))


def advice_of(error: MeliousError, model: str, endpoint: str, base_url: str) -> str | None:
    """The advice for an error that may be due to the model; None keeps that of its class."""
    if not isinstance(error, ModelNotFoundError | BadRequestError):
        return None
    from melious.endpoints.model_check import advice_for  # noqa: PLC0415 - reads the catalogue

    return advice_for(error, model, endpoint, base_url)


def budgets_of(config: ClientConfig) -> tuple[ImpactBudget, ...]:
    """The budgets that a request counts against: the client's own and the active ones."""
    active = active_budgets()
    return active if config.budget is None or config.budget in active else (config.budget, *active)


def _admission(budgets: tuple[ImpactBudget, ...]) -> Callable[[], None]:
    from melious.impact.budget import admit  # noqa: PLC0415 - only needed with a budget

    return partial(admit, budgets)


def trust_of(config: ClientConfig, params: Mapping[str, Any]) -> bytes:
    """What must be equal, besides the bodies, for one answer to be reused for another request."""
    verified = _given(params, "verify_location", config.verify_location) == "raise"
    steps = _given(params, "routing_fallbacks", config.routing_fallbacks)
    return repr((verified, list(steps or ()))).encode() if verified or steps else b""


def encoded(body: dict[str, Any]) -> bytes:
    """Write a body as JSON; an error names the field that has no JSON form."""
    try:
        return codec.dumps(body, finite=True)
    except (TypeError, ValueError) as error:
        for name, value in body.items():
            try:
                codec.dumps(value, finite=True)
            except (TypeError, ValueError) as problem:
                raise InvalidArgumentError(f"{name}: cannot be sent as JSON ({problem})") from None
        raise InvalidArgumentError(f"the body cannot be sent as JSON ({error})") from None
