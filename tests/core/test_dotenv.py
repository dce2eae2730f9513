"""A `.env` with the key is mentioned where the key is missing, and never loaded."""

from __future__ import annotations

import os
import subprocess
import sys
import traceback

import pytest

from melious import ConfigurationError, MeliousClient
from melious.settings.dotenv import file_that_sets


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty working directory, and no key."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MELIOUS_API_KEY", raising=False)
    return tmp_path


def refused():
    with pytest.raises(ConfigurationError) as caught:
        MeliousClient()
    return caught.value


@pytest.mark.parametrize(
    "line", ["MELIOUS_API_KEY=sk-mel-hidden", "# keys\n  export MELIOUS_API_KEY = 'sk-mel-hidden'\nOTHER=1\n"]
)
def test_a_file_with_the_key_is_mentioned_and_not_loaded(folder, line):
    (folder / ".env").write_text(line)
    error = refused()
    assert ".env sets it, but is not loaded: call load_dotenv()" in str(error)
    assert str(folder) not in str(error)
    assert "MELIOUS_API_KEY" not in os.environ
    shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "hidden" not in shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "OTHER=sk-mel-x",
        "#MELIOUS_API_KEY=sk-mel-x",
        "MELIOUS_API_KEY=\nOTHER=1",
        'MELIOUS_API_KEY=""',
        "MY_MELIOUS_API_KEY=sk-mel-x",
    ],
)
def test_a_file_without_the_key_is_not_mentioned(folder, text):
    (folder / ".env").write_text(text)
    assert ".env" not in str(refused())
    assert "https://melious.ai/account/api/keys" in str(refused())


@pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes in folders")
def test_a_folder_or_a_pipe_of_that_name_is_left_alone(folder):
    (folder / ".env").mkdir()
    assert file_that_sets("MELIOUS_API_KEY") is None
    (folder / ".env").rmdir()
    os.mkfifo(folder / ".env")
    assert file_that_sets("MELIOUS_API_KEY") is None, "reading a pipe would wait for ever"


def test_a_file_beside_the_script_is_found(folder):
    beside = folder / "project"
    beside.mkdir()
    (beside / ".env").write_text("MELIOUS_API_KEY=sk-mel-x")
    (beside / "script.py").write_text(
        "from melious import MeliousClient, MeliousError\n"
        "try:\n    MeliousClient()\nexcept MeliousError as error:\n    print(error)\n"
    )
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [sys.executable, beside / "script.py"], check=True, capture_output=True, text=True, cwd=elsewhere
    )
    assert f"{beside / '.env'} sets it" in done.stdout


def test_a_key_that_is_given_looks_for_no_file(folder):
    (folder / ".env").write_text("MELIOUS_API_KEY=sk-mel-x")
    code = (
        "import sys; opened = []\n"
        "sys.addaudithook(lambda event, arguments: event == 'open' and opened.append(str(arguments[0])))\n"
        "from melious import MeliousClient\nMeliousClient().close()\n"
        "print([name for name in opened if name.endswith('.env')])"
    )
    env = os.environ | {"MELIOUS_API_KEY": "sk-mel-y"}
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=env)
    assert done.stdout == "[]\n"
