"""`melious models`, as it is typed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from melious.catalogue import all_models
from melious.cli import main
from melious.sandbox import Fault


@pytest.fixture
def models(capsys, monkeypatch, sandbox):
    """Run the command with the sandbox's key, or with another one or none; give status, output and errors."""

    def run(*arguments, key=sandbox.api_key):
        monkeypatch.setenv("MELIOUS_BASE_URL", sandbox.base_url)
        monkeypatch.setenv("MELIOUS_API_KEY", key)
        status = main(["models", *arguments])
        said = capsys.readouterr()
        assert "sk-mel" not in said.out + said.err
        return status, said.out, said.err

    return run


def rows(out):
    """The cells of a table, by model."""
    lines = out.splitlines()
    rule = next(number for number, line in enumerate(lines) if line.startswith("---"))
    header = lines[rule - 1].split("  ")
    names = [name.strip() for name in header if name.strip()]
    found = {}
    for line in lines[rule + 1 :]:
        if not line:
            break
        cells = line.split()
        found[cells[0]] = dict(zip(names[1:], cells[1:], strict=True))
    return found


def test_the_table_of_what_the_key_may_use(models, sandbox):
    status, out, err = models("--type", "chat", "--vision", "--tools", "--order-by", "price")
    assert (status, err) == (0, "")
    assert sandbox.base_url in out.splitlines()[0]
    found = rows(out)
    assert list(found)[:3] == ["glm-5.3-flash", "mistral-small-3.2-24b-instruct", "gemma-3-27b-it"]
    assert found["gemma-3-27b-it"] == {
        "context": "110,000",
        "EUR in": "0.15",
        "EUR out": "0.60",
        "images": "yes",
        "tools": "yes",
        "reasoning": "no",
    }
    assert "gemma-4-31b" not in found, "it refused images although it lists them"
    assert found["gemma-4-26b-a4b"]["EUR in"] == "?"
    assert "? = unknown" in out
    assert [request.query for request in sandbox.requests] == ["include_meta=true"]


def test_everything_fits_a_hundred_columns(models):
    _, out, _ = models()
    assert len(rows(out)) == len([card for card in all_models() if card.served])
    assert max(map(len, out.splitlines())) <= 100


def test_without_a_key_the_shipped_catalogue_is_shown_and_named(models, sandbox):
    status, out, _ = models("--min-context", "1M", "--order-by=-name", key="")
    assert status == 0
    assert "shipped catalogue" in out.splitlines()[0]
    assert "MELIOUS_API_KEY" in out.splitlines()[0]
    assert list(rows(out)) == [
        *("nemotron-3-nano-30b-a3b", "minimax-m3", "kimi-k3", "glm-5.3-flash", "glm-5.3", "glm-5.2"),
        *("deepseek-v4.1-flash", "deepseek-v4-pro-0813", "deepseek-v4-pro", "deepseek-v4-flash-0731"),
    ]
    assert "Only the service knows" in out
    assert not sandbox.requests


def test_offline_asks_nobody(models, sandbox):
    _, out, _ = models("--offline", "--type", "rerank")
    assert list(rows(out)) == ["bge-reranker-v2-m3"]
    assert not sandbox.requests


def test_json_holds_all_that_is_known(models, sandbox):
    _, out, _ = models("--json", "--max-input-cost", "0.05", "--no-vision", "--order-by", "input_cost")
    told = json.loads(out)
    assert (told["source"], told["base_url"]) == ("service", sandbox.base_url)
    assert [(model["id"], model["input_cost"], model["output_cost"]) for model in told["models"]] == [
        ("bge-m3", "0.01", None),
        ("gpt-oss-120b", "0.04", "0.2"),
        ("llama-3.1-8b-instruct", "0.05", "0.2"),
    ]
    assert told["models"][0]["dimensions"] == 1024
    _, out, _ = models("--json", "--offline", "--type", "image")
    told = json.loads(out)
    assert (told["source"], told["base_url"]) == ("shipped", None)
    assert len(told["models"]) == len([card for card in all_models() if card.type == "image"])


def test_nothing_that_fits_is_said(models):
    status, out, _ = models("--type", "chat", "--max-input-cost", "0.001")
    assert status == 0
    assert out.splitlines()[0].endswith(f"0 of {len(all_models())} models")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--type", "embeddin"), "did you mean 'embedding"),
        (("--order-by", "prize"), "did you mean 'price'"),
        (("--max-input-cost", "cheap"), "--max-input-cost: must be an amount"),
    ],
)
def test_wrong_words_are_told(models, arguments, said):
    status, out, err = models(*arguments)
    assert (status, out) == (2, "")
    assert said in err


@pytest.mark.parametrize("arguments", [("--min-context", "many"), ("--tpye", "chat")])
def test_a_wrong_command_line(models, arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        models(*arguments)
    assert stopped.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_when_the_service_refuses_the_way_out_is_named(models, sandbox):
    status, out, err = models(key="sk-mel-wrong")
    assert (status, out) == (1, "")
    assert "401" in err
    assert "--offline" in err
    assert "Traceback" not in err
    sandbox.faults.add(Fault(endpoint="models", status=503, times=None))
    status, _, err = models("--type", "chat")
    assert status == 1
    assert "503" in err


def test_prices_are_whole(models, sandbox):
    pricing = {"input_cost_per_million_eur": 0.0125, "output_cost_per_million_eur": "12", "currency": "EUR"}
    model = {"id": "odd", "object": "model", "_meta": {"type": "chat", "pricing": pricing}}
    sandbox.faults.add(Fault(endpoint="models", body={"object": "list", "data": [model]}))
    _, out, _ = models()
    row = next(line for line in out.splitlines() if line.startswith("odd"))
    assert row.split() == ["odd", "chat", "?", "0.0125", "12.00", "?", "?", "?"]


def test_a_reader_who_leaves_early_is_no_trouble():
    command = f"{sys.executable} -W error -m melious.cli models --offline | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("The shipped catalogue")
    assert done.stderr == ""
