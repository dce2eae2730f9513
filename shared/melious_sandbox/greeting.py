"""What ``melious sandbox`` prints when it is up: what it serves, and how to point code at it."""

import shlex
from collections.abc import Mapping
from importlib.resources import files
from string import Template

from melious_sandbox.routes.models import counts
from melious_sandbox.service.profiles import ProfileName

_PROFILES: Mapping[ProfileName, str] = {
    "live": "the service as it answers today",
    "g1": "the service as its older pages describe it",
    "g2": "the service as its newer pages describe it",
}
_ENDPOINTS = (
    ("chat", "POST /chat/completions"),
    ("embeddings", "POST /embeddings"),
    ("rerank", "POST /rerank"),
    ("image", "POST /images/generations"),
    ("audio", "POST /audio/transcriptions"),
)
_TEXT = files(__package__).joinpath("greeting.txt").read_text("utf-8")
_FORWARDED = ("chat", "embeddings")


def greeting(base_url: str, api_key: str, profile: ProfileName, upstream: str = "") -> str:
    """Write the greeting; ``upstream`` is the address of the server that answers instead, if any."""
    models = counts()
    serves = "\n".join(
        f"  {path:<28}{models[kind]:>3} {kind.removesuffix('s')} model{'s' if models[kind] > 1 else ''}"
        + (", and any that the server behind knows" if upstream and kind in _FORWARDED else "")
        for kind, path in _ENDPOINTS
    )
    behind = f"\nChat and embeddings are answered by {upstream}\n" if upstream else ""
    return Template(_TEXT).substitute(
        profile=f"{profile}: {_PROFILES[profile]}",
        behind=behind,
        page=base_url.removesuffix("/v1"),
        base_url=base_url,
        serves=serves,
        all_models=f"{'GET /models':<28}{sum(models.values()):>3} in all",
        api_key=shlex.quote(api_key),
    )
