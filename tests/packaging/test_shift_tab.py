"""In a notebook, Shift-Tab shows every argument, and Tab completes its name."""

import re

import jedi
import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import langchain_melious
import llama_index_melious
from melious import MeliousClient

COLOURS = re.compile(r"\x1b\[[\d;]*m")
PLACES = [
    "client.chat.create",
    "client.chat.stream",
    "langchain.ChatMelious",
    "llama_index.Melious",
]


@pytest.fixture
def shell(tmp_path, monkeypatch, pytestconfig, worker_id):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    # A cache that two workers fill may be half written, and jedi then finds nothing.
    kept = pytestconfig.pluginmanager.hasplugin("cacheprovider")
    cache = pytestconfig.cache.mkdir(f"jedi-{worker_id}") if kept else tmp_path / "jedi"
    monkeypatch.setattr(jedi.settings, "cache_directory", str(cache))
    config = Config()
    config.HistoryManager.enabled = False
    made = InteractiveShell(config=config)
    made.user_ns.update(
        client=MeliousClient(api_key="sk-mel-x"), langchain=langchain_melious, llama_index=llama_index_melious
    )
    return made


@pytest.mark.parametrize("place", PLACES)
def test_shift_tab_shows_types_defaults_and_descriptions(shell, place):
    shown = COLOURS.sub("", shell.object_inspect_text(place))
    assert "temperature: float | None = None,\n" in shown
    assert "    temperature: 0 to 2" in shown
    assert "    filters: Which providers may serve" in shown


@pytest.mark.parametrize("place", PLACES)
def test_tab_completes_the_name_of_an_argument(shell, place):
    typed = f"{place}(tempe"
    with provisionalcompleter():
        assert "temperature=" in {each.text for each in shell.Completer.completions(typed, len(typed))}
