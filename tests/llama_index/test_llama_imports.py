"""What importing and making the classes costs: no connection, no tokenizer, no HTTP library, no one else's code."""

import subprocess
import sys

import pytest

import llama_index_melious
from melious import ConfigurationError

PATHS = {
    "Melious": "llama_index.llms.melious",
    "MeliousEmbedding": "llama_index.embeddings.melious",
    "MeliousRerank": "llama_index.postprocessor.melious_rerank",
}


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", PATHS)
def test_the_usual_paths_lead_to_the_same_classes(name):
    namespace = {}
    exec(f"from {PATHS[name]} import {name}", namespace)
    assert namespace[name] is getattr(llama_index_melious, name)


of_one_interpreter = pytest.mark.xdist_group("imports of LlamaIndex")


@pytest.fixture(scope="module")
def loaded():
    """The modules that importing the reranker loads, all classes, and making them; none may connect."""
    alone, imported, made = run(
        "import socket, sys\n"
        "import llama_index.core\n"
        "def refuse(*_, **__): raise AssertionError('a connection')\n"
        "socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse\n"
        "before = set(sys.modules)\n"
        f"from {PATHS['MeliousRerank']} import *\n"
        "print(*set(sys.modules) - before)\n"
        + "".join(f"from {path} import {name}\n" for name, path in PATHS.items())
        + "print(*set(sys.modules) - before)\n"
        f"for kind in {', '.join(PATHS)}:\n"
        "    made = kind(model='glm-4.7', api_key='sk-mel-x')\n"
        "    repr(made), made.to_dict(), getattr(made, 'metadata', None)\n"
        "print(*set(sys.modules) - before)"
    ).splitlines()
    return set(alone.split()), set(imported.split()), set(made.split())


@of_one_interpreter
def test_no_connection_before_the_first_call(loaded):
    *_, made = loaded
    assert set(PATHS.values()) < made
    assert (
        not {"httpx", "httpx2", "tiktoken", "openai", "melious.http._sync.driver", "melious.sandbox"} & made
    )


@of_one_interpreter
def test_importing_adds_its_own_modules_to_the_framework_and_nobody_elses(loaded):
    # How long that takes is for the benchmarks to say.
    _, imported, _ = loaded
    own = {name for name in imported if "melious" in name}
    folders = {path.rpartition(".")[0] for path in PATHS.values()}
    assert imported - own - folders <= sys.stdlib_module_names
    for_later = {"endpoints.chat", "endpoints.audio", "endpoints.images", "scale", "sandbox", "cli", "otel"}
    assert not {f"melious.{name}" for name in for_later} & own


@of_one_interpreter
def test_each_path_loads_its_own_class_alone(loaded):
    alone, *_ = loaded
    assert "llama_index_melious.rerank.postprocessor" in alone
    assert not {"llama_index_melious.llm.model", "llama_index_melious.embeddings.embedding"} & alone


@pytest.mark.parametrize("name", PATHS)
def test_a_missing_key_is_a_value_error_that_names_the_variable(name, monkeypatch):
    monkeypatch.delenv("MELIOUS_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="MELIOUS_API_KEY") as caught:
        getattr(llama_index_melious, name)(model="glm-4.7")
    assert isinstance(caught.value, ValueError)
