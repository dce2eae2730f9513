"""Where single models of the live service depart from the rule, as callers have measured it."""

from melious_sandbox.errors import SandboxError
from melious_sandbox.profiles import Profile

# Efforts that are refused; the other words pass.
_REFUSED_EFFORTS = {"qwen3.8-max": {"high", "none"}, "qwen3.8-27b": {"high"}}
# "none" does not turn the thinking off.
_ALWAYS_THINK = {"qwen3.8-max", "kimi-k3", "gpt-oss-120b"}
# The thinking is billed, but neither shown nor counted apart.
_HIDE_THINKING = {"qwen3.6-27b"}


def check_effort(profile: Profile, model: str, effort: str | None) -> None:
    """Refuse the efforts that a model refuses, with the service's misleading text."""
    if profile.name == "live" and effort in _REFUSED_EFFORTS.get(model, ()):
        raise SandboxError("malformed")


def always_thinks(profile: Profile, model: str) -> bool:
    """Whether a model thinks even when told not to."""
    return profile.name == "live" and model in _ALWAYS_THINK


def hides_thinking(profile: Profile, model: str) -> bool:
    """Whether a model keeps its thinking to itself."""
    return profile.name == "live" and model in _HIDE_THINKING
