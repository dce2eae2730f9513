"""Whether an error message says that the input is too long for the model.

A dozen kinds of servers say so in their own words, mostly without a code. Three
problems sound alike: an input too long for the model or the account (shorten it),
a rate limit (wait), and a `max_tokens` that leaves no room for input (lower it).
"""

from __future__ import annotations

import re

_TOO_LONG = (
    # OpenAI, Azure, vLLM, SGLang, DeepSeek, Mistral, Together, Groq, OpenRouter, Cerebras
    r"maximum context length",
    r"maximum prompt length is \d",
    r"maximum input length is \d+ tokens",
    r"context[ _]?(?:length|window|size|limit)[^.]{0,40}exceed",
    r"exceed(?:s|ed)?[^.]{0,40}context[ _]?(?:length|window|size|limit)",
    r"reduce the length of (?:(?:the|your|either) )?(?:input|prompt|message|completion|conversation|one\b)",
    r"input tokens exceed",
    r"invalid '(?:messages|input|prompt)[^']*': string too long",
    # Anthropic, Bedrock, Fireworks, TensorRT-LLM, Ollama
    r"(?:prompt|input|conversation) (?:is )?too long\b",
    r"prompt \([^)]{0,60}\) is too long",
    r"input \([^)]{0,60}\) is longer than the model's",
    r"longer than the (?:maximum )?(?:model|context) length",
    r"too many input tokens",
    r"expected maxlength: \d+, actual: \d+",
    # SGLang, NIM, TensorRT-LLM, Zhipu, Moonshot, Alibaba, GitHub
    r"(?:input|prompt) length (?:\(?\d+[^)]{0,20}\)? )?exceeds (?:the )?max",
    r"prompt exceeds max",
    r"exceeded model token limit",
    r"range of input length should be",
    r"prompt token count of \d+ exceeds",
    r"too large for \S+ model\. max size: \d+ tokens",
    # Google
    r"input token count[^.]{0,60}(?:exceeds the maximum|only supports up to)",
    # text-generation-inference
    r"`inputs` tokens \+ `max_new_tokens` must be <=",
    r"`inputs` must have less than \d+ tokens",
    # Cohere
    r"too many tokens: (?:total number of tokens in the prompt|size limit exceeded)",
    # llama.cpp, LM Studio
    r"greater than the context length",
    r"context length of only \d+ tokens",
    # LiteLLM
    r"contextwindowexceeded",
    # vLLM, where the prompt alone exceeds the window
    r"max_tokens must be at least 1, got -\d{2,}",
)
_RATE = (
    r"rate[ _-]?limit|\bper[ -](?:second|min|minute|hour|day)\b|/ ?min\b|\btp[md]\b|throttl"
    r"|please wait|try again in \d"
)
_LIMIT_AND_REQUESTED = r"\blimit:? ?([\d,]+)\b.*?\brequested:? ?([\d,]+)"

_OUTPUT_AND_WINDOW = (
    r"(?P<output>\d+) > (?P<window>\d+) - \d+",
    r"\d+ \+ (?P<output>\d+) > (?P<window>\d+)",
    r"context length (?:is|of) (?P<window>\d+)\b.*?\brequested (?P<output>\d+) output tokens",
    r"context length (?:is|of) (?P<window>\d+)\b.*?\b(?P<output>\d+) (?:tokens )?(?:in|for) the completion",
    r"must be <= (?P<window>\d+)\b.*? and (?P<output>\d+) `max_new_tokens`",
)
_ABOUT_OUTPUT = r"^\W*max(?:imum)?[ _]?(?:\w+[ _])?tokens\b(?! must be at least 1, got -\d{2,})"


def is_overflow(message: str) -> bool:
    """Whether a message says that the input is too long, not the rate or `max_tokens`.

    Examples:
        >>> is_overflow("This model's maximum context length is 8192 tokens. However, you requested 9000.")
        True
        >>> is_overflow("Rate limit reached on tokens per min (TPM): Limit 6000, Used 5000, Requested 1500.")
        False
        >>> is_overflow("Request too large on tokens per min (TPM): Limit 6000, Requested 7500.")
        True
    """
    if _found(_RATE, message):
        return _never_fits(message)
    return any(_found(pattern, message) for pattern in _TOO_LONG) and not _output_alone(message)


def _never_fits(message: str) -> bool:
    """Whether a single request exceeds a rate limit, so that waiting does not help."""
    numbers = _found(_LIMIT_AND_REQUESTED, message)
    if numbers is None:
        return _found(r"request too large[^.]*\btokens? per\b", message) is not None
    limit, requested = (int(number.replace(",", "") or 0) for number in numbers.groups())
    return requested > limit


def _output_alone(message: str) -> bool:
    """Whether `max_tokens` alone would fill the window, without any input."""
    for pattern in _OUTPUT_AND_WINDOW:
        numbers = _found(pattern, message)
        if numbers is not None:
            return int(numbers["output"]) >= int(numbers["window"])
    return _found(_ABOUT_OUTPUT, message) is not None


def _found(pattern: str, message: str) -> re.Match[str] | None:
    return re.search(pattern, message, re.IGNORECASE | re.DOTALL)
