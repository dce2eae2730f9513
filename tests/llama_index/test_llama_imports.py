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


@pytest.fixture(scope="module")
def loaded():
    """The modules that importing the classes loads, and those that making them loads; neither may connect."""
    imported, made = run(
        "import socket, sys\n"
        "import llama_index.core\n"
        "def refuse(*_, **__): raise AssertionError('a connection')\n"
        "socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse\n"
        "before = set(sys.modules)\n"
        + "".join(f"from {path} import {name}\n" for name, path in PATHS.items())
        + "print(*set(sys.modules) - before)\n"
        f"for kind in {', '.join(PATHS)}:\n"
        "    made = kind(model='glm-4.7', api_key='sk-mel-x')\n"
        "    repr(made), made.to_dict(), getattr(made, 'metadata', None)\n"
        "print(*set(sys.modules) - before)"
    ).splitlines()
    return set(imported.split()), set(made.split())


def test_no_connection_before_the_first_call(loaded):
    _, made = loaded
    assert set(PATHS.values()) < made
    assert (
        not {"httpx", "httpx2", "tiktoken", "openai", "melious.http._sync.driver", "melious.sandbox"} & made
    )


def test_importing_adds_its_own_modules_to_the_framework_and_nobody_elses(loaded):
    # How long that takes is for the benchmarks to say.
    imported, _ = loaded
    own = {name for name in imported if "melious" in name}
    folders = {path.rpartition(".")[0] for path in PATHS.values()}
    assert imported - own - folders <= sys.stdlib_module_names
    for_later = {"endpoints.chat", "endpoints.audio", "endpoints.images", "scale", "sandbox", "cli", "otel"}
    assert not {f"melious.{name}" for name in for_later} & own


def test_each_path_loads_its_own_class_alone():
    loaded = run(
        "from llama_index.postprocessor.melious_rerank import *\nimport sys\nprint(*sys.modules)"
    ).split()
    assert "llama_index_melious.rerank.postprocessor" in loaded
    assert not {"llama_index_melious.llm.model", "llama_index_melious.embeddings.embedding"} & set(loaded)


@pytest.mark.parametrize("name", PATHS)
def test_a_missing_key_is_a_value_error_that_names_the_variable(name, monkeypatch):
    monkeypatch.delenv("MELIOUS_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="MELIOUS_API_KEY") as caught:
        getattr(llama_index_melious, name)(model="glm-4.7")
    assert isinstance(caught.value, ValueError)
