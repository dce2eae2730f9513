"""`client.models`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from melious._signatures import DEFAULTS_OF_CALLS, written_out
from melious.answers.models import Model, ModelList
from melious.clients._async.primitives import current_loop, wait_for
from melious.endpoints import models
from melious.endpoints.models import FindParams, ModelParams
from melious.settings.options import CallOptions

if TYPE_CHECKING:
    from melious.catalogue import ModelCards
from melious.clients._async.endpoint import AsyncEndpoint


class AsyncModels(AsyncEndpoint):
    """`client.models`."""

    @written_out(CallOptions)
    async def list(self, *, include_meta: bool = False, **params: Unpack[ModelParams]) -> ModelList:
        """List the models that the key may use.

        Args:
            include_meta: Include types, modalities, capabilities, contexts and prices, which the
                catalogue of this process then knows.
            **params: Those of `melious.CallOptions`.

        Raises:
            MeliousError: The call failed; the subclass says how.
        """
        listed = await self._call(models.list_all(self._config, params, include_meta=include_meta))
        if include_meta:
            models.live_models(self._config).update(models.listed_models(listed))
        return listed

    @written_out(FindParams, CallOptions, defaults={**DEFAULTS_OF_CALLS, "max_age": 300.0})
    async def find(self, **params: Unpack[FindParams]) -> ModelCards:
        """Find models that the key may use by what they can do and cost.

        The shipped catalogue fills in facts that the service leaves out. The service's list is kept
        for five minutes, shared by all clients of the key in this process: concurrent callers make
        one request, and if it fails the previous list is used. Models known not to be served are
        left out; being listed is no guarantee for the others.

        Args:
            **params: Those of `melious.FindParams`.

        Returns:
            A list of cards (`melious.catalogue.ModelCard`), which notebooks show as a table and
            `.to_pandas()` gives as a frame: `id`, `context_length`, `input_cost` and
            `output_cost` in EUR per million tokens, `vision`, `tools`, `reasoning` and more; None
            where unknown.

        Raises:
            InvalidArgumentError: An argument is wrong.
            MeliousError: The call failed and there is no earlier list; the subclass says how.

        Examples:
            >>> from melious import AsyncMeliousClient
            >>> client = AsyncMeliousClient(api_key="sk-mel-...")
            >>> cards = await client.models.find(vision=True, order_by="price")  # doctest: +SKIP
            >>> [(card.id, card.input_cost) for card in cards]  # doctest: +SKIP
        """
        from melious.catalogue.live import MAX_WAIT, Fetch, Wait  # noqa: PLC0415 - only `find` needs it

        wanted, max_age, call = models.find(self._config, params)
        found = models.live_models(self._config).lookup(max_age, current_loop())
        while isinstance(found, Wait):
            await wait_for(found.done, MAX_WAIT)
            found = found.resume()
        if isinstance(found, Fetch):
            try:
                listed = await self._call(call)
            except BaseException as error:  # noqa: BLE001 - other callers wait for the outcome
                found = found.failed(error)
            else:
                found = found.succeeded(models.listed_models(listed))
        return models.chosen(wanted, found, self._config)

    @written_out(CallOptions)
    async def retrieve(
        self, model: str, *, include_meta: bool = False, **params: Unpack[ModelParams]
    ) -> Model:
        """Look up one model.

        Args:
            model: The model's id.
            include_meta: Include type, modalities, capabilities, context and price.
            **params: Those of `melious.CallOptions`.

        Raises:
            ModelNotFoundError: There is no such model.
            MeliousError: The call failed; the subclass says how.
        """
        return await self._call(models.retrieve(self._config, model, params, include_meta=include_meta))
