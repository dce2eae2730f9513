"""The package itself: what importing it loads, and what it says when something is missing."""

import subprocess
import sys

import pytest

import llama_index_melious


def run(code, *flags):
    return subprocess.run([sys.executable, *flags, "-c", code], capture_output=True, text=True, check=False)


def test_importing_the_package_loads_nothing():
    done = run(
        "import sys, llama_index_melious\n"
        "print(dir(llama_index_melious))\n"
        "heavy = {'llama_index.core', 'httpx', 'httpx2', 'pydantic', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy",
        "-W",
        "error",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(sorted(llama_index_melious.__all__))


@pytest.mark.parametrize("missing", ["llama_index", "llama_index.core"])
@pytest.mark.parametrize("name", ["Melious", "MeliousEmbedding", "MeliousRerank"])
def test_without_the_framework_the_extra_is_named(name, missing):
    done = run(
        "import sys\n"
        f"sys.modules[{missing!r}] = None\n"
        f"try:\n    from llama_index_melious import {name}\n"
        "except ImportError as error:\n    print(error)"
    )
    assert done.returncode == 0, done.stderr
    assert "llama_index_melious needs llama-index-core" in done.stdout
    assert "pip install 'melious[llama-index]'" in done.stdout


def test_unknown_names_of_the_package():
    with pytest.raises(AttributeError, match="Meliouss"):
        _ = llama_index_melious.Meliouss
