"""The HTTP core of Melious, the European inference gateway.

`MeliousClient` and `AsyncMeliousClient` speak every inference endpoint; the
LangChain and LlamaIndex adapters (`langchain_melious`, `llama_index_melious`)
stand on them. Importing this package costs nothing: names are loaded when they
are first used, and no connection is opened before the first request.

The logger `melious` has a line for each request at INFO: model, provider, country, tokens, cost and
CO₂. `MELIOUS_LOG=info` shows it, `MELIOUS_LOG=debug` each attempt too.

Examples:
    >>> from melious import MeliousClient
    >>> with MeliousClient(api_key="sk-mel-...") as client:  # doctest: +SKIP
    ...     answer = client.chat.create(
    ...         model="glm-4.7",
    ...         messages=[{"role": "user", "content": "Hello!"}],
    ...         filters={"countries": ["DE", "FR"]},
    ...     )
    ...     print(answer.text, answer.environment_impact)
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

from melious._version import __version__

if TYPE_CHECKING:
    from melious.answers.batches import Batch, BatchList, BatchResult, FileList, FileObject
    from melious.answers.documents import ConvertedDocument, DocumentPage, DocumentsResult
    from melious.answers.hosted_tools import (
        HostedFunctionList,
        HostedTool,
        HostedToolLimit,
        HostedToolPage,
        HostedToolSchema,
        ToolResult,
    )
    from melious.answers.media import ImagesResult, Transcription
    from melious.answers.messages import TokenCount
    from melious.answers.models import Model, ModelList
    from melious.answers.results import ChatCompletion, Usage
    from melious.answers.vectors import EmbeddingsResult, RerankResult
    from melious.clients._async.client import AsyncMeliousClient
    from melious.clients._async.jobs import AsyncBatchJob
    from melious.clients._sync.client import MeliousClient
    from melious.clients._sync.jobs import BatchJob
    from melious.endpoints.audio import TranscriptionParams
    from melious.endpoints.chat_params import ChatParams
    from melious.endpoints.documents import DocumentParams
    from melious.endpoints.embedding_params import EmbeddingParams
    from melious.endpoints.images import ImageParams
    from melious.endpoints.messages import CountParams
    from melious.endpoints.models import FindParams
    from melious.endpoints.rerank import RerankParams
    from melious.endpoints.tools import ToolFilterParams, ToolListParams, ToolRunParams
    from melious.errors import (
        APIConnectionError,
        APIStatusError,
        APITimeoutError,
        AuthenticationError,
        BadRequestError,
        BudgetExceededError,
        ConfigurationError,
        ContextLengthExceededError,
        DeadlineExceededError,
        InsufficientBalanceError,
        InvalidArgumentError,
        MeliousError,
        ModelNotFoundError,
        ModelRefusalError,
        NoProvidersAvailableError,
        NotFoundError,
        PageLimitError,
        PermissionDeniedError,
        ProviderError,
        RateLimitError,
        ResidencyError,
        ResidencyWarning,
        ResponseDecodeError,
        RetryEvent,
        ServerError,
        StreamTruncatedError,
    )
    from melious.impact import BillingCost, EnvironmentImpact, ImpactLedger, track_impact
    from melious.impact.budget import ImpactBudget
    from melious.routing.filters import Filters, ProviderFilters
    from melious.settings.config import Timeout
    from melious.settings.options import CallOptions, ClientOptions, RoutingOptions
    from melious.wire.chunk import ChatChunk
    from melious.wire.hosted_tools import HostedFunction

_HOME = {
    "answers.batches": ("Batch", "BatchList", "BatchResult", "FileList", "FileObject"),
    "clients._async.jobs": ("AsyncBatchJob",),
    "clients._sync.jobs": ("BatchJob",),
    "clients._async.client": ("AsyncMeliousClient",),
    "impact.budget": ("ImpactBudget",),
    "clients._sync.client": ("MeliousClient",),
    "settings.config": ("Timeout",),
    "errors": (
        "APIConnectionError",
        "APIStatusError",
        "APITimeoutError",
        "AuthenticationError",
        "BadRequestError",
        "BudgetExceededError",
        "ConfigurationError",
        "ContextLengthExceededError",
        "DeadlineExceededError",
        "InsufficientBalanceError",
        "InvalidArgumentError",
        "MeliousError",
        "ModelNotFoundError",
        "ModelRefusalError",
        "NoProvidersAvailableError",
        "NotFoundError",
        "PageLimitError",
        "PermissionDeniedError",
        "ProviderError",
        "RateLimitError",
        "ResidencyError",
        "ResidencyWarning",
        "ResponseDecodeError",
        "RetryEvent",
        "ServerError",
        "StreamTruncatedError",
    ),
    "impact": ("BillingCost", "EnvironmentImpact", "ImpactLedger", "track_impact"),
    "answers.hosted_tools": (
        "HostedFunctionList",
        "HostedTool",
        "HostedToolLimit",
        "HostedToolPage",
        "HostedToolSchema",
        "ToolResult",
    ),
    "answers.messages": ("TokenCount",),
    "answers.documents": ("ConvertedDocument", "DocumentPage", "DocumentsResult"),
    "answers.results": ("ChatCompletion", "Usage"),
    "answers.vectors": ("EmbeddingsResult", "RerankResult"),
    "answers.media": ("ImagesResult", "Transcription"),
    "answers.models": ("Model", "ModelList"),
    "routing.filters": ("Filters", "ProviderFilters"),
    "endpoints.audio": ("TranscriptionParams",),
    "endpoints.chat_params": ("ChatParams",),
    "endpoints.documents": ("DocumentParams",),
    "endpoints.embedding_params": ("EmbeddingParams",),
    "endpoints.images": ("ImageParams",),
    "endpoints.messages": ("CountParams",),
    "endpoints.models": ("FindParams",),
    "endpoints.rerank": ("RerankParams",),
    "endpoints.tools": ("ToolFilterParams", "ToolListParams", "ToolRunParams"),
    "settings.options": ("CallOptions", "ClientOptions", "RoutingOptions"),
    "wire.chunk": ("ChatChunk",),
    "wire.hosted_tools": ("HostedFunction",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncBatchJob",
    "AsyncMeliousClient",
    "AuthenticationError",
    "BadRequestError",
    "Batch",
    "BatchJob",
    "BatchList",
    "BatchResult",
    "BillingCost",
    "BudgetExceededError",
    "CallOptions",
    "ChatChunk",
    "ChatCompletion",
    "ChatParams",
    "ClientOptions",
    "ConfigurationError",
    "ContextLengthExceededError",
    "ConvertedDocument",
    "CountParams",
    "DeadlineExceededError",
    "DocumentPage",
    "DocumentParams",
    "DocumentsResult",
    "EmbeddingParams",
    "EmbeddingsResult",
    "EnvironmentImpact",
    "FileList",
    "FileObject",
    "Filters",
    "FindParams",
    "HostedFunction",
    "HostedFunctionList",
    "HostedTool",
    "HostedToolLimit",
    "HostedToolPage",
    "HostedToolSchema",
    "ImageParams",
    "ImagesResult",
    "ImpactBudget",
    "ImpactLedger",
    "InsufficientBalanceError",
    "InvalidArgumentError",
    "MeliousClient",
    "MeliousError",
    "Model",
    "ModelList",
    "ModelNotFoundError",
    "ModelRefusalError",
    "NoProvidersAvailableError",
    "NotFoundError",
    "PageLimitError",
    "PermissionDeniedError",
    "ProviderError",
    "ProviderFilters",
    "RateLimitError",
    "RerankParams",
    "RerankResult",
    "ResidencyError",
    "ResidencyWarning",
    "ResponseDecodeError",
    "RetryEvent",
    "RoutingOptions",
    "ServerError",
    "StreamTruncatedError",
    "Timeout",
    "TokenCount",
    "ToolFilterParams",
    "ToolListParams",
    "ToolResult",
    "ToolRunParams",
    "Transcription",
    "TranscriptionParams",
    "Usage",
    "__version__",
    "track_impact",
]


if os.environ.get("MELIOUS_LOG"):
    from melious._log import start_log

    start_log(os.environ["MELIOUS_LOG"])


def __getattr__(name: str) -> object:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
