"""Makes these classes known to LlamaIndex's loaders, `load_llm` and `load_embed_model`.

The loaders' modules also import other integrations, so importing them here would
cost seconds. The classes are added when something else imports these modules.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_REGISTRIES = {
    "llama_index.core.llms.loading": ("RECOGNIZED_LLMS", {"Melious": "llm.model"}),
    "llama_index.core.embeddings.loading": (
        "RECOGNIZED_EMBEDDINGS",
        {"MeliousEmbedding": "embeddings.embedding", "MeliousBatchEmbedding": "embeddings.batched"},
    ),
}
"""The modules of the loaders, what they call their registry, and the classes that belong there."""


class _Registrar(MetaPathFinder):
    """Adds a class to a loader's registry as soon as the loader's module has been imported."""

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """The module's own spec, with a further step after its execution; None for all other modules."""
        if name not in _REGISTRIES:
            return None
        spec = PathFinder.find_spec(name, path, target)
        loader = None if spec is None else spec.loader
        if loader is None:
            return None
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            _register(name)

        with suppress(AttributeError):  # a loader that takes no attributes works as before
            loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _register(loading: str) -> None:
    registry_name, classes = _REGISTRIES[loading]
    registry = getattr(sys.modules.get(loading), registry_name, None)
    if not isinstance(registry, dict):
        return
    for class_name, home in classes.items():
        kind = getattr(import_module(f"{__package__}.{home}"), class_name)
        registry.setdefault(kind.class_name(), kind)


def register() -> None:
    """Add the classes to the registries, now or once their modules are imported. Repeating it is harmless."""
    if not any(isinstance(finder, _Registrar) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Registrar())
    for loading in _REGISTRIES:
        if loading in sys.modules:
            _register(loading)
