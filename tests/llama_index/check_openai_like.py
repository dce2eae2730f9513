"""A check of the conformance suite itself: what another integration gets wrong is what it finds, no more, no less.

The LLM and the embeddings of `openai-like` need an older `openai` than the other tests do, so this runs in the
environment of the oldest versions, where `make test` names this file.
"""

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

HERE = Path(__file__).parent

# What fails, and why. Words in brackets narrow a test down to those of its cases that have all of them.
FACTS = {
    # Secrets and copies
    "TestLLM::test_key_is_not_shown": "the key is a plain field, so it is in repr() and in to_dict()",
    "TestLLM::test_headers_are_not_serialised": "default_headers is a plain field",
    "TestLLM::test_key_is_not_told_to_observers": "core writes to_dict() into payloads of callbacks",
    "TestLLM::test_to_dict_does_not_change_with_the_key": "the key is in to_dict()",
    "TestLLM::test_copies_work[pickle-used]": "pickling warns: Removing unpickleable private attribute _client",
    "TestLLM::test_copies_work[deepcopy-used]": "the clients that an instance keeps cannot be copied",
    # Event loops, attempts, ends of streams
    "TestLLM::test_one_event_loop_after_another": "one async client for all loops: requests are sent twice",
    "TestLLM::test_blocking_code_inside_a_running_loop": "one async client for all loops",
    "TestLLM::test_attempts_are_one_plus_retries": "retries of LlamaIndex times those of the SDK",
    "TestLLM::test_breaking_off_closes_the_connection": "open until garbage is collected",
    "TestLLM::test_closing_an_async_stream_closes_the_connection": "open until garbage is collected",
    "TestLLM::test_refusals_surface_where_the_stream_is_awaited": "the request starts with the first piece",
    "TestLLM::test_stream_that_is_cut_off_is_an_error": "the SDK takes any end of a stream for its end",
    # What is sent
    "TestLLM::test_result_handed_on_as_an_answer_has_no_call_id": "tool_call_id is sent for every role",
    "TestLLM::test_streams_ask_for_their_usage": "include_usage is left to the user",
    "TestLLM::test_arguments_of_the_call_win": "additional_kwargs of the constructor replace those of a call",
    "TestLLM::test_extra_body_of_both_is_sent": "additional_kwargs of the constructor replace those of a call",
    "TestLLM::test_result_of_a_tool_with_a_picture": "of the result of a tool only the text is sent",
    "TestFunctionCalling::test_without_tools_nothing_is_said_of_them": "tools: null is sent",
    "TestFunctionCalling::test_history_and_tools_are_not_changed": "user_msg is appended to the caller's list",
    "TestStructured::test_llm_kwargs_are_not_changed_and_say_nothing_of_tools": "llm_kwargs get response_format",
    "TestStructured::test_system_prompt_goes_along_with_a_tool[async]": "core's FunctionCallingProgram.acall",
    # What is read
    "TestLLM::test_answer_without_choices_is_no_accident": "IndexError",
    "TestLLM::test_logprobs_are_kept[stream_chat]": "logprobs of streams are dropped",
    "TestLLM::test_logprobs_are_kept[stream_complete]": "logprobs of streams are dropped",
    "TestLLM::test_logprobs_are_kept[complete]": "core's chat_to_completion_decorator drops them",
    "TestLLM::test_reasoning_in_the_very_first_chunk[async]": "the first chunk is lost, in async alone",
    "TestLLM::test_reasoning_counts_its_tokens": "reasoning_tokens are not read",
    "TestFunctionCalling::test_one_call_in_streams_where_several_are_not_allowed": "only whole answers are cut",
    "TestFunctionCalling::test_calls_of_a_message_from_memory": "calls are read as objects of the SDK alone",
    "TestStructured::test_streamed_objects_grow": "core gives blank objects between the partial ones",
    # Embeddings
    "TestEmbedding::test_key_is_not_shown": "the key is a plain field",
    "TestEmbedding::test_headers_are_not_serialised": "default_headers is a plain field",
    "TestEmbedding::test_key_is_not_told_to_observers": "core writes to_dict() into payloads of callbacks",
    "TestEmbedding::test_to_dict_does_not_change_with_the_key": "the key is in to_dict()",
    "TestEmbedding::test_copies_work[pickle-used]": "pickling warns: Removing unpickleable private attribute",
    "TestEmbedding::test_copies_work[deepcopy-used]": "the clients that an instance keeps cannot be copied",
    "TestEmbedding::test_one_event_loop_after_another": "one async client for all loops: requests are sent twice",
    "TestEmbedding::test_blocking_code_inside_a_running_loop": "one async client for all loops",
    "TestEmbedding::test_attempts_are_one_plus_retries": "retries of LlamaIndex times those of the SDK",
    "TestEmbedding::test_texts_are_sent_as_they_are": "newlines become spaces",
    "TestEmbedding::test_vectors_come_in_the_order_of_their_texts": "index is not looked at",
    "TestEmbedding::test_async_batches_are_bounded": "all batches are sent at once",
}


