"""Whatever a client sends, the sandbox answers in the words of the service and never with its own failure."""

import json

import pytest

ODD = [
    None,
    True,
    0,
    -1,
    1.5,
    float("inf"),
    float("nan"),
    10**30,
    "",
    "x",
    "\ud83d",
    "\x00",
    [],
    [[]],
    [None],
    {},
    {"a": 1},
    [{"type": "text", "text": "\udc00"}],
    [{"role": "tool", "tool_call_id": "x", "content": "\ud83d"}],
]
BODIES = {
    "/chat/completions": (
        {"model": "llama-3.1-8b-instruct", "messages": [{"role": "user", "content": "Hello"}]},
        ["model", "messages", "tools", "tool_choice", "response_format", "stop", "n", "max_tokens", "stream"],
    ),
    "/embeddings": (
        {"model": "bge-m3", "input": "a"},
        ["model", "input", "encoding_format", "dimensions", "filters", "mode", "custom_weights", "preset"],
    ),
    "/rerank": (
        {"model": "bge-reranker-v2-m3", "query": "a", "documents": ["b"]},
        ["model", "query", "documents", "top_n", "return_documents"],
    ),
    "/images/generations": (
        {"prompt": "x", "size": "64x64"},
        ["model", "prompt", "size", "n", "width", "response_format"],
    ),
}


@pytest.mark.parametrize("path", BODIES)
def test_odd_values(http, path):
    body, names = BODIES[path]
    for name in names:
        for value in ODD:
            content = json.dumps(body | {name: value})
            response = http.post(path, content=content, headers={"content-type": "application/json"})
            assert response.status_code in {200, 400, 404}, content
            if response.status_code != 200:
                assert response.json()["error"]["message"], content


def test_lone_surrogates_in_a_prompt_long_enough_for_the_prefix_cache(http):
    messages = [{"role": "user", "content": "\ud83d word " * 1500}]
    content = json.dumps({"model": "llama-3.1-8b-instruct", "messages": messages})
    first, again = (http.post("/chat/completions", content=content).json() for _ in range(2))
    assert first["usage"]["prompt_tokens_details"] == {"cached_tokens": 0}
    assert again["usage"]["prompt_tokens_details"]["cached_tokens"] > 0


@pytest.mark.parametrize("path", BODIES)
def test_deep_nesting(http, path):
    deep = "[" * 100_000 + "]" * 100_000
    for content in (deep, f'{{"model":"bge-m3","input":{deep}}}'):
        assert http.post(path, content=content).status_code == 400
