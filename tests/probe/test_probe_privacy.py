"""What a report and a cassette give away: no key, no personal data, few headers."""

from __future__ import annotations

import json

import pytest
from loopback import Answer, Loopback

from melious.probe import cassette, report
from melious.probe.scrubbing import scrubbed, scrubbed_headers, scrubbed_text

KEY = "sk-mel-4d3f9c2ab17e"
SECRETS = (
    *(KEY, "4d3f9c2a", "b17e", "anna@example.org", "Anna", "203.0.113.9", "2001:db8", "req_0123456789abcdef"),
    *("acc_774411", "letters.jsonl", "session=8f2e"),
)
HEADERS = {
    "content-type": "application/json",
    "x-request-id": "req_0123456789abcdef",
    "x-account": "acc_774411",
    f"x-of-{KEY}": "1",
    "request-id": f"{KEY}-17",
    "set-cookie": "session=8f2e",
    "x-ratelimit-limit": "240",
}


def telltale(asked):
    """Repeat the key, and much about its owner."""
    if "/batches" in asked.path:
        batch = {
            "id": "batch_1",
            "status": "completed",
            "output_file_id": "file_1",
            "metadata": {"customer": "acc_774411"},
            "request_counts": {"processing": 0, "succeeded": 1, "errored": 0},
        }
        return Answer(200, HEADERS, json.dumps({"data": [batch]}).encode())
    if "/files" in asked.path:
        body = {"choices": [{"message": {"content": "anna@example.org"}}], "environment_impact": {}}
        line = {"custom_id": "letters.jsonl", "response": {"status_code": 200, "body": body}}
        return Answer(200, HEADERS, json.dumps(line).encode())
    if asked.method == "GET" and "/models" in asked.path:
        return Answer(
            200, HEADERS, json.dumps({"data": [], "user": "acc_774411", "filename": "letters.jsonl"}).encode()
        )
    error = {
        "message": f"Bad key {KEY}, also seen as sk-mel-4d3f9c2a***17e and as the key ending in b17e, of "
        "anna@example.org at 203.0.113.9 and 2001:db8::8a2e:370:7334, in req_0123456789abcdef",
        "code": "invalid_request_error",
        "type": "invalid_request_error",
        "param": None,
        "account_id": "acc_774411",
        "userName": "Anna",
        "request_id": "req_0123456789abcdef",
    }
    return Answer(400, HEADERS, json.dumps({"error": error}).encode())


@pytest.fixture
def files(probed, tmp_path):
    """The texts of all files that a run against such a service writes, and the run."""
    with Loopback(telltale) as server:
        probe, lines = probed(server.base_url, KEY)
        facts = report.about(server.base_url, 0.0)
    cassette.write(tmp_path, probe.seen, facts, KEY)
    recorded = {path.name: path.read_text() for path in tmp_path.iterdir()}
    texts = [report.to_markdown(probe, facts, KEY), json.dumps(report.to_dict(probe, facts, KEY))]
    return [*texts, *recorded.values()], recorded, lines


def test_secrets_are_in_no_file(files):
    texts, _, _ = files
    for secret in SECRETS:
        assert not [text for text in texts if secret in text], secret
    assert "req_01234567" in texts[0]
    assert "x-account | (not shown)" in texts[0]


def test_the_users_own_batches_are_looked_at_and_not_kept(files):
    _, recorded, lines = files
    assert lines["batches"].finding.said.startswith("a list of 1; status: completed")
    assert lines["impact of batches"].finding.said == "a result has environment_impact"
    assert not [name for name in recorded if "batch" in name]


def test_no_question_sends_personal_data_or_a_paid_job(sandbox, probed):
    probe, _ = probed(sandbox.base_url, sandbox.api_key)
    for request in sandbox.requests:
        assert (request.method, request.path) not in {("POST", "/v1/batches"), ("POST", "/v1/files")}
        assert not request.path.endswith("/execute")
        assert request.endpoint != "images"
    documents = [seen.ask for seen in probe.seen if seen.ask.endpoint == "documents"]
    assert all(ask.form is not None and ask.form.file is None for ask in documents)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("key sk-mel-abc123 refused", "key *** refused"),
        ("sk-mel-abc...xyz, sk-proj-1", "***, ***"),
        ("mail me@example.co.uk.", "mail ***."),
        ("from 10.0.0.1", "from ***"),
        ("from 2001:db8::8a2e:370:7334, fe80::1: [2001:db8::2]:443", "from ***, ***: [***]:443"),
        ("at 12:34:56, 2026-11-03T12:00:00Z, std::move", "at 12:34:56, 2026-11-03T12:00:00Z, std::move"),
        ("see req_0123456789abcdef, req_1", "see req_01234567..., req_1"),
        ("version 0.22.0, 1.2.3.4.5, task-force", "version 0.22.0, 1.2.3.4.5, task-force"),
    ],
)
def test_texts(text, shown):
    assert scrubbed_text(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("the key hf_Zk93jQ0pLw7x", "the key ***"),
        ("the key ending in w7x", "the key ending in w7x"),
        ("the key ending in Lw7x", "the key ending in ***"),
        ("the key Zk93jQ0p...", "the key ***..."),
        ("words that are no part of it: Zk93, hf, pLw", "words that are no part of it: Zk93, hf, pLw"),
    ],
)
def test_parts_of_a_key_of_any_form(text, shown):
    assert scrubbed_text(text, "hf_Zk93jQ0pLw7x") == shown


def test_what_is_nested_deeper_than_anything_real_is_hidden():
    deep: object = "anna@example.org"
    for _ in range(900):
        deep = [deep]
    assert "***" in json.dumps(scrubbed(deep))
    assert "anna" not in json.dumps(scrubbed(deep))


def test_fields_of_an_owner_are_hidden_and_others_stay():
    data = {
        "id": "m",
        "user": "u1",
        "metadata": {"a": 1},
        "filename": None,
        "data": [{"email": "x", "n": 1.5}],
    }
    assert scrubbed(data) == {
        "id": "m",
        "user": "***",
        "metadata": "***",
        "filename": None,
        "data": [{"email": "***", "n": 1.5}],
    }


def test_of_headers_only_known_ones_are_kept():
    kept = scrubbed_headers(
        {"date": "d", "cf-ray": "1", "x-request-id": "r", "ratelimit-policy": "p", "via": "v"}
    )
    assert kept == {"date": "d", "x-request-id": "r", "ratelimit-policy": "p"}