# What waits for an end that never comes, sleeps between attempts or starts interpreters: with --exhaustive only.
SLOW = (
    "TestLLM::test_breaking_off_closes_the_connection",
    "TestLLM::test_closing_an_async_stream_closes_the_connection",
    "TestLLM::test_attempts_are_one_plus_retries",
    "TestLLM::test_importing_opens_no_connection",
    "TestEmbedding::test_attempts_are_one_plus_retries",
    "TestEmbedding::test_importing_opens_no_connection",
    "TestEmbedding::test_nodes_are_embedded_in_workers",
)


def cases(test: str) -> tuple[str, set[str]]:
    """The name of a test and the words of its case."""
    name, _, words = test.partition("[")
    return name, set(words.removesuffix("]").split("-")) - {""}


def covers(fact: str, test: str) -> bool:
    """Whether the fact is about this test."""
    name, words = cases(fact)
    tested, case = cases(test)
    return name == tested and words <= case


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """For each test of the suite `passed`, `skipped`, or what made it fail."""
    report = tmp_path_factory.mktemp("openai_like") / "report.xml"
    # The SDK leaves connections open, which would be told as errors of whichever test comes next.
    options = ["-q", "-p", "no:cacheprovider", "-W", "ignore", "--http-library", "httpx", "--tb", "short"]
    suite = "tests/llama_index/openai_like_conformance.py"
    if not request.config.getoption("--exhaustive"):
        options += [f"--deselect={suite}::{test}" for test in SLOW]
    command = [sys.executable, "-m", "pytest", *options, "-n", "2", "--junitxml", str(report), suite]
    done = subprocess.run(command, cwd=HERE.parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    found = {}
    for case in ET.parse(report).getroot().iter("testcase"):
        name = f"{case.get('classname').rpartition('.')[2]}::{case.get('name')}"
        bad = next((child for child in case if child.tag in {"failure", "error", "skipped"}), None)
        found[name] = "passed" if bad is None else "skipped" if bad.tag == "skipped" else bad.get("message")
    return found


def test_every_failure_is_a_known_fact(outcomes):
    failed = {test: said for test, said in outcomes.items() if said not in {"passed", "skipped"}}
    unknown = {test: said for test, said in failed.items() if not any(covers(fact, test) for fact in FACTS)}
    assert not unknown


@pytest.mark.parametrize(
    "fact",
    [pytest.param(fact, marks=pytest.mark.exhaustive if cases(fact)[0] in SLOW else ()) for fact in FACTS],
)
def test_every_known_fact_is_found(outcomes, fact):
    about = {test: said for test, said in outcomes.items() if covers(fact, test)}
    assert about, f"no test is called {fact}"
    missed = [test for test, said in about.items() if said in {"passed", "skipped"}]
    assert not missed, f"these did not fail, although {FACTS[fact]}"


def test_the_rest_passes(outcomes):
    """Most of the suite holds there too, so it does not fail for whatever is not ours."""
    passed = [test for test, said in outcomes.items() if said == "passed"]
    assert len(passed) > 150
    for class_ in ("TestLLM", "TestFunctionCalling", "TestStructured", "TestEmbedding"):
        assert any(test.startswith(f"{class_}::") for test in passed)
    skipped = {cases(test)[0] for test, said in outcomes.items() if said == "skipped"}
    assert skipped == {
        "TestLLM::test_missing_key_is_named",
        "TestLLM::test_addresses_that_are_none_are_refused",
        "TestEmbedding::test_key_from_the_environment_and_argument_first",
        "TestEmbedding::test_missing_key_is_named",
        "TestEmbedding::test_address_from_the_environment",
        "TestEmbedding::test_addresses_that_are_none_are_refused",
        "TestEmbedding::test_instructions_tell_queries_from_texts",
        "TestEmbedding::test_cache_does_not_mix_queries_and_texts",
    }
