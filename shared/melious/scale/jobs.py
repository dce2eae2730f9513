"""Embeds texts in a batch job of the service, outside the per-minute limit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from melious.clients._sync.client import MeliousClient
from melious.endpoints.batch_reading import vector_of
from melious.errors import MeliousError

ENDPOINT = "/v1/embeddings"


def embedded_in_a_job(
    client: MeliousClient,
    model: str,
    texts: Sequence[str],
    params: Mapping[str, Any],
    *,
    timeout: float | None,
) -> Iterator[tuple[int, list[float] | MeliousError]]:
    """Embed texts, one in each line of a job: the place of each, and its vector or its error.

    A job that was submitted before with the same texts is found and not paid again, so a worker that was
    killed while it waited goes on with its own.

    Args:
        client: The client of this process.
        model: The model.
        texts: The texts, none of them empty.
        params: Fields of the requests.
        timeout: The most seconds to wait for the job; None for no limit.

    Raises:
        MeliousError: The job as a whole failed, or is not done in time.
    """
    lines = ({**params, "model": model, "input": [text]} for text in texts)
    job = client.batches.submit(lines, endpoint=ENDPOINT)
    job.wait(timeout=timeout)
    for result in job:
        if result.index is not None:
            yield result.index, vector_of(result)
