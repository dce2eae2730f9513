"""The constructor arguments of the classes with a model, and what they share beside."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, Unpack

from pydantic import Field

from langchain_melious.errors import InvalidArgumentError, langchain_errors
from langchain_melious.settings.service import ServiceSettings
from melious._signatures import written_out
from melious.errors.checks import check_text
from melious.routing.filters import flavored, routing_summary
from melious.settings.fields import with_model
from melious.settings.options import CLIENT_ONLY, CallOptions, check_call_options, check_option

if TYPE_CHECKING:
    from melious.answers.results import Model, ModelList
    from melious.routing.fallbacks import FallbackStep

_CLIENT_ONLY = CLIENT_ONLY | {"http_client", "async_http_client"}
"""The fields that a call cannot change, because the client is created from them."""

_logger = logging.getLogger("melious")

_KINDS = {"embedding": "embeddings", "reranker": "rerank"}
"""Other names for these kinds, seen in model lists."""


class MeliousSettings(ServiceSettings):
    """The settings that all classes with a model share."""

    _kind: ClassVar[str]

    model: str = Field(min_length=1, kw_only=False)
    """The model, with or without a flavor: `glm-4.7`, `glm-4.7:eco`. It may be given by position."""

    @classmethod
    def _named(cls, positional: tuple[Any, ...], arguments: dict[str, Any]) -> dict[str, Any]:
        return with_model(cls.__name__, positional, arguments)

    def _check_settings(self) -> None:
        check_text("model", self.model)
        flavored(self.model, self.flavor)
        super()._check_settings()

    @property
    def model_name(self) -> str:
        """The same as `model`, under the name that other integrations use."""
        return self.model

    def _routing(self, call: Mapping[str, Any]) -> dict[str, Any]:
        """The routing that a call requests, to be reported with its answer: a flavor, else a preset."""
        sent = {
            "model": flavored(call["model"], self._given("flavor", call)),
            "preset": self._given("preset", call),
            "filters": check_option("filters", self._given("filters", call)),
        }
        return routing_summary({**sent, **(self.extra_body or {}), **(call.get("extra_body") or {})})

    def _given(self, name: str, options: Mapping[str, Any]) -> Any:
        """The value given for a call, else that of this object."""
        return getattr(self, name) if options.get(name) is None else options[name]

    def with_routing_fallbacks(self, *steps: FallbackStep) -> Self:
        """Make a copy that drops filters one step at a time while no provider matches.

        `response_metadata["routing"]["relaxed"]`, the ledgers and the log name the dropped filters.

        Args:
            *steps: In order: the name of a filter to drop, or filters with other values, such as
                `{"max_carbon_intensity": 400}`; None drops all.

        Raises:
            InvalidArgumentError: A step is not a filter, or its value is invalid; its position is named.
        """
        from melious.routing.fallbacks import checked_steps  # noqa: PLC0415 - needed by this call only

        with langchain_errors:
            checked = checked_steps(steps)
        return self.model_copy(update={"routing_fallbacks": checked})

    @written_out(CallOptions)
    def available_models(self, **options: Unpack[CallOptions]) -> list[str]:
        """List the models of this kind that the key may use: their ids, sorted.

        Args:
            **options: Those of `melious.CallOptions`.

        Raises:
            MeliousError: The request failed.
        """
        with langchain_errors:
            return self._of_this_kind(self._sync_client().models.list(include_meta=True, **options))

    @written_out(CallOptions)
    async def aavailable_models(self, **options: Unpack[CallOptions]) -> list[str]:
        """List the models of this kind that the key may use. See `available_models`."""
        with langchain_errors:
            return self._of_this_kind(await self._async_client().models.list(include_meta=True, **options))

    def _of_this_kind(self, listed: ModelList) -> list[str]:
        """The ids; models whose kind neither the service nor the catalogue knows are left out."""
        from melious.catalogue import find  # noqa: PLC0415 - needed by this call only

        def kind_of(model: Model) -> str | None:
            known = find(model.id)
            kind = (model.card or {}).get("type") or (known.type if known else None)
            return _KINDS.get(kind, kind) if isinstance(kind, str) else None

        kinds = {model.id: kind_of(model) for model in listed.data}
        unknown = sum(kind is None for kind in kinds.values())
        if unknown:
            _logger.warning(
                "available_models leaves out %d of %d models: neither the service nor the catalogue says "
                "what kind they are; list all with MeliousClient().models.list()",
                unknown,
                len(kinds),
            )
        return sorted(name for name, kind in kinds.items() if kind == self._kind)


def check_call(options: Mapping[str, Any]) -> None:
    """Check the options of a call, and reject what only the constructor takes.

    Raises:
        InvalidArgumentError: One is wrong; the error names it.
    """
    for name in options:
        if name in _CLIENT_ONLY:
            raise InvalidArgumentError(
                f"{name}: cannot be set per call; make a copy of the model with "
                f"model_copy(update={{{name!r}: ...}})"
            )
    check_call_options(options)
