"""The models of the service, as it lists them."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from melious.answers.results import Result


class Model(Result):
    """A model of the service.

    Attributes:
        id: What to pass as `model`.
        owned_by: Its owner, as the service says.

    Examples:
        >>> model = Model(id="glm-4.7")
        >>> model.id, model.card
        ('glm-4.7', None)
    """

    id: str
    object: str | None = None
    created: int | float | str | None = None
    owned_by: str | None = None

    @property
    def card(self) -> dict[str, Any] | None:
        """The `_meta` object: type, modalities, capabilities, context, pricing; None if not requested."""
        meta = self.raw.get("_meta") if isinstance(self.raw, dict) else None
        return meta if isinstance(meta, dict) else None


class ModelList(Result):
    """The models that a key may use.

    Examples:
        >>> models = ModelList.model_validate({"data": [{"id": "glm-4.7"}, {"id": "bge-m3"}]})
        >>> [model.id for model in models.data]
        ['glm-4.7', 'bge-m3']
    """

    data: list[Model] = Field(default_factory=list)
