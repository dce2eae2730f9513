"""A job for a spawned process of `test_lc_carrying.py`; imports nothing that the worker does not need."""

import hashlib
import warnings
from typing import Any


def key_of(text: str) -> str:
    """The name under which a vector is kept; LangChain's own encoders cannot be pickled."""
    return hashlib.sha256(text.encode()).hexdigest()


def embed(given: tuple[Any, list[str]]) -> list[list[float]]:
    """Embed texts, and let any warning fail the job."""
    warnings.simplefilter("error")
    embeddings, texts = given
    return embeddings.embed_documents(texts)
