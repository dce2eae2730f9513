"""`client.messages`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from melious._signatures import written_out
from melious.answers.messages import TokenCount
from melious.clients._async.endpoint import AsyncEndpoint
from melious.endpoints import messages as endpoint
from melious.endpoints.messages import CountParams
from melious.settings.options import CallOptions


class AsyncMessages(AsyncEndpoint):
    """`client.messages`."""

    @written_out(CountParams, CallOptions)
    async def count_tokens(
        self, *, messages: Sequence[Mapping[str, Any]], **params: Unpack[CountParams]
    ) -> TokenCount:
        """Have the service count the tokens of a conversation. It is free.

        The count is approximate: the service ignores the model. A picture counts a fixed amount; a
        recording or a video counts as a few words.

        Args:
            messages: The messages, in OpenAI's form.
            **params: Those of `melious.CountParams`.

        Raises:
            InvalidArgumentError: An argument is wrong; nothing was sent.
            MeliousError: The call failed; the subclass says how.
        """
        return await self._call(endpoint.count_tokens(self._config, messages, params))
