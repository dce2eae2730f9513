"""The interface for tools: offering them, and reading the calls of a response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole
from llama_index.core.bridge.pydantic import ConfigDict, Field
from llama_index.core.llms.function_calling import FunctionCallingLLM

from llama_index_melious.llm.tools import selections, tool_parameters

if TYPE_CHECKING:
    from llama_index.core.llms.llm import ToolSelection
    from llama_index.core.tools.types import BaseTool


class ToolCalling(FunctionCallingLLM):
    """LlamaIndex's interface of an LLM that calls tools."""

    model_config: ClassVar[ConfigDict] = ConfigDict(defer_build=True)

    strict: bool = Field(
        default=False,
        description="Require tool arguments to follow the schema exactly.",
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
        """The arguments of `chat` with the tools; the given history does not change."""
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
        """The tool calls of a response; in a stream, with the arguments received so far.

        Args:
            response: A response, whole or partial.
            error_on_no_tool_call: Raise if there is no call, or if arguments of a whole answer are not a
                JSON object. Agents pass False: such arguments are then empty, with a warning in the log,
                and the tool's error goes back to the model, unless the answer was cut off.
            **kwargs: Ignored.

        Raises:
            ToolArgumentsError: Arguments of a whole answer are not a JSON object.
            ValueError: There is no call, and `error_on_no_tool_call` is set.
        """
        return selections(response, error_on_none=error_on_no_tool_call)
