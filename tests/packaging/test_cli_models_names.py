"""`melious models NAME`: models by a part of their name, what is near, and tables for narrow terminals."""

from __future__ import annotations

import json
import re

import pytest

from melious.catalogue import all_models
from melious.cli import main
from melious.sandbox import Fault
from melious_sandbox.__main__ import greeting


@pytest.fixture
def models(capsys, monkeypatch, sandbox):
    """Run the command against the sandbox; give its status and the lines that it prints."""
    monkeypatch.setenv("MELIOUS_BASE_URL", sandbox.base_url)
    monkeypatch.setenv("MELIOUS_API_KEY", sandbox.api_key)
    monkeypatch.delenv("COLUMNS", raising=False)

    def run(*arguments):
        status = main(["models", *arguments])
        said = capsys.readouterr()
        assert said.err == ""
        return status, said.out.splitlines()

    return run


def first_column(lines):
    rule = next(number for number, line in enumerate(lines) if line.startswith("---"))
    return [line.split()[0] for line in lines[rule + 1 : lines.index("", rule)]]


@pytest.mark.parametrize("name", ["glm", "GLM", "Glm-"])
def test_a_part_of_a_name_finds_models_whatever_its_case(models, name):
    status, lines = models(name)
    found = first_column(lines)
    assert status == 0
    assert found == [card.id for card in all_models() if card.id.startswith("glm")]
    assert lines[0].endswith(f"{len(found)} of {len(all_models())} models match {name!r}")


def test_punctuation_does_not_matter_and_display_names_count(models):
    assert first_column(models("glm4.7")[1]) == ["glm-4.7"]
    assert first_column(models("gpt oss")[1]) == ["gpt-oss-120b", "gpt-oss-20b"]
    assert first_column(models("Flux.2")[1]) == ["flux-2-klein-9b"]


def test_a_single_model_is_shown_with_all_that_is_known(models):
    _, lines = models("qwen3.8-max")
    assert lines[0].endswith(f"1 of {len(all_models())} models matches 'qwen3.8-max'")
    assert "cache reads: 0.57 EUR" in lines
    assert "reasoning_effort: minimal, low, medium" in lines
    assert any(line.startswith("note: reasoning_effort: it was needed") for line in lines)
    _, lines = models("glm-5.3")
    assert first_column(lines) == ["glm-5.3", "glm-5.3-flash"]
    assert "cache reads: 0.20 EUR" in lines, "the one whose name was given in full"


def test_a_model_that_refuses_images_is_shown_as_that(models):
    _, lines = models("gemma-4-31b")
    assert next(line for line in lines if line.startswith("gemma-4-31b")).split()[5] == "refused"
    assert any("refused = images are listed" in line for line in lines)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("glm-9", "Near it: glm-5"),
        ("deepseek-v4-flsh", "Near it: deepseek-v4"),
        ("zzz", "No name is near it."),
    ],
)
def test_a_name_that_matches_nothing_is_told_what_is_near(models, name, near):
    status, lines = models(name)
    assert status == 0
    assert lines[0].endswith(f"0 of {len(all_models())} models match {name!r}")
    assert lines[1].startswith(near)


def test_filters_apply_to_the_models_of_a_name(models):
    assert first_column(models("glm", "--vision")[1]) == ["glm-5.3-flash"]
    assert models("glm", "--type", "rerank")[1][0].endswith("models match 'glm'")


def test_json_has_the_models_of_the_name(models, sandbox):
    _, lines = models("gemma-4-31b", "--json")
    (model,) = json.loads("\n".join(lines))["models"]
    assert (model["vision"], model["refuses_images"]) == (None, True)
    assert model["reasoning_efforts"] == ["none", "low", "medium", "high"]
    assert model["notes"]
    assert json.loads("\n".join(models("zzz", "--json")[1]))["models"] == []


def test_counts_agree_with_what_is_listed(models, sandbox):
    _, lines = models()
    listed = len(all_models())
    assert lines[0].endswith(f"{listed - 1} of {listed} models")
    assert lines[-1] == "Listed, but not served: deepseek-v4-flash."
    _, lines = models("deepseek-v4-flash")
    assert lines[-1] == "Listed, but not served: deepseek-v4-flash."
    _, lines = models("--type", "rerank")
    assert not lines[-1].startswith("Listed, but not served")
    assert len(sandbox.requests) == 1, "the list is kept"


@pytest.mark.parametrize("columns", [40, 50, 60, 80, 100])
def test_tables_fit_the_terminal(models, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    _, lines = models("--offline")
    assert max(map(len, lines[1:])) <= columns
    assert first_column(lines) == [card.id for card in all_models() if card.served]
    hidden = [line for line in lines if line.startswith("Not shown for want of room")]
    assert len(hidden) == (columns < 95)


def test_a_server_that_gives_no_details_says_so(models, sandbox, caplog):
    data = [{"id": name, "object": "model"} for name in ("mine", "other", "glm-4.7")]
    sandbox.faults.add(Fault(endpoint="models", body={"object": "list", "data": data}))
    assert first_column(models("--type", "chat")[1]) == ["glm-4.7"]
    assert "leaves out 2 of 3 models" in caplog.text


def test_a_limit_shows_the_first_of_the_order(models):
    every = first_column(models("glm", "--order-by", "price")[1])
    _, lines = models("glm", "--order-by", "price", "--limit", "2")
    assert first_column(lines) == every[:2]
    assert lines[0].endswith(
        f"{len(every)} of {len(all_models())} models match 'glm', the first 2 of them below"
    )
    assert len(json.loads("\n".join(models("glm", "--limit", "2", "--json")[1]))["models"]) == 2


@pytest.mark.parametrize("limit", ["0", "-1", "many"])
def test_a_limit_is_a_positive_number(limit, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["models", "--offline", "--limit", limit])
    assert stopped.value.code == 2
    assert "--limit" in capsys.readouterr().err


def test_a_misspelt_type_is_said_and_not_the_connection(capsys, monkeypatch):
    monkeypatch.setenv("MELIOUS_API_KEY", "sk-mel-x")
    assert main(["models", "--type", "chats", "--base-url", "https://no-such-host.invalid"]) == 2
    said = capsys.readouterr().err
    assert said == "melious models: --type: no model is of type 'chats'; did you mean 'chat'?\n"


def test_the_same_count_is_everywhere(models, sandbox, capsys):
    _, lines = models()
    listed = re.search(r"of (\d+) models", lines[0])[1]
    assert main(["doctor", "--no-scopes"]) == 0
    assert f"yes, {listed} models" in capsys.readouterr().out
    key = sandbox.api_key
    assert f"{listed} models in all" in greeting(sandbox.base_url, key, sandbox.profile)
