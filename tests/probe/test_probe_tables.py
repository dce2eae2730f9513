"""Against the sandbox the probe finds what each profile is.

`expected.csv` has every line of the report, by profile. Where the sandbox learns something, its line changes there.
"""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from melious.probe.questions import QUESTIONS
from melious.sandbox import Fault, Reply

with (Path(__file__).parent / "expected.csv").open(encoding="utf-8") as _file:
    EXPECTED = {row["question"]: row for row in csv.DictReader(_file)}


def verdicts(lines):
    return {name: "+".join(sorted(line.finding.verdicts)) for name, line in lines.items()}


@pytest.mark.parametrize("profile", ["g1", "g2", "live"])
def test_each_profile_is_found(start_sandbox, probed, profile):
    sandbox = start_sandbox(profile)
    _, lines = probed(sandbox.base_url, sandbox.api_key)
    assert verdicts(lines) == {name: row[profile] for name, row in EXPECTED.items()}


def test_the_table_has_every_question_once():
    asked = [name.partition(" (")[0] for name in EXPECTED]
    assert {question.name for question in QUESTIONS} < set(asked)
    assert len({question.name for question in QUESTIONS}) == len(QUESTIONS)


def test_without_a_wish_the_cheapest_models_are_asked(sandbox, probed):
    probe, lines = probed(sandbox.base_url, sandbox.api_key, models=())
    assert not probe.trouble
    assert "json_schema (llama-3.1-8b-instruct)" in lines
    assert "json_schema (deepseek-v4.1-flash)" in lines
    assert len([name for name in lines if name.startswith("json_schema ")]) == 5


def test_requests_go_one_after_the_other_and_each_once_but_for_the_misleading_400(sandbox, probed):
    probe, _ = probed(sandbox.base_url, sandbox.api_key)
    sent = Counter(seen.ask.name for seen in probe.seen)
    assert sent.total() == len(sandbox.requests)
    twice = {name for name, times in sent.items() if times > 1}
    assert twice == {"json_schema deepseek-v4.1-flash", "strict json_schema deepseek-v4.1-flash"}
    assert len({request.connection for request in sandbox.requests}) == 1, "so no two were under way at once"


def test_a_key_that_may_do_less_answers_what_a_missing_scope_gets(start_sandbox, probed):
    for profile, code in (("g1", "G1"), ("g2", "G2"), ("live", "LIVE")):
        sandbox = start_sandbox(profile, keys={"sk-mel-part": ["inference.chat", "inference.models"]})
        _, lines = probed(sandbox.base_url, "sk-mel-part")
        found = verdicts(lines)
        assert found["missing scope"] == code
        assert found["impact of chat"] == "G1+G2+LIVE"
        assert found["impact of embeddings"] == found["impact of rerank"] == "not allowed"


def test_a_service_that_ignores_filters_is_found(sandbox, lines_of):
    answer = {
        "id": "x",
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "OK"}}],
    }
    place = {"provider_id": "regolo", "location": "IT", "energy_kwh": 1e-6}
    for _ in range(9):
        sandbox.replies.add(Reply(json=answer | {"environment_impact": place}), endpoint="chat")
    # The three chat requests before those with filters take replies too: plain, and two streams.
    found = lines_of()["filters: countries"]
    assert found.finding.verdicts == ("G2",)
    assert found.finding.said == "ignored (DE: answered from IT; FI: answered from IT)"


def test_what_no_page_says_is_new(sandbox, lines_of):
    sandbox.faults.add(
        Fault(endpoint="embeddings", refuse_base64=True, times=None),
        Fault(endpoint="rerank", impact="partial", cost="number", times=None),
    )
    lines = lines_of()
    assert lines["base64 vectors"].finding.verdicts == ("new",)
    assert lines["impact of rerank"].finding.verdicts == ("new",)
    assert "without carbon_g_co2" in lines["impact of rerank"].finding.said
    assert lines["bill of rerank"].finding.verdicts == ("new",)


def test_a_spurious_refusal_is_no_finding(sandbox, lines_of):
    # The first two chat requests are refused for their content; the third is the first that is billed.
    sandbox.faults.add(Fault(endpoint="chat", code="malformed", after=2))
    assert lines_of()["impact of chat"].finding.verdicts == ("G1", "G2", "LIVE")


def test_a_model_that_is_not_served_is_passed_over(sandbox, probed):
    # After the request without fields and the one for an unknown model comes the first plain one.
    sandbox.faults.add(Fault(endpoint="chat", code="provider_error", after=2))
    probe, lines = probed(sandbox.base_url, sandbox.api_key, models=())
    assert lines["impact of chat"].finding.verdicts == ("G1", "G2", "LIVE")
    plain = [seen for seen in probe.seen if seen.ask.name.startswith("chat ") and seen.ask.most_cost][:2]
    assert [seen.status for seen in plain] == [503, 200]
    assert plain[0].ask.name != plain[1].ask.name
