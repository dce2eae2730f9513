"""A batch whose creation failed halfway is looked for before it is made again."""

from __future__ import annotations

import asyncio

import pytest

from melious import (
    APIConnectionError,
    AsyncMeliousClient,
    BadRequestError,
    MeliousClient,
    MeliousError,
    ServerError,
)
from melious.sandbox import Fault, Reply

QUESTION = {"model": "gemma-4-31b", "messages": [{"role": "user", "content": "What is a lighthouse?"}]}


@pytest.fixture(params=["sync", "async"])
def submit(request, sandbox):
    """Submit one request; gives the job."""

    def blocking(**options):
        with MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url, **options) as client:
            return client.batches.submit([QUESTION])

    def on_a_loop(**options):
        async def run():
            async with AsyncMeliousClient(
                api_key=sandbox.api_key, base_url=sandbox.base_url, **options
            ) as client:
                return await client.batches.submit([QUESTION])

        return asyncio.run(run())

    return blocking if request.param == "sync" else on_a_loop


def asked(sandbox):
    return [
        f"{request.method} {request.path.rpartition('/')[2]}"
        for request in sandbox.requests
        if request.endpoint == "batches"
    ]


def creates(request):
    return request.method == "POST"


def test_an_answer_that_got_lost_makes_no_second_batch(submit, sandbox):
    sandbox.faults.add(Fault(endpoint="batches", cut_after_bytes=0), when=creates)
    job = submit()
    (batch,) = sandbox.batches.all()
    assert job.id == batch.id
    assert asked(sandbox) == ["GET batches", "POST batches", "GET batches"]


def test_half_an_answer_makes_no_second_batch(submit, sandbox):
    sandbox.faults.add(Fault(endpoint="batches", cut_after_bytes=20), when=creates)
    assert submit().id == sandbox.batches.all()[0].id
    assert len(sandbox.batches.all()) == 1


def test_an_answer_that_cannot_be_read_makes_no_second_batch(submit, sandbox):
    sandbox.faults.add(Fault(endpoint="batches", garbage="\x00"), when=creates)
    assert submit().id == sandbox.batches.all()[0].id
    assert len(sandbox.batches.all()) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_failure_without_a_batch_is_made_again(submit, sandbox, status):
    sandbox.faults.add(Fault(endpoint="batches", status=status), when=creates)
    assert submit().id == sandbox.batches.all()[0].id
    assert asked(sandbox) == ["GET batches", "POST batches", "GET batches", "POST batches"]


def test_a_refusal_is_not_looked_for(submit, sandbox):
    sandbox.faults.add(Fault(endpoint="batches", code="invalid_value"), when=creates)
    with pytest.raises(BadRequestError):
        submit()
    assert asked(sandbox) == ["GET batches", "POST batches"]


def test_a_rate_limit_is_retried_at_once_as_nothing_was_made(submit, sandbox):
    sandbox.faults.add(
        Fault(endpoint="batches", code="rate_limit", headers={"retry-after": "0"}), when=creates
    )
    submit()
    assert asked(sandbox) == ["GET batches", "POST batches", "POST batches"]


@pytest.mark.parametrize("retries", [0, 1])
def test_the_number_of_requests_is_bounded(submit, sandbox, retries):
    sandbox.faults.add(Fault(endpoint="batches", status=503, times=None), when=creates)
    with pytest.raises(ServerError):
        submit(max_retries=retries)
    assert asked(sandbox).count("POST batches") == 1 + retries
    assert not sandbox.batches.all()


def test_an_error_says_where_it_could_not_be_found_out(submit, sandbox):
    sandbox.faults.add(Fault(endpoint="batches", cut_after_bytes=0), when=creates)
    sandbox.faults.add(Fault(endpoint="batches", code="scope", after=1))
    with pytest.raises(APIConnectionError) as caught:
        submit()
    assert "could not be found out" in caught.value.__notes__[-1]


def test_a_service_that_keeps_no_metadata_gets_no_blind_retry_after_a_batch(submit, sandbox):
    """What was made cannot be recognised: the error of the last attempt is raised, and says so by its kind."""
    sandbox.faults.add(Fault(endpoint="batches", cut_after_bytes=0, times=None), when=creates)
    sandbox.replies.add(
        Reply(json={"object": "list", "data": []}), endpoint="batches", times=None, when=lists
    )
    with pytest.raises(MeliousError):
        submit(max_retries=0)
    assert asked(sandbox).count("POST batches") == 1


def lists(request):
    return request.method == "GET"
