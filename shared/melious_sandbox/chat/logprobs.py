"""Log probabilities: made up, but the same for the same token and always below zero."""

from typing import Any
from zlib import crc32

_STEPS = 1000


def of_tokens(pieces: list[str], top: int) -> dict[str, Any]:
    """Give the ``logprobs`` object of some tokens, with ``top`` alternatives each."""
    return {"content": [_entry(piece, top) for piece in pieces]}


def _entry(piece: str, top: int) -> dict[str, Any]:
    own = _token(piece, 0)
    return own | {"top_logprobs": [_token(piece, rank) for rank in range(top)]}


def _token(piece: str, rank: int) -> dict[str, Any]:
    text = piece if rank == 0 else f"{piece[:1]}{rank}"
    raw = text.encode("utf-8", "surrogatepass")
    return {
        "token": text,
        "logprob": -(crc32(raw) % _STEPS + 1) / _STEPS - 2.0 * rank,
        "bytes": list(raw),
    }
