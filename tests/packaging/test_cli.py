"""The `melious` command, as it is typed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from urllib.request import Request, urlopen

import pytest

from melious.cli import main


def melious(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("MELIOUS_")} | environment
    # On newer Pythons llama-index-core itself calls what asyncio deprecates.
    warnings = ["-W", "error", "-W", "ignore::DeprecationWarning"]
    command = [sys.executable, *warnings, "-m", "melious.cli", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=env)


def test_the_demo_tells_its_whole_story() -> None:
    done = melious("demo", "What does the with statement guarantee about __exit__()?")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    chain, agent, engine, bill, end = re.split(
        r"\n\nLangChain: an agent|\n\nLlamaIndex:|\n\nWhat it cost|\n\nWhat next", done.stdout
    )
    assert "Simulated: the sandbox puts its answers together" in chain
    assert "\x1b" not in done.stdout
    assert "__exit__()" in " ".join(chain.split())
    assert "help('with')" in chain
    assert "count_words(topic='lambda')" in agent
    assert re.search(r"\d+ words", agent)
    assert "help('with')" in engine
    for step in (
        "LangChain index",
        "LangChain chain",
        "LangChain agent",
        "LlamaIndex index",
        "LlamaIndex query",
    ):
        assert step in bill
    streamed = next(line for line in bill.splitlines() if "LangChain chain" in line)
    assert "≥ " in streamed, "a stream reports no impact, and the bill marks the sum as not whole"
    assert re.search(r"unreported +1 ", bill)
    assert "missing from the sums, not zero" in " ".join(bill.split())
    assert "≥ marks sums that lack them" in " ".join(bill.split())
    assert re.search(r"Simulated: the figures of \d+ requests were made up by the sandbox", bill)
    assert re.search(r"\w+ \([A-Z]{2}\) ", bill), "the bill names providers and countries"
    assert "melious demo --live" in end
    assert "https://melious.ai/" in end


def test_passages_that_have_nothing_to_do_with_the_question_are_no_sources(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    assert main(["demo", "What is the capital of France?"]) == 0
    shown = capsys.readouterr().out
    relevances = re.findall(r"relevance (\d\.\d\d)", shown)
    assert relevances
    assert "0.00" not in relevances
    assert " ".join(shown.split()).count("No passage fits this question well") == 2
    assert max(len(line) for line in shown.splitlines()[1:] if "https://" not in line) <= 50


def test_live_without_a_key_names_the_variable() -> None:
    done = melious("demo", "--live")
    assert done.returncode == 1
    assert "MELIOUS_API_KEY is not set; create a key at https://" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    for argument, expected in (("--help", "sandbox"), ("--help", "MELIOUS_LOG"), ("--version", "melious 0.")):
        with pytest.raises(SystemExit) as stopped:
            main([argument])
        assert stopped.value.code == 0
        assert expected in capsys.readouterr().out


def test_the_sandbox_command_serves_until_it_is_interrupted() -> None:
    command = [sys.executable, "-W", "error", "-m", "melious.cli", "sandbox", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        greeting = ""
        while "MELIOUS_API_KEY" not in greeting:
            greeting += server.stdout.readline()
        url = re.search(r"MELIOUS_BASE_URL=(\S+)", greeting)
        key = re.search(r"MELIOUS_API_KEY=(\S+)", greeting)
        assert url is not None
        assert key is not None
        with urlopen(Request(f"{url[1]}/models", headers={"authorization": f"Bearer {key[1]}"})) as answer:
            assert answer.status == 200
        server.send_signal(signal.SIGINT)
        assert server.wait() == 0
        assert server.stderr.read() == ""
