"""LangChain's own unit suites, every item."""

from importlib import import_module
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.unit_tests import ChatModelUnitTests, EmbeddingsUnitTests

from langchain_melious import ChatMelious, MeliousEmbeddings


class TestChatMeliousUnit(ChatModelUnitTests):
    @pytest.fixture(autouse=True)
    def _environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MELIOUS_API_KEY", "sk-mel-test")
        monkeypatch.delenv("MELIOUS_BASE_URL", raising=False)
        # `load(allowed_objects="all")` means all classes of a list within langchain-core, where packages from
        # outside cannot be; others give `allowed_objects=[ChatMelious]`, which test_lc_lifecycle.py does.
        path = tuple(ChatMelious.lc_id())
        loading = import_module("langchain_core.load.load")
        monkeypatch.setitem(loading.ALL_SERIALIZABLE_MAPPINGS, path, path)
        monkeypatch.setattr(loading, "_default_class_paths_cache", {})

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatMelious

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "gpt-oss-120b"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return {"MELIOUS_API_KEY": "sk-mel-env"}, {"model": "glm-4.7"}, {"api_key": "sk-mel-env"}


class TestMeliousEmbeddingsUnit(EmbeddingsUnitTests):
    @property
    def embeddings_class(self) -> type[MeliousEmbeddings]:
        return MeliousEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"model": "bge-m3", "api_key": "sk-mel-test"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        environment = {"MELIOUS_API_KEY": "sk-mel-env", "MELIOUS_BASE_URL": "http://127.0.0.1:9/v1"}
        expected = {"api_key": "sk-mel-env", "base_url": "http://127.0.0.1:9/v1"}
        return environment, {"model": "bge-m3"}, expected
