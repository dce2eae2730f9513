"""`melious probe`, as it is typed, against a sandbox: consent, files, exit status."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from loopback import Answer, Loopback

from melious.cli import main
from melious.probe import cassette
from melious.sandbox import Fault

pytestmark = pytest.mark.usefixtures("no_settings")


class Terminal(io.StringIO):
    """A terminal on which something is typed."""

    def isatty(self):
        return True


@pytest.fixture
def probe(capsys, monkeypatch, sandbox):
    """Run the command with the key of the sandbox; give its status and what it wrote."""

    def run(*arguments, base_url=sandbox.base_url, key=sandbox.api_key):
        monkeypatch.setenv("MELIOUS_API_KEY", key)
        status = main(["probe", "--base-url", base_url, *arguments])
        said = capsys.readouterr()
        assert key not in said.out + said.err
        return status, said.out, said.err

    return run


def test_a_report_on_the_terminal(probe, sandbox):
    status, out, err = probe("--yes")
    assert status == 0
    assert out.startswith("# Report of melious probe\n")
    assert "These figures are simulated: a sandbox answered" in out
    assert "| Which code does a bad key get? <br>`bad key` | LIVE | 401 invalid_api_key" in out
    assert f"{len(sandbox.requests)} requests; billed as reported: 0.000" in out
    names = set(re.findall(r"^\| (.+?) \| \d+ \| \d+ \|", out, re.MULTILINE))
    assert f"sends {len(names)} small requests to {sandbox.base_url}" in " ".join(err.split())
    assert re.search(r"at most 0\.00\d\d EUR together", " ".join(err.split()))


def test_files(probe, tmp_path):
    files = {name: tmp_path / name for name in ("report.md", "report.json", "cassette")}
    status, out, err = probe(
        "--yes",
        "--out",
        str(files["report.md"]),
        "--json",
        str(files["report.json"]),
        "--cassette",
        str(files["cassette"]),
    )
    assert (status, out) == (0, "")
    found = json.loads(files["report.json"].read_text())
    assert found["simulated"] is True
    assert {each["name"]: each["verdicts"] for each in found["findings"]}["error fields"] == ["LIVE"]
    exchanges = cassette.read(files["cassette"])
    # All of them, without the user's own batches.
    assert [each.name for each in exchanges] == [
        each["name"] for each in found["exchanges"] if each["name"] != "batches"
    ]
    assert f"has {len(exchanges)} exchanges" in err
    assert files["report.md"].read_text().startswith("# Report of melious probe")


def test_without_a_terminal_consent_must_be_typed_before(probe, sandbox, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    status, out, err = probe()
    assert (status, out) == (2, "")
    assert "add --yes" in err
    assert not sandbox.requests


@pytest.mark.parametrize("typed", ["n\n", "\n", ""])
def test_without_consent_only_the_free_list_was_read(probe, sandbox, monkeypatch, typed):
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    status, out, err = probe()
    assert (status, out) == (1, "")
    assert "Nothing more was sent." in err
    assert [request.endpoint for request in sandbox.requests] == ["models"]


def test_consent_on_a_terminal(probe, sandbox, monkeypatch):
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    status, out, err = probe("--max-cost", "0")
    assert status == 0
    assert "Go on? [y/N]" in err
    said = " ".join(err.split())
    assert f"sends {len(sandbox.requests)} small requests to" in said
    assert "None of them is billed." in said
    assert "`impact of chat` | not asked" in out


def test_ctrl_c_in_place_of_consent_ends_it(probe, sandbox, monkeypatch):
    class Interrupted(Terminal):
        def readline(self, *_):
            raise KeyboardInterrupt

    monkeypatch.setattr("sys.stdin", Interrupted())
    status, out, err = probe()
    assert (status, out) == (130, "")
    assert "Nothing more was sent." in err
    assert [request.endpoint for request in sandbox.requests] == ["models"]


def test_a_budget_below_the_plan_is_announced(probe, monkeypatch):
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    _, _, err = probe("--max-cost", "0.0001")
    assert "It stops before it has spent 0.0001 EUR." in " ".join(err.split())


def test_without_any_standard_input_consent_must_be_typed_before(probe, sandbox, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    status, out, err = probe()
    assert (status, out) == (2, "")
    assert "add --yes" in err
    assert not sandbox.requests


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_loses_no_report(probe):
    status, out, err = probe("--yes", "--max-cost", "0", "--out", "/dev/full")
    assert status == 1
    assert "cannot be written" in err
    assert out.startswith("# Report of melious probe")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "folder"], "--out: 'folder' is a folder, not a file"),
        (["--json", "folder"], "--json: 'folder' is a folder, not a file"),
        (["--json", "file/report.json"], "--json: there is no folder "),
        (["--out", "report", "--json", "./report"], "--json: must be another file than --out"),
        (["--cassette", "file"], "'file' is a file, not a folder"),
        (["--cassette", "file/cassette"], "/file' is a file, not a folder"),
    ],
)
def test_what_could_not_be_written_is_found_before_anything_is_sent(
    probe, sandbox, tmp_path, monkeypatch, arguments, said
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    status, out, err = probe("--yes", *arguments)
    assert (status, out) == (2, "")
    assert said in err
    assert not sandbox.requests


def test_half_a_sign_is_written_as_its_escape(probe, tmp_path):
    """A service may cut a text in the middle of a sign, and such a text has no UTF-8."""
    body = b'{"error": {"message": "cut \\ud83d", "type": "x", "param": null, "code": "\\ud83d"}}'

    with Loopback(lambda _: Answer(400, {"content-type": "application/json"}, body)) as server:
        files = ("--out", str(tmp_path / "r.md"), "--json", str(tmp_path / "r.json"))
        probe("--yes", *files, "--cassette", str(tmp_path / "c"), base_url=server.base_url)
    assert "cut \\ud83d" in (tmp_path / "r.md").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["exchanges"][0][
        "body"
    ] == json.loads(body)
    assert json.loads(cassette.read(tmp_path / "c")[0].body) == json.loads(body)


def test_a_cassette_is_not_mixed_with_another(probe, sandbox, tmp_path):
    (tmp_path / "001-models.json").write_text("{}")
    status, out, err = probe("--yes", "--cassette", str(tmp_path))
    assert (status, out) == (2, "")
    assert "is not empty" in err
    assert not sandbox.requests


def test_models_by_name(probe):
    status, out, _ = probe("--yes", "--model", "glm-4.7", "--model", "no-such-model")
    assert status == 0
    assert "`json_schema (glm-4.7)` | G2" in out
    assert "`json_schema (no-such-model)` | LIVE | refused: 404" in out
    assert "gpt-oss" not in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--max-cost", "much"], "--max-cost: must be an amount in EUR"),
        (["--max-cost", "-1"], "--max-cost: must be an amount in EUR"),
        (["--out", "/nowhere/at/all/report.md"], "--out: there is no folder '/nowhere/at/all'"),
        (["--out", "."], "--out: '.' is a folder, not a file"),
        (["--json", "."], "--json: '.' is a folder, not a file"),
        (["--out", "report", "--json", "./report"], "--json: must be another file than --out"),
        (["--cassette", "taken"], "--cassette: 'taken' is a file, not a folder"),
        (["--model", " "], "--model: must be the name of a chat model"),
        (["--model", "bge-m3"], "--model: 'bge-m3' is not a chat model (type: embeddings)"),
    ],
)
def test_wrong_options_send_nothing(probe, sandbox, arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("taken").touch()
    status, out, err = probe("--yes", *arguments)
    assert (status, out) == (2, "")
    assert said in err
    assert not sandbox.requests


def test_without_a_key(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", Terminal(""))
    assert main(["probe", "--yes"]) == 1
    assert "MELIOUS_API_KEY is not set" in capsys.readouterr().err


def test_a_bad_key_still_gives_a_report(probe):
    status, out, err = probe("--yes", key="sk-mel-of-nobody")
    assert status == 1
    assert "the service refused the key" in err
    assert "`bad key` | LIVE" in out


def test_offline_there_is_a_report_too(probe):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        status, out, err = probe("--yes", base_url=f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
    assert status == 1
    assert "The service could not be asked everything" in err
    assert "`models` | not reachable" in out
    assert "Traceback" not in out + err


def test_without_credit(probe, sandbox):
    sandbox.faults.add(Fault(endpoint="chat", code="insufficient_quota", after=2, times=None))
    status, out, err = probe("--yes")
    assert status == 1
    assert "the balance is used up" in err
    assert "`bad key` | LIVE" in out


def test_ctrl_c_writes_what_there_is(tmp_path):
    """The server interrupts the command while it waits for the answer to its fifth request."""
    running: list[subprocess.Popen[str]] = []

    def answer(_):
        if len(server.asked) == 5:
            os.kill(running[0].pid, signal.SIGINT)
            running[0].wait()
        return Answer(200, {"content-type": "application/json"}, b'{"object": "list", "data": []}')

    with Loopback(answer) as server:
        command = [sys.executable, "-m", "melious.cli", "probe", "--yes", "--base-url", server.base_url]
        environment = {**os.environ, "MELIOUS_API_KEY": "sk-mel-of-the-tests"}
        with subprocess.Popen(
            [*command, "--out", str(tmp_path / "report.md")],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            running.append(process)
            assert process.stderr is not None
            err = process.stderr.read()
            assert process.wait() == 130
    report = (tmp_path / "report.md").read_text()
    assert "`compression` | G1, G2, LIVE" in report
    assert "| not asked | interrupted |" in report
    assert "Traceback" not in err
