"""The line in the log for each call, and `MELIOUS_LOG`, which shows it."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys

import pytest

from melious.clients.call_log import CallLog, call_line
from melious.clients.outcomes import CallOutcome
from melious.errors import MeliousError
from melious.impact import BillingCost, EnvironmentImpact
from melious.impact.totals import Entry
from melious.sandbox import Fault

from .clients import CHAT, EMBEDDINGS, QUESTION

REPORTED = (
    rf"chat {CHAT}: \d+ ms; [\w-]+ in [A-Z]{{2}}; \d+ tokens? in, \d+ out; "
    r"[\d.,]+ [µm]?€; [\d.,]+ [µmk]?g CO₂; simulated; id=\S+"
)


@pytest.fixture
def lines(caplog):
    """The lines of the library from INFO on, so far."""
    caplog.set_level(logging.INFO, "melious")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "melious"]


def test_a_request_has_one_line_with_what_it_cost(clients, sandbox, lines):
    clients.call(clients.client(sandbox), "chat.create", model=CHAT, messages=QUESTION)
    (line,) = lines()
    assert re.fullmatch(REPORTED, line)
    assert "lighthouse" not in line


def test_a_stream_has_one_line_with_what_it_reported(clients, sandbox, lines):
    streamed = clients.stream(clients.client(sandbox), model=CHAT, messages=QUESTION)
    assert streamed.error is None
    (line,) = lines()
    assert re.fullmatch(
        rf"chat {CHAT} streamed: \d+ ms; \d+ tokens in, \d+ out; not reported: provider, cost, CO₂; simulated; id=\S+",
        line,
    )


def test_each_request_of_a_call_in_batches_has_its_line(clients, sandbox, lines):
    client = clients.client(sandbox)
    clients.call(client, "embeddings.create", model=EMBEDDINGS, input=["one", "two", "three"], batch_size=1)
    assert len(lines()) == 3
    assert all(line.startswith(f"embeddings {EMBEDDINGS}: ") for line in lines())


def test_the_routing_and_the_attempts_are_in_the_line(clients, sandbox, lines):
    sandbox.faults.add(Fault(status=503, headers={"retry-after": "0"}))
    clients.call(clients.client(sandbox), "chat.create", model=f"{CHAT}:eco", messages=QUESTION)
    retry, line = lines()
    assert "retrying" in retry
    assert line.startswith(f"chat {CHAT} (eco): ")
    assert "; 2 attempts; " in line


def test_a_failure_is_named_by_its_class_and_code_only(clients, sandbox, lines):
    said = "the question was: What is a lighthouse?"
    sandbox.faults.add(Fault(status=400, body={"error": {"message": said, "code": "odd\ncode"}}))
    with pytest.raises(MeliousError):
        clients.call(clients.client(sandbox), "chat.create", model=CHAT, messages=QUESTION)
    (line,) = lines()
    assert re.fullmatch(rf"chat {CHAT} failed with BadRequestError \(400 odd�code\): \d+ ms; id=\S+", line)


def test_a_broken_stream_is_a_failure(clients, sandbox, lines):
    sandbox.faults.add(Fault(cut_after_events=2))
    streamed = clients.stream(clients.client(sandbox), model=CHAT, messages=QUESTION)
    assert streamed.error is not None
    (line,) = lines()
    assert line.startswith(f"chat {CHAT} streamed failed with StreamTruncatedError: ")


def test_a_list_of_models_reports_no_figures_and_misses_none(clients, sandbox, lines):
    clients.call(clients.client(sandbox), "models.list")
    (line,) = lines()
    assert re.fullmatch(r"models: \d+ ms; id=\S+", line)


def test_below_its_level_there_is_no_line(clients, sandbox, caplog):
    caplog.set_level(logging.WARNING, "melious")
    clients.call(clients.client(sandbox), "chat.create", model=CHAT, messages=QUESTION)
    assert not [record for record in caplog.records if record.name == "melious"]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (
            Entry("chat", "a\nb", cost=BillingCost(energy="0.144", paid_with="energy")),
            "chat a�b: 250 ms; 0.144 energy; not reported: provider, tokens, CO₂; id=-",
        ),
        (
            Entry(
                "rerank",
                "m",
                usage={"prompt_tokens": 1},
                impact=EnvironmentImpact(provider_id="p", carbon_g_co2=0),
            ),
            "rerank m: 250 ms; p; 1 token in; 0 g CO₂; not reported: cost; id=-",
        ),
    ],
)
def test_what_is_missing_is_not_zero(entry, expected):
    assert call_line(CallOutcome(entry, {}), 0.25) == expected


def test_the_time_is_that_of_the_whole_call(lines):
    now = iter([10.0, 12.5])
    CallLog(stream=False, clock=lambda: next(now)).ended(CallOutcome(Entry("models", ""), {}))
    assert lines() == ["models: 2500 ms; id=-"]


# --- MELIOUS_LOG ------------------------------------------------------------------------------------------

ASK = (
    "from melious import MeliousClient; "
    f"MeliousClient().chat.create(model={CHAT!r}, messages=[{{'role': 'user', 'content': 'Hello'}}])"
)


def ran(sandbox, code, **environment):
    """The lines that a script leaves on the standard error stream."""
    env = os.environ | {"MELIOUS_BASE_URL": sandbox.base_url, "MELIOUS_API_KEY": sandbox.api_key}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        check=True,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=env | {"PYTHONIOENCODING": "utf-8"} | environment,
    )
    return done.stderr.splitlines()


@pytest.mark.parametrize(("word", "count"), [("info", 1), ("DEBUG", 2), ("error", 0), ("", 0)])
def test_the_variable_shows_the_lines_of_this_library_only(sandbox, word, count):
    lines = ran(sandbox, ASK, MELIOUS_LOG=word)
    assert len(lines) == count
    assert all(re.match(r"[\d-]+ [\d:,]+ (INFO|DEBUG) melious: ", line) for line in lines)
    if lines:
        assert re.search(REPORTED, lines[-1])
        assert sandbox.api_key not in "".join(lines)


def test_a_wrong_word_is_said_and_ignored(sandbox):
    assert ran(sandbox, ASK, MELIOUS_LOG="verbose") == [
        "MELIOUS_LOG must be one of debug, info, warning, error; it is ignored"
    ]


@pytest.mark.parametrize(
    "own",
    [
        "logging.basicConfig(format='app: %(message)s')",
        "logging.getLogger('melious').addHandler(handler)",
        "logging.getLogger().addHandler(handler)",
    ],
)
def test_an_application_that_logs_gets_each_line_once(sandbox, own):
    made = "handler = logging.StreamHandler(); handler.setFormatter(logging.Formatter('app: %(message)s'))"
    (line,) = ran(sandbox, f"import logging, melious; {made}; {own}; {ASK}", MELIOUS_LOG="info")
    assert line.startswith("app: chat ")
