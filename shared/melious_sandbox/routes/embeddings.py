"""POST /v1/embeddings."""

import base64
import sys
from array import array
from typing import Any

from melious.catalogue import ModelCard
from melious_sandbox.brain import tokens, vectors
from melious_sandbox.server import fields
from melious_sandbox.server.context import RequestContext
from melious_sandbox.service.errors import SandboxError, empty, invalid
from melious_sandbox.service.faults import Fault
from melious_sandbox.service.impact import Work
from melious_sandbox.service.responses import Response, in_turns, long_json_response

MOST_INPUTS = 2048
_TRUNCATED_BY = 6


async def create(context: RequestContext) -> Response:
    """Turn texts into vectors."""
    body = context.fields
    card = fields.model_card(context, body.get("model"), "embeddings")
    texts = _texts(body)
    encoding = fields.one_of(body, "encoding_format", ("float", "base64"), "float")
    if encoding == "base64" and context.fault.refuse_base64:
        raise invalid("encoding_format", "base64 is not supported by this model.")
    dimensions = _dimensions(body, card)
    read = await _count(texts, card)
    context.route(card, body)
    if (reply := context.scripted_json(card.id)) is not None:
        return reply
    packed = encoding == "base64" and not context.fault.ignore_encoding
    if context.service.upstream is not None:
        asked = body | {"encoding_format": "float"} if context.fault.ignore_encoding else body
        answer = await context.service.upstream.answer("/embeddings", asked, card.id, context.connection.gone)
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
    _damage(answer, context.fault)
    return await long_json_response(answer | context.cost(Work(read)), "data")


def _texts(body: dict[str, Any]) -> list[str]:
    if isinstance(body.get("input"), str):
        body = {"input": [body["input"]]}
    if not isinstance(body.get("input"), list | None):
        raise invalid("input", "must be a string or an array of strings.")
    texts = fields.required_list(body, "input")
    if len(texts) > MOST_INPUTS:
        raise invalid("input", f"has {len(texts)} items; at most {MOST_INPUTS} are allowed in one request.")
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise invalid(f"input[{position}]", "must be a string.")
        if not text:
            raise empty(f"input[{position}]")
    return texts


def _dimensions(body: dict[str, Any], card: ModelCard) -> int | None:
    dimensions = fields.integer(body, "dimensions", 1, card.dimensions)
    if dimensions is not None and not card.shortens and dimensions != card.dimensions:
        message = f"The model '{card.id}' does not support 'dimensions'."
        raise SandboxError("invalid_value", message, param="dimensions")
    return dimensions


async def _count(texts: list[str], card: ModelCard) -> int:
    total = 0
    for position, size in enumerate(await in_turns(tokens.count, texts)):
        message = (
            f"'input[{position}]' has {size} tokens; the maximum context length of this model is "
            f"{card.context_length} tokens."
        )
        fields.check_length(card, size, f"input[{position}]", message)
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
