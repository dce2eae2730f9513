"""Components that hold these classes are written and read back by LlamaIndex's own loaders."""

import json
import subprocess
import sys
from functools import cache

import pytest
from llama_index.core.embeddings.loading import load_embed_model
from llama_index.core.extractors import KeywordExtractor, SummaryExtractor, TitleExtractor
from llama_index.core.extractors.loading import load_extractor
from llama_index.core.llms.loading import load_llm

from llama_index_melious import Melious, MeliousEmbedding

KEY = "sk-mel-in-the-environment"


@pytest.fixture(autouse=True)
def _key_in_the_environment(monkeypatch, sandbox):
    monkeypatch.setenv("MELIOUS_API_KEY", sandbox.api_key)


def test_an_llm_comes_back(make_llm, sandbox):
    llm = make_llm(temperature=0.2, filters={"countries": ["DE"]}, max_retries=0, api_key=KEY)
    written = llm.to_json()
    assert KEY not in written
    again = load_llm(json.loads(written))
    assert type(again) is Melious
    assert again.to_dict() == llm.to_dict()
    again.complete("Hello")
    (request,) = sandbox.requests
    assert (request.body["temperature"], request.body["filters"]) == (0.2, {"countries": ["DE"]})
    assert load_llm(llm) is llm


def test_an_embedding_model_comes_back(make_embedding, sandbox):
    model = make_embedding(
        model="qwen3-embedding-8b", dimensions=64, text_instruction="passage: ", api_key=KEY
    )
    written = model.to_json()
    assert KEY not in written
    again = load_embed_model(json.loads(written))
    assert type(again) is MeliousEmbedding
    assert again.to_dict() == model.to_dict()
    assert len(again.get_text_embedding("Dunes move.")) == 64
    assert sandbox.requests[0].body["input"] == ["passage: Dunes move."]


@pytest.mark.parametrize("kind", [TitleExtractor, SummaryExtractor, KeywordExtractor])
def test_a_component_with_an_llm_comes_back(make_llm, kind):
    written = json.loads(kind(llm=make_llm(seed=7, auth="x-api-key", api_key=KEY)).to_json())
    assert KEY not in json.dumps(written)
    for again in (load_extractor(written | {}), kind.from_dict(written)):
        assert type(again.llm) is Melious
        assert (again.llm.seed, again.llm.auth) == (7, "x-api-key")


KINDS = {
    "Melious_llm": ("llama_index.llms.melious", "llama_index.core.llms.loading", "load_llm", "model"),
    "MeliousEmbedding": (
        "llama_index.embeddings.melious",
        "llama_index.core.embeddings.loading",
        "load_embed_model",
        "model_name",
    ),
}
ORDERS = [
    ("import llama_index_melious", "from {loading} import {load}"),
    ("from {loading} import {load}", "import llama_index_melious"),
    ("from {path} import *", "from {loading} import {load}"),
]


@cache
def read_back(order: tuple[str, str]) -> dict[str, str]:
    """What each class is read back as, in an interpreter that imports in this order."""
    lines = ["import inspect, json"]
    for line in order:
        for path, loading, load, _ in KINDS.values():
            lines.append(line.format(path=path, loading=loading, load=load))
    lines.append("again = {}")
    for class_name, (_, _, load, name) in KINDS.items():
        lines.append(f"assert 'class_name' in inspect.getsource({load})")
        lines.append(f"made = {load}({{'class_name': {class_name!r}, {name!r}: 'some-model'}})")
        lines.append(f"again[{class_name!r}] = made.class_name()")
    lines.append("print(json.dumps(again))")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(lines)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.xdist_group("orders of imports")  # with one interpreter for each
@pytest.mark.parametrize("class_name", KINDS)
@pytest.mark.parametrize("order", ORDERS, ids=" | ".join)
def test_the_order_of_imports_does_not_matter(order, class_name):
    assert read_back(order)[class_name] == class_name


def test_a_framework_without_registries_does_no_harm():
    code = (
        "import sys, types\n"
        "sys.modules['llama_index.core.llms.loading'] = types.ModuleType('llama_index.core.llms.loading')\n"
        "sys.modules['llama_index.core.embeddings.loading'] = None\n"
        "import llama_index_melious\n"
        "print(llama_index_melious.__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "llama_index_melious", done.stderr
