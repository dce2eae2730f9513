"""Where a text is in the caller's list, whatever batches LlamaIndex cuts it into."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from llama_index.core.schema import BaseNode, MetadataMode

from melious.endpoints.blank_texts import is_blank
from melious.errors import InvalidArgumentError, ResponseDecodeError
from melious.settings.checks import BlankTexts

_logger = logging.getLogger(__name__)


class BatchRun:
    """One call with several texts; of its batches none starts after one has failed."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self.failed = False


_current: ContextVar[BatchRun | None] = ContextVar("melious_embedding_run", default=None)


def checked_texts(texts: object) -> list[str]:
    """The texts of a call as a list.

    Raises:
        InvalidArgumentError: They are a single text, or nothing that can be iterated over.
    """
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        hint = "; get_text_embedding takes a single one" if isinstance(texts, str) else ""
        raise InvalidArgumentError(
            f"texts: must be a list of texts, not {type(texts).__name__}{hint}", param="texts"
        )
    return list(texts)


@contextmanager
def batch_run(texts: Sequence[str], blank_texts: BlankTexts) -> Iterator[list[str]]:
    """Check the texts of a call, before LlamaIndex cuts them into batches, and name their places in errors.

    Yields:
        The texts to embed: all that are not blank.

    Raises:
        InvalidArgumentError: A text is no string, or blank and not to be skipped; nothing was sent.
    """
    for position, text in enumerate(texts):
        check_text(f"texts[{position}]", text, blank_texts)
    token = _current.set(BatchRun(texts))
    try:
        yield [text for text in texts if not is_blank(text)]
    finally:
        _current.reset(token)


def current_run(texts: Sequence[str]) -> BatchRun:
    """The call that a batch belongs to, or else the batch itself as a call."""
    return _current.get() or BatchRun(texts)


@contextmanager
def naming_the_text(run: BatchRun, batch: Sequence[str]) -> Iterator[None]:
    """Let errors about the vectors of a batch name the text by its place in the call."""
    try:
        yield
    except ResponseDecodeError as error:
        if error.position is not None:
            from melious.endpoints.vectors import rename_text  # noqa: PLC0415 - needed after a failure

            position = run.texts.index(batch[error.position])
            rename_text(error, position, f"texts[{position}]")
        raise


@contextmanager
def naming_the_node(nodes: Sequence[BaseNode]) -> Iterator[None]:
    """Let errors about vectors name the node."""
    try:
        yield
    except ResponseDecodeError as error:
        if error.position is not None:
            from melious.endpoints.vectors import rename_text  # noqa: PLC0415 - needed after a failure

            rename_text(error, error.position, f"node {nodes[error.position].node_id!r}")
        raise


def check_text(name: str, text: object, blank_texts: BlankTexts = "refuse") -> None:
    """Check a text to embed.

    Raises:
        InvalidArgumentError: It is no string, or blank and not to be skipped.
    """
    if not isinstance(text, str) or (is_blank(text) and blank_texts == "refuse"):
        raise InvalidArgumentError(
            f"{name}: must be a string that is not blank, not {text!r:.80}", param=name.partition("[")[0]
        )


def instructed(instruction: str, texts: Sequence[str]) -> list[str]:
    """The texts with their prefix; blank ones stay blank."""
    return [text if is_blank(text) else instruction + text for text in texts]


def split_by_text(nodes: Sequence[BaseNode]) -> tuple[list[BaseNode], list[str]]:
    """The nodes that have text, and their texts. Blank ones are left out, as LlamaIndex's index does."""
    texts = [node.get_content(metadata_mode=MetadataMode.EMBED) for node in nodes]
    filled = [(node, text) for node, text in zip(nodes, texts, strict=True) if not is_blank(text)]
    if len(filled) < len(nodes):
        _logger.info("%d of %d nodes have no text and get no vector", len(nodes) - len(filled), len(nodes))
    return [node for node, _ in filled], [text for _, text in filled]
