"""What a client loads: the code of the endpoints that are used, and no other."""

import subprocess
import sys
from typing import Any

import pytest

from melious.sandbox import Sandbox

CODE_OF = {
    "vectors": {
        "clients._sync.vectors",
        "answers.vectors",
        "endpoints.embeddings",
        "endpoints.embedding_cache",
    },
    "images": {"answers.media", "endpoints.images", "endpoints.audio"},
    "documents": {"answers.documents", "endpoints.documents", "endpoints.attachments"},
    "models": {"clients._sync.models", "answers.models", "endpoints.models", "catalogue"},
    "tools": {"clients._sync.tools", "answers.hosted_tools", "endpoints.tools"},
    "messages": {"clients._sync.messages", "answers.messages", "endpoints.messages"},
    "batches": {"clients._sync.batches", "clients._sync.files", "answers.batches", "endpoints.batches"},
    "asyncio": {"clients._async", "http._async"},
}
"""What each kind of call needs and the others do not, below `melious`."""

CHAT = "client.chat.create(model='glm-4.7', messages=[{'role': 'user', 'content': 'Hello!'}])"
PROBE = """
import sys
from melious import MeliousClient
with MeliousClient(api_key={sandbox.api_key!r}, base_url={sandbox.base_url!r}) as client:
    {call}
print(*(name.partition(".")[2] for name in sys.modules if name.startswith("melious.")))
"""


@pytest.mark.parametrize(
    ("call", "used"),
    [
        ("pass", set()),
        (CHAT, set()),
        ("client.embeddings.create(model='bge-m3', input='river')", {"vectors"}),
        ("client.images.generate(model='flux-schnell', prompt='a river')", {"images", "documents"}),
        ("client.models.list()", {"models"}),
        ("client.tools.list()", {"tools"}),
        ("client.messages.count_tokens(messages=[{'role': 'user', 'content': 'Hello!'}])", {"messages"}),
    ],
)
def test_a_call_loads_its_own_endpoint_alone(sandbox: Sandbox, call: str, used: set[str]) -> None:
    loaded = modules_after(PROBE.format(sandbox=sandbox, call=call))
    assert "clients._sync.chat" in loaded
    for name in used:
        assert CODE_OF[name] & loaded
    for name in CODE_OF.keys() - used:
        assert not CODE_OF[name] & loaded


def test_an_endpoint_of_a_client_is_one_object(client: Any) -> None:
    names = ("chat", "embeddings", "rerank", "images", "audio", "documents", "models", "tools", "messages")
    for name in names:
        assert getattr(client, name) is getattr(client, name)


def modules_after(code: str) -> set[str]:
    """The modules of `melious` that code has loaded, as it prints them in the end."""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())
