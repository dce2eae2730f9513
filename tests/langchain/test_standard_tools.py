"""LangChain's own suites for tools, every item, on the picture generator and the service's own tools."""

from typing import Any

import lc_service
import pytest
from langchain_core.tools import BaseTool
from langchain_tests.integration_tests import ToolsIntegrationTests
from langchain_tests.unit_tests import ToolsUnitTests

from langchain_melious import MeliousHostedTool, MeliousImageGenerator
from melious.sandbox import Sandbox


class TestMeliousImageGeneratorUnit(ToolsUnitTests):
    @property
    def tool_constructor(self) -> type[BaseTool]:
        return MeliousImageGenerator

    @property
    def tool_constructor_params(self) -> dict[str, Any]:
        return {"model": "flux-schnell", "api_key": "sk-mel-test"}

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return {"prompt": "a lighthouse in fog", "size": "1792x1024"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        environment = {"MELIOUS_API_KEY": "sk-mel-env", "MELIOUS_BASE_URL": "http://127.0.0.1:9/v1"}
        expected = {"api_key": "sk-mel-env", "base_url": "http://127.0.0.1:9/v1"}
        return environment, {"model": "flux-schnell"}, expected


class TestMeliousImageGeneratorIntegration(ToolsIntegrationTests):
    @pytest.fixture(autouse=True)
    def _place(self, sandbox: Sandbox) -> None:
        self.place = lc_service.place(sandbox)

    @property
    def tool_constructor(self) -> type[BaseTool]:
        return MeliousImageGenerator

    @property
    def tool_constructor_params(self) -> dict[str, Any]:
        return {"model": "flux-schnell", **self.place}

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return {"prompt": "a lighthouse in fog"}


SEARCH = {
    "name": "web_search",
    "slug": "web-search",
    "description": "Search the web.",
    "args_schema": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
}


class TestMeliousHostedToolUnit(ToolsUnitTests):
    @property
    def tool_constructor(self) -> type[BaseTool]:
        return MeliousHostedTool

    @property
    def tool_constructor_params(self) -> dict[str, Any]:
        return {**SEARCH, "api_key": "sk-mel-test"}

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return {"query": "heat pumps"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        environment = {"MELIOUS_API_KEY": "sk-mel-env", "MELIOUS_BASE_URL": "http://127.0.0.1:9/v1"}
        expected = {"api_key": "sk-mel-env", "base_url": "http://127.0.0.1:9/v1"}
        return environment, SEARCH, expected


class TestMeliousHostedToolIntegration(ToolsIntegrationTests):
    @pytest.fixture(autouse=True)
    def _place(self, sandbox: Sandbox) -> None:
        self.place = lc_service.place(sandbox)

    @property
    def tool_constructor(self) -> type[BaseTool]:
        return MeliousHostedTool

    @property
    def tool_constructor_params(self) -> dict[str, Any]:
        return {**SEARCH, **self.place}

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return {"query": "heat pumps"}
