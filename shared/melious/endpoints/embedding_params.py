"""The parameters of an embeddings request, apart from what sends them; the adapters import their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from melious.settings.options import RoutingOptions

if TYPE_CHECKING:
    from melious.endpoints.splitting import OnAnswer, Progress
    from melious.settings.checks import BlankTexts


class EmbeddingParams(RoutingOptions, total=False):
    """The optional parameters of an embeddings request. None is not sent.

    Attributes:
        dimensions: The length of the vectors, for models that can shorten them.
        encoding_format: How vectors travel: `base64` (default) or `float`; the result is the same.
            If a server refuses base64, this client asks it for floats from then on; if it refuses
            these too, for no particular encoding.
        user: Who the request is for.
        mode: A routing word of the older documentation; not together with `custom_weights`.
        custom_weights: Routing weights of the older documentation.
        batch_size: The most texts in one request, 2048 at most and by default; fewer if they exceed
            8 MB together.
        max_batch_tokens: The most tokens in one request, up to 8,000,000; 250,000 by default. A
            longer text goes alone and is not cut.
        count_tokens: Counts the tokens of a text. By default they are estimated from its characters,
            rather too many than too few. It is called once for each text, in the caller's thread or
            event loop.
        max_concurrency: The most concurrent requests; 4 by default.
        on_progress: Called after each request with the number of texts done (including cached ones)
            and of all texts, in the caller's thread or event loop. The asyncio client awaits an
            awaitable result. An exception ends the call.
        on_answer: Called in the same way with each answer as soon as it arrives, even if another
            request of the call fails. After a final failure nothing further is sent; requests under
            way end, and their answers are reported too.
        as_numpy: Return a numpy array instead of lists.
        blank_texts: `refuse` blank texts, the default, or `skip` them and give vectors of zeros.
            `.skipped` of the result names their positions. If all texts are blank, the length of their
            vectors is that of `dimensions` or of the catalogue; if neither says it, they are refused.
    """

    dimensions: int | None
    encoding_format: str | None
    user: str | None
    mode: str | None
    custom_weights: Mapping[str, float] | None
    batch_size: int | None
    max_batch_tokens: int | None
    count_tokens: Callable[[str], int] | None
    max_concurrency: int | None
    on_progress: Progress | None
    on_answer: OnAnswer | None
    as_numpy: bool | None
    blank_texts: BlankTexts | None
