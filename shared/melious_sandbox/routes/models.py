"""GET /v1/models and GET /v1/models/{id}."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from melious.catalogue import ModelCard, all_models, find
from melious_sandbox.server.context import RequestContext
from melious_sandbox.service.errors import SandboxError
from melious_sandbox.service.responses import Response, json_response

_CREATED = 1_735_689_600  # no page says when a model was created


async def list_all(context: RequestContext) -> Response:
    """List every model."""
    models = [_model(context, card) for card in all_models()]
    return context.scripted_json() or json_response({"object": "list", "data": models})


async def retrieve(context: RequestContext) -> Response:
    """Show one model."""
    name = context.path["model"]
    card = find(name)
    if card is None or card.id != name or not card.listed:
        raise SandboxError("model_not_found", f"The model '{name}' does not exist.", param="model")
    return context.scripted_json(card.id) or json_response(_model(context, card))


def counts() -> Mapping[str, int]:
    """Count the models of each kind."""
    return Counter(card.type or "other" for card in all_models())


def _model(context: RequestContext, card: ModelCard) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": card.id,
        "object": "model",
        "created": _CREATED,
        "owned_by": card.owned_by or "melious",
    }
    if context.query.get("include_meta", "").lower() in {"true", "1"}:
        found["_meta"] = card.to_meta()
    return found
