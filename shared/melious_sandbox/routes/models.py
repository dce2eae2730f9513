"""GET /v1/models and GET /v1/models/{id}."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from melious.catalogue import ModelCard, all_models, find
from melious_sandbox.server.call import Call
from melious_sandbox.service.errors import SandboxError
from melious_sandbox.service.responses import Response, json_response

_CREATED = 1_735_689_600  # no page says when a model was created


async def list_all(call: Call) -> Response:
    """List every model."""
    reply = call.scripted()
    if reply is not None:
        return json_response(reply.json)
    meta = _wants_meta(call)
    return json_response({"object": "list", "data": [_model(card, meta=meta) for card in all_models()]})


async def retrieve(call: Call) -> Response:
    """Show one model."""
    name = call.path["model"]
    card = find(name)
    if card is None or card.id != name or not card.listed:
        raise SandboxError("model_not_found", f"The model '{name}' does not exist.", param="model")
    reply = call.scripted(card.id)
    if reply is not None:
        return json_response(reply.json)
    return json_response(_model(card, meta=_wants_meta(call)))


def counts() -> Mapping[str, int]:
    """Count the models of each kind."""
    return Counter(card.type or "other" for card in all_models())


def _wants_meta(call: Call) -> bool:
    return call.query.get("include_meta", "").lower() in {"true", "1"}


def _model(card: ModelCard, *, meta: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": card.id,
        "object": "model",
        "created": _CREATED,
        "owned_by": card.owned_by,
    }
    if meta:
        found["_meta"] = card.to_meta()
    return found
