"""What ``melious sandbox`` prints when it is up: what it serves, and how to point code at it."""

import shlex
from collections.abc import Mapping

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
_FORWARDED = ("chat", "embeddings")


def greeting(base_url: str, api_key: str, profile: ProfileName, upstream: str = "") -> str:
    """Write the greeting; ``upstream`` is the address of the server that answers instead, if any."""
    models = counts()
    page = base_url.removesuffix("/v1")
    serves = "\n".join(
        f"  {path:<28}{models[kind]:>3} {kind.removesuffix('s')} model{'s' if models[kind] > 1 else ''}"
        + (", and any that the server behind knows" if upstream and kind in _FORWARDED else "")
        for kind, path in _ENDPOINTS
    )
    behind = f"\nChat and embeddings are answered by {upstream}\n" if upstream else ""
    return f"""\
Melious sandbox, profile {profile}: {_PROFILES[profile]}
{behind}
Requests as they come:  {page}/

Serves, under {base_url}
{serves}
  {"GET /models":<28}{sum(models.values()):>3} in all

Connect your code
  export MELIOUS_BASE_URL={base_url}
  export MELIOUS_API_KEY={shlex.quote(api_key)}

A first request
  curl $MELIOUS_BASE_URL/chat/completions -H "authorization: Bearer $MELIOUS_API_KEY" \\
    -H "content-type: application/json" \\
    -d '{{"model": "glm-4.7:eco", "messages": [{{"role": "user", "content": "Hello"}}]}}'

From Python, with these two variables set
  from langchain_melious import ChatMelious           # LangChain
  print(ChatMelious(model="glm-4.7").invoke("Hello").content)

  from llama_index_melious import Melious             # LlamaIndex
  print(Melious(model="glm-4.7").complete("Hello"))

  from melious import MeliousClient                   # neither
  hello = [{{"role": "user", "content": "Hello"}}]
  print(MeliousClient().chat.create(model="glm-4.7", messages=hello).text)

To make one request fail, give it a header
  x-sandbox-fault: {{"code":"rate_limit","headers":{{"retry-after":"2"}}}}

Ctrl-C stops it.
"""
