"""The parameters of a chat request, apart from what sends them; the adapters import their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from melious.settings.options import RoutingOptions, StreamImpact

if TYPE_CHECKING:
    from melious.endpoints.structured import StructuredOutput
    from melious.wire.thinking import ReasoningReplay, ReplayWhen


class ChatParams(RoutingOptions, total=False):
    """The optional parameters of a chat request. None is not sent.

    Attributes:
        max_tokens: The most tokens to generate, reasoning included; by default the model's maximum.
        max_completion_tokens: OpenAI's newer name for the same; the service documents `max_tokens`.
        temperature: 0 to 2.
        top_p: 0 to 1.
        top_k: How many tokens to sample from, if the provider supports it.
        min_p: 0 to 1, if the provider supports it.
        frequency_penalty: -2 to 2.
        presence_penalty: -2 to 2.
        stop: One or several texts at which the answer ends.
        seed: For reproducible answers, if the provider supports it.
        n: How many answers.
        logprobs: Whether to return the log probabilities of the tokens.
        top_logprobs: How many alternatives of each token to return.
        logit_bias: Token ids and their biases.
        tools: Functions that the model may call, in OpenAI's form.
        tool_choice: `none`, `auto`, `required` or one function.
        parallel_tool_calls: Whether one answer may have several calls.
        response_format: `{"type": "json_object"}`, or `json_schema` with a schema. A model that refuses
            `json_schema` is asked for `json_object`, with the schema in words.
        structured_output: An object to answer with, as a `melious.endpoints.structured.StructuredOutput`: by
            JSON schema, a forced tool, a tool or JSON mode, whichever the model takes. The answer is the
            arguments of a call of that name, or text.
        reasoning_effort: low, medium or high; some models take other values. One that the model is known to
            refuse is an error; `extra_body` sends it anyway.
        stream_options: For `stream`. By default usage is requested, and requested no more if a server
            refuses that. Options given here are always sent.
        stream_impact: `buffer` makes streams request whole answers, which report impact; `native` by default.
            The live service reports the impact and cost of whole answers only.
        merge_system_messages: Merge system messages into one; by default where the model takes only one.
            Leading ones become one message, and a later one part of the user's turn. False for never.
        convert_documents: Convert documents in messages to text first; False by default. Each is converted
            once for all calls of a client, as long as it is among its last 64. See `client.documents`.
        replay_reasoning: Which `reasoning_content` of the messages is sent: `always`, the default,
            `with_tool_calls`, `when_needed` (by models that refuse messages without it) or `never`.
        user: Who the request is for.
        mode: A routing word of the older documentation, sent unchanged.
        custom_weights: Routing weights of the older documentation, sent unchanged.
    """

    max_tokens: int | None
    max_completion_tokens: int | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    min_p: float | None
    frequency_penalty: float | None
    presence_penalty: float | None
    stop: str | Sequence[str] | None
    seed: int | None
    n: int | None
    logprobs: bool | None
    top_logprobs: int | None
    logit_bias: Mapping[str, float] | None
    tools: Sequence[Mapping[str, Any]] | None
    tool_choice: str | Mapping[str, Any] | None
    parallel_tool_calls: bool | None
    response_format: Mapping[str, Any] | None
    structured_output: StructuredOutput | None
    reasoning_effort: str | None
    stream_options: Mapping[str, Any] | None
    stream_impact: StreamImpact | None
    merge_system_messages: bool | None
    convert_documents: bool | None
    replay_reasoning: ReplayWhen | ReasoningReplay | None
    user: str | None
    mode: str | None
    custom_weights: Mapping[str, float] | None


PARAMETERS = frozenset(ChatParams.__annotations__) | frozenset(RoutingOptions.__annotations__)
