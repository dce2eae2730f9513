"""Calling tools with an LLM: how they are offered, and which of the calls are taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole
from llama_index.core.bridge.pydantic import Field
from llama_index.core.llms.function_calling import FunctionCallingLLM

from llama_index_melious.llm.tools import selections, tool_parameters

if TYPE_CHECKING:
    from llama_index.core.llms.llm import ToolSelection
    from llama_index.core.tools.types import BaseTool


class ToolCalling(FunctionCallingLLM):
    """What LlamaIndex asks of an LLM that calls tools."""

    strict: bool = Field(
        default=False,
        description="Ask for tool arguments that follow the schema exactly.",
    )

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,  # noqa: ARG002, FBT001, FBT002 - the base class's signature
        allow_parallel_tool_calls: bool = False,  # noqa: FBT001, FBT002 - the base class's signature
        tool_required: bool = False,  # noqa: FBT001, FBT002 - the base class's signature
        tool_choice: str | Mapping[str, Any] | None = None,
        strict: bool | None = None,  # noqa: FBT001 - LlamaIndex's peers have it like this
        **kwargs: Any,
    ) -> dict[str, Any]:
        """The arguments of `chat` that offer tools; the history that was given stays as it is."""
        messages = list(chat_history or [])
        if user_msg is not None:
            messages.append(
                user_msg
                if isinstance(user_msg, ChatMessage)
                else ChatMessage(role=MessageRole.USER, content=user_msg)
            )
        offered = tool_parameters(
            tools,
            tool_choice,
            required=tool_required,
            parallel=allow_parallel_tool_calls,
            strict=self.strict if strict is None else strict,
        )
        return {"messages": messages, **offered, **kwargs}

    def get_tool_calls_from_response(
        self,
        response: ChatResponse,
        error_on_no_tool_call: bool = True,  # noqa: FBT001, FBT002 - the base class's signature
        **kwargs: Any,  # noqa: ARG002 - the base class's signature
    ) -> list[ToolSelection]:
        """The tools that a response calls; while it streams, with the arguments that have come so far.

        Args:
            response: A response, whole or partial.
            error_on_no_tool_call: Refuse a response that calls none, or a whole one whose arguments are no
                JSON object. Agents pass False: there, such arguments are none at all, with a warning in the
                log, and the tool's own complaint goes back to the model, unless the answer was cut off.
            **kwargs: Not used.

        Raises:
            ToolArgumentsError: The answer is whole, and arguments in it are no JSON object.
            ValueError: The response calls no tool, and that was not to be.
        """
        return selections(response, error_on_none=error_on_no_tool_call)
