"""Answers as they should be, for the mutator to begin with."""

from __future__ import annotations

from typing import Any

USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 5,
    "total_tokens": 14,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
IMPACT = {
    "energy_kwh": 0.0001,
    "carbon_g_co2": 0.06,
    "water_liters": 0.001,
    "renewable_percent": 80,
    "pue": 1.2,
    "provider_id": "nebius",
    "location": "FI",
}
COST = {"energy": "0.144", "credits": "0.0000144", "paid_with": "credits"}
FACTS = {"usage": USAGE, "environment_impact": IMPACT, "billing_cost": COST}
LOGPROBS = {
    "content": [
        {"token": "Hi", "logprob": -0.1, "bytes": [72], "top_logprobs": [{"token": "Hi", "logprob": 0}]}
    ],
    "refusal": None,
}
CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "get", "arguments": '{"a": 1}'}}


def _chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "glm-4.7"}
    return {**head, "choices": [choice], **more}


CHUNKS: list[dict[str, Any]] = [
    _chunk({"role": "assistant", "content": ""}),
    _chunk({"reasoning_content": "Hm."}),
    _chunk({"reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]}),
    _chunk({"content": "Hi", "refusal": None})
    | {"choices": [{"index": 0, "delta": {"content": "Hi"}, "logprobs": LOGPROBS}]},
    _chunk({"content": [{"type": "thinking", "thinking": [{"text": "a"}]}, {"type": "text", "text": "b"}]}),
    _chunk({"tool_calls": [CALL]}),
    _chunk({"tool_calls": [{"index": 0, "function": {"arguments": "x"}}, {**CALL, "index": 1, "id": "b"}]}),
    _chunk({"refusal": "No."}),
    _chunk({}, "stop"),
    _chunk({}) | {"choices": [], **FACTS},
    {"error": {"message": "overloaded", "code": "provider_error", "type": "server_error"}},
    {"object": "error", "message": "no", "choices": [{"error": {"message": "no"}}]},
]

MESSAGE: dict[str, Any] = {
    "role": "assistant",
    "content": "<think>Hm.</think>Hello there",
    "reasoning_content": "Hm.",
    "reasoning_details": [{"type": "reasoning.text", "text": "Hm."}],
    "refusal": None,
    "tool_calls": [CALL, {**CALL, "id": "call_2"}],
}
CHAT: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "glm-4.7",
    "choices": [
        {"index": 0, "message": MESSAGE, "finish_reason": "stop", "logprobs": LOGPROBS},
        {"index": 1, "message": {"role": "assistant", "content": [{"type": "text", "text": "b"}]}},
    ],
    **FACTS,
}
EMBEDDINGS = {
    "object": "list",
    "model": "bge-m3",
    "data": [
        {"object": "embedding", "index": 0, "embedding": [0.5, 0.25]},
        {"object": "embedding", "index": 1, "embedding": "AACAPwAAAEA="},
    ],
    **FACTS,
}
RERANK = {
    "id": "r",
    "model": "bge-reranker",
    "results": [
        {"index": 1, "relevance_score": 0.9, "document": {"text": "b"}},
        {"index": 0, "relevance_score": 0.1, "document": "a"},
    ],
    "meta": {"tokens": {"input_tokens": 5, "output_tokens": 0}},
    **FACTS,
}
IMAGES = {
    "created": 1,
    "data": [{"b64_json": "R0lGODlh", "revised_prompt": "p"}, {"url": "http://x"}],
    **FACTS,
}
AUDIO = {
    "text": "Good morning.",
    "language": "en",
    "duration": 1.4,
    "segments": [{"id": 0, "start": 0.0, "end": 1.4, "text": "Good morning."}],
    **FACTS,
}
MODELS = {
    "object": "list",
    "data": [
        {
            "id": "glm-4.7",
            "object": "model",
            "created": 1,
            "owned_by": "z",
            "_meta": {
                "type": "chat",
                "context_length": 200_000,
                "max_output_tokens": 8192,
                "input_modalities": ["text", "image"],
                "output_modalities": ["text"],
                "capabilities": ["tools", "reasoning", "vision"],
                "features": {"tools": True},
                "pricing": {"input": "0.1", "output": "0.2", "currency": "EUR", "unit": "1M tokens"},
                "providers": [{"id": "p", "country": "FI"}],
            },
        }
    ],
}
ERROR = {
    "error": {
        "message": "Rate limit exceeded",
        "type": "rate_limit_error",
        "code": "AUTH_1028",
        "param": "model",
        "details": {"required_scope": "x"},
    },
    "message": "m",
    "detail": [{"loc": ["body"], "msg": "bad"}],
}
