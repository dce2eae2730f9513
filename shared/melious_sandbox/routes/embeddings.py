"""POST /v1/embeddings."""

import base64
import sys
from array import array
from typing import Any

from melious.catalogue import ModelCard
from melious_sandbox.brain import tokens, vectors
from melious_sandbox.server import fields
from melious_sandbox.server.call import Call
from melious_sandbox.service.errors import SandboxError
from melious_sandbox.service.faults import Fault
from melious_sandbox.service.impact import Work
from melious_sandbox.service.responses import Response, json_response
from melious_sandbox.service.turns import in_turns, long_json_response

MOST_INPUTS = 2048
_TRUNCATED_BY = 6


async def create(call: Call) -> Response:
    """Turn texts into vectors."""
    body = call.fields
    card = fields.model_card(call, body.get("model"), "embeddings")
    texts = _texts(body.get("input"))
    encoding = fields.one_of(body, "encoding_format", ("float", "base64"), "float")
    if encoding == "base64" and call.fault.refuse_base64:
        raise SandboxError(
            "invalid_value",
            "'encoding_format' base64 is not supported by this model.",
            param="encoding_format",
        )
    dimensions = _dimensions(body, card)
    read = await _count(texts, card)
    call.route(card, body)
    reply = call.scripted(card.id)
    if reply is not None:
        return json_response(reply.json)
    packed = encoding == "base64" and not call.fault.ignore_encoding
    if call.service.upstream is not None:
        asked = body | {"encoding_format": "float"} if call.fault.ignore_encoding else body
        answer = await call.service.upstream.answer("/embeddings", asked, card.id, call.gone)
        if not isinstance(answer.get("data"), list):
            raise SandboxError("provider_error", "The upstream server answered without a list of vectors.")
    else:
        size = card.dimensions or 1024
        found = await in_turns(lambda text: vectors.embed(text, size, dimensions), texts)
        answer = {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": _packed(vector) if packed else vector}
                for index, vector in enumerate(found)
            ],
            "model": card.id,
            "usage": {"prompt_tokens": read, "total_tokens": read},
        }
    _damage(answer, call.fault)
    return await long_json_response(answer | call.cost(Work(read)), "data")


def _texts(value: Any) -> list[str]:
    if value is None:
        raise fields.missing("input")
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list):
        raise SandboxError("invalid_value", "'input' must be a string or an array of strings.", param="input")
    if not texts:
        raise SandboxError("empty_input", "'input' must not be empty.", param="input")
    if len(texts) > MOST_INPUTS:
        raise SandboxError(
            "invalid_value",
            f"'input' has {len(texts)} items; at most {MOST_INPUTS} are allowed in one request.",
            param="input",
        )
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise SandboxError(
                "invalid_value", f"'input[{position}]' must be a string.", param=f"input[{position}]"
            )
        if not text:
            raise SandboxError(
                "empty_input", f"'input[{position}]' must not be empty.", param=f"input[{position}]"
            )
    return texts


def _dimensions(body: dict[str, Any], card: ModelCard) -> int | None:
    dimensions = fields.integer(body, "dimensions", 1, card.dimensions)
    if dimensions is not None and not card.shortens and dimensions != card.dimensions:
        raise SandboxError(
            "invalid_value", f"The model '{card.id}' does not support 'dimensions'.", param="dimensions"
        )
    return dimensions


async def _count(texts: list[str], card: ModelCard) -> int:
    total = 0
    for position, size in enumerate(await in_turns(tokens.count, texts)):
        if card.context_length is not None and size > card.context_length:
            raise SandboxError(
                "context_length",
                f"'input[{position}]' has {size} tokens; the maximum context length of this model is "
                f"{card.context_length} tokens.",
                param=f"input[{position}]",
                details={"context_length": card.context_length, "input_tokens": size},
            )
        total += size
    return total


def _packed(vector: list[float]) -> str:
    floats = array("f", vector)
    if sys.byteorder == "big":
        floats.byteswap()
    return base64.b64encode(floats.tobytes()).decode("ascii")


def _damage(answer: dict[str, Any], fault: Fault) -> None:
    answer["data"] = data = fault.disordered(answer["data"])
    for item in data if fault.truncate_base64 else ():
        # Another server's items may have any form, and keep it.
        if isinstance(item, dict) and isinstance(item.get("embedding"), str):
            item["embedding"] = _truncated(item["embedding"])
    if fault.usage is not None:
        answer.pop("usage", None)


def _truncated(packed: str) -> str:
    try:
        raw = base64.b64decode(packed)
    except ValueError:  # it is broken as it is
        return packed
    return base64.b64encode(raw[:-_TRUNCATED_BY]).decode("ascii")
