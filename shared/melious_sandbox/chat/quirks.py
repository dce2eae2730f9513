"""Where single models of the live service depart from the rule, as callers have measured it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from melious.routing.filters import split_flavor
from melious_sandbox.service.errors import SandboxError
from melious_sandbox.service.profiles import Profile

# A request without an effort is refused.
_WANT_EFFORT = {"qwen3.8-max", "qwen3.8-27b"}
# Efforts that are refused; the other words pass.
_REFUSED_EFFORTS = {"qwen3.8-max": {"high", "none"}, "qwen3.8-27b": {"high"}}
# "none" does not turn the thinking off.
_ALWAYS_THINK = {"kimi-k3", "gpt-oss-120b"}
# The thinking is billed, but neither shown nor counted apart.
_HIDE_THINKING = {"qwen3.6-27b"}
# Images are refused though the card lists them; a flavor goes to another provider, which takes them.
_REFUSE_IMAGES = {"gemma-4-31b"}
# Images are refused in the results of tools.
_REFUSE_TOOL_IMAGES = {"mistral-small-3.2-24b-instruct"}
_REFUSE_JSON_SCHEMA = {"deepseek-v4.1-flash"}
# A tool that has to be called is written out as text.
_WRITE_FORCED_CALLS = {"deepseek-v4.1-flash"}


def check_quirks(
    profile: Profile,
    name: str,
    *,
    effort: str | None,
    messages: Sequence[Mapping[str, Any]],
    response_format: Mapping[str, Any],
) -> None:
    """Refuse what a model of the ``live`` profile refuses, with its misleading text."""
    if profile.name != "live":
        return
    model = split_flavor(name)[0]
    refused = (
        (effort is None and model in _WANT_EFFORT)
        or effort in _REFUSED_EFFORTS.get(model, ())
        or (response_format["type"] == "json_schema" and model in _REFUSE_JSON_SCHEMA)
        or (name in _REFUSE_IMAGES and any(_images(messages)))
        or (
            model in _REFUSE_TOOL_IMAGES
            and any(_images([message for message in messages if message["role"] == "tool"]))
        )
    )
    if refused:
        raise SandboxError("malformed")


def _images(messages: Sequence[Mapping[str, Any]]) -> Iterator[bool]:
    for message in messages:
        content = message["content"]
        yield isinstance(content, list) and any(part["type"] == "image_url" for part in content)


def always_thinks(profile: Profile, model: str) -> bool:
    """Whether a model thinks even with an effort of ``none``."""
    return profile.name == "live" and model in _ALWAYS_THINK


def hides_thinking(profile: Profile, model: str) -> bool:
    """Whether a model keeps its thinking to itself."""
    return profile.name == "live" and model in _HIDE_THINKING


def written_call(profile: Profile, model: str, calls: Sequence[Mapping[str, Any]]) -> str | None:
    """Give the text that a model writes in place of calls that it has to make; None where it makes them."""
    if not calls or profile.name != "live" or model not in _WRITE_FORCED_CALLS:
        return None
    name = calls[0]["function"]["name"]
    return (
        f'<\uff5cDSML\uff5cfunction_calls>\n<\uff5cDSML\uff5cinvoke name="{name}">true'
        "</\uff5cDSML\uff5cinvoke>\n</\uff5cDSML\uff5cfunction_calls>"
    )
