"""What the chat model loads, step by step: nothing of others but LangChain itself, and of ours what is used."""

import subprocess
import sys

from melious.sandbox import Sandbox

PROBE = """
import sys
import langchain_core.language_models.chat_models
before = set(sys.modules)
from langchain_melious import ChatMelious
def show():
    print(*set(sys.modules) - before)
show()
llm = ChatMelious("glm-4.7", api_key={sandbox.api_key!r}, base_url={sandbox.base_url!r})
llm.invoke("Hello!")
show()
llm.bind(temperature=0)
show()
"""
OF_CALLS = {"melious.clients._sync.client", "melious.exchange.exchange", "melious.answers.results"}
OF_BINDINGS = {"langchain_melious.chat.bound"}
FOR_OTHERS = {
    "langchain_melious.chat.batch_chain",
    "langchain_melious.chat.events",
    "langchain_melious.chat.structured",
    "langchain_melious.documents",
    "langchain_melious.embeddings",
    "langchain_melious.hosted_tools",
    "melious.answers.documents",
    "melious.answers.hosted_tools",
    "melious.answers.media",
    "melious.answers.models",
    "melious.answers.vectors",
    "melious.catalogue.selection",
    "melious.clients._async",
    "melious.clients._sync.media",
    "melious.clients._sync.tools",
    "melious.clients._sync.vectors",
    "melious.endpoints.documents",
    "melious.endpoints.splitting",
    "melious.impact.views",
    "melious.otel",
    "melious.sandbox",
    "melious.scale",
}


def test_each_step_loads_what_it_needs_and_nothing_of_others(sandbox: Sandbox) -> None:
    code = PROBE.format(sandbox=sandbox)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    imported, answered, bound = (set(line.split()) for line in done.stdout.splitlines())
    own = {name for name in imported if name.partition(".")[0] in ("melious", "langchain_melious")}
    assert "langchain_melious.chat.model" in own
    assert imported - own <= sys.stdlib_module_names
    assert not OF_CALLS & imported
    assert answered >= OF_CALLS
    assert not OF_BINDINGS & answered
    assert bound >= OF_BINDINGS
    assert not FOR_OTHERS & bound


def test_only_classes_with_fields_are_models_of_their_own() -> None:
    from pydantic import BaseModel

    from langchain_melious import ChatMelious

    for kind in ChatMelious.__mro__[1:]:
        if issubclass(kind, BaseModel) and kind.__module__.startswith("langchain_melious.chat"):
            assert kind.__annotations__, f"{kind.__name__}: a model without fields of its own"
