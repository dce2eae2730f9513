"""What the command says to people at a shell: in its words, in colour where that shows, in the room there is."""

from __future__ import annotations

import inspect
import io
import os
import re
import subprocess
import sys

import pytest

import melious.errors
from melious._terminal import Paint, terminal_width
from melious.cli import main
from melious.cli.words import in_shell_words
from melious.errors import MeliousError
from melious.sandbox import Fault
from melious.settings.base_url import resolve_base_url

KINDS = [
    kind
    for _, kind in inspect.getmembers(melious.errors, inspect.isclass)
    if issubclass(kind, MeliousError)
    and kind.__name__ not in {"BudgetExceededError", "ResidencyError", "StreamTruncatedError"}
]
"""The errors that the command can meet: it sets no budget, verifies no location and streams nothing."""


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_advice_of_an_error_is_for_python(kind):
    said = in_shell_words(kind("it failed"))
    assert not re.search(
        r"client\.|\w\(\)|=True|`\.?(timeout|deadline|filters|max_retries|retry_after)", said
    )


def test_arguments_are_options():
    with pytest.raises(MeliousError) as caught:
        resolve_base_url("http://10.0.0.1")
    assert in_shell_words(caught.value) == (
        "--base-url: http to '10.0.0.1' would send the key in clear. "
        "Use https, or add --allow-insecure-http if the network is yours"
    )


@pytest.mark.usefixtures("no_settings")
@pytest.mark.parametrize("command", [["doctor"], ["models"], ["doctor", "--try"]])
def test_plain_http_is_allowed_by_its_option(command, capsys, monkeypatch):
    monkeypatch.setenv("MELIOUS_API_KEY", "sk-mel-x")
    where = ["--base-url", "http://no-such-host.invalid", "--allow-insecure-http"]
    assert main([*command, *where]) == 1
    said = capsys.readouterr()
    assert "no-such-host.invalid" in said.out + said.err
    assert "in clear" not in said.out + said.err


@pytest.mark.skipif(sys.platform == "win32", reason="the advice is for sh")
@pytest.mark.usefixtures("no_settings")
def test_a_file_with_the_key_is_mentioned_with_what_to_run(checks, sandbox, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"MELIOUS_API_KEY={sandbox.api_key}\n")
    status, found = checks(None, sandbox.base_url)
    assert (status, found["key"]["state"]) == (1, "failed")
    assert ".env sets it, but is not loaded." in found["key"]["said"]
    advice = found["key"]["said"].partition("Run: ")[2]
    loaded = subprocess.run(
        ["sh", "-c", f"{advice}; env"], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    assert f"MELIOUS_API_KEY={sandbox.api_key}" in loaded.stdout.splitlines()
    assert sandbox.api_key not in str(found)


# --- what is not Melious ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_settings")
@pytest.mark.parametrize(
    ("fault", "title"),
    [
        (Fault(status=404, body="<html><title>Error response</title></html>"), "Error response"),
        (Fault(status=501, body="<html><h1>Unsupported method</h1></html>"), "Unsupported method"),
        (Fault(body="<html>Welcome</html>"), "not a JSON object: a web page, 'Welcome'"),
        (Fault(body={"hello": "world"}), "no models"),
    ],
    ids=["404", "501", "a page", "other JSON"],
)
def test_a_server_that_is_not_melious(checks, sandbox, fault, title):
    sandbox.faults.add(fault)
    status, found = checks(sandbox.api_key, sandbox.base_url)
    assert (status, found["service"]["state"]) == (1, "failed")
    said = found["service"]["said"]
    assert said.startswith("this is not Melious: ")
    assert title in said
    assert "a base URL usually ends in /v1" in said
    assert "<" not in said
    assert len(sandbox.requests) == 1


@pytest.mark.usefixtures("no_settings")
def test_a_wrong_path(checks, sandbox):
    status, found = checks(sandbox.api_key, sandbox.base_url.removesuffix("/v1") + "/v2")
    assert (status, found["service"]["status_code"]) == (1, 404)
    assert "a base URL usually ends in /v1" in found["service"]["said"]


@pytest.mark.usefixtures("no_settings")
def test_trouble_of_melious_is_not_taken_for_another_server(checks, sandbox):
    sandbox.faults.add(Fault(status=502, body="<html><title>Bad gateway</title></html>"))
    _, found = checks(sandbox.api_key, sandbox.base_url)
    assert "not Melious" not in found["service"]["said"]
    assert "'Bad gateway'" in found["service"]["said"]


@pytest.mark.usefixtures("no_settings")
def test_plain_http_on_a_port_for_https(checks, sandbox):
    _, found = checks(sandbox.api_key, sandbox.base_url.replace("http:", "https:"))
    assert found["TLS"]["said"].endswith(
        "speaks plain http on this port: the base URL should begin with http://"
    )


@pytest.mark.usefixtures("no_settings")
def test_requests_to_such_a_port_say_the_same(sandbox, monkeypatch, capsys):
    monkeypatch.setenv("MELIOUS_API_KEY", sandbox.api_key)
    monkeypatch.setenv("MELIOUS_BASE_URL", sandbox.base_url.replace("http:", "https:"))
    assert main(["models"]) == 1
    assert (
        "it speaks plain http on this port: the base URL should begin with http://" in capsys.readouterr().err
    )


# --- terminals --------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def bare(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("variables", "out", "coloured"),
    [
        ({}, Terminal(), True),
        ({}, io.StringIO(), False),
        ({"NO_COLOR": "1"}, Terminal(), False),
        ({"NO_COLOR": ""}, Terminal(), True),
        ({"FORCE_COLOR": "1"}, io.StringIO(), True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, Terminal(), False),
        ({"TERM": "dumb"}, Terminal(), False),
    ],
)
def test_colour_is_for_those_who_see_it(monkeypatch, variables, out, coloured):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Paint(out)("ok", "green", "bold") == ("\x1b[32;1mok\x1b[0m" if coloured else "ok")


@pytest.mark.usefixtures("bare")
def test_the_width_is_that_of_the_terminal(monkeypatch):
    assert terminal_width(88) == 88
    monkeypatch.setenv("COLUMNS", "50")
    assert terminal_width(88) == 50
    assert terminal_width(40) == 40


@pytest.mark.usefixtures("no_settings", "bare")
def test_the_doctor_has_colour_and_fits_a_narrow_terminal(doctor, sandbox, monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    _, out = doctor(sandbox.api_key, sandbox.base_url, "--try")
    assert max(map(len, out.splitlines())) <= 50
    assert "\x1b" not in out
    monkeypatch.setenv("FORCE_COLOR", "1")
    _, painted = doctor(sandbox.api_key, sandbox.base_url, "--no-scopes")
    assert "\x1b[32mok  \x1b[0m  key" in painted
    assert "\x1b" not in doctor(sandbox.api_key, sandbox.base_url, "--no-scopes", "--json")[1]


@pytest.mark.usefixtures("bare")
def test_the_table_of_models_has_colour(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert main(["models", "--offline", "--type", "rerank"]) == 0
    painted = capsys.readouterr().out
    monkeypatch.delenv("FORCE_COLOR")
    assert main(["models", "--offline", "--type", "rerank"]) == 0
    assert re.sub(r"\x1b\[[\d;]*m", "", painted) == capsys.readouterr().out


def test_a_console_without_the_signs_shows_others():
    done = subprocess.run(
        [sys.executable, "-m", "melious.cli", "doctor", "--base-url", "https://pr\u00f6xy"],
        check=False,
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "MELIOUS_API_KEY": ""},
    )
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
