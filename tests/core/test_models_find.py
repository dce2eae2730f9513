"""`client.models.find`: what it gives, how often it asks, and what it does when the service says nothing."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from melious import APIStatusError, InvalidArgumentError, MeliousClient, PermissionDeniedError
from melious.catalogue import known, live
from melious.sandbox import Fault

from .held_server import until

PRICED = {
    "_meta": {
        "type": "chat",
        "input_modalities": ["text", "image"],
        "capabilities": {"function_calling": True},
        "context_length": 200_000,
        "pricing": {
            "input_cost_per_million_eur": "0.30",
            "output_cost_per_million_eur": 1,
            "currency": "EUR",
        },
    }
}


def listed(**models):
    """A fault that is no fault: the sandbox lists other models than its own."""
    data = [{"id": name, "object": "model", "owned_by": "melious"} | more for name, more in models.items()]
    return Fault(endpoint="models", body={"object": "list", "data": data})


def asked(sandbox):
    return [request for request in sandbox.requests if request.endpoint == "models"]


def ids(cards):
    return [card.id for card in cards]


def test_models_are_chosen_and_ordered(clients, client, sandbox):
    cards = clients.call(client, "models.find", type="chat", vision=True, tools=True, order_by="price")
    assert ids(cards)[:3] == ["glm-5.3-flash", "mistral-small-3.2-24b-instruct", "gemma-3-27b-it"]
    assert all(card.vision and card.tools and card.type == "chat" for card in cards)
    prices = [card.input_cost for card in cards if card.input_cost is not None]
    assert prices == sorted(prices)
    assert {card.input_cost for card in cards[len(prices) :]} == {None}
    assert [request.query for request in asked(sandbox)] == ["include_meta=true"]


def test_the_list_is_the_service_s_and_the_facts_it_leaves_out_are_those_known(clients, client, sandbox):
    flags = {"capabilities": {"streaming": True, "function_calling": True}}
    sandbox.faults.add(
        listed(
            **{
                "deepseek-v4-pro": {"_meta": {"type": "chat", "input_modalities": ["text"], **flags}},
                "kimi-k2.5": {"_meta": {"type": "chat", "max_output_tokens": None, **flags}},
                "brand-new": PRICED,
                "plain": {},
            }
        )
    )
    cards = {card.id: card for card in clients.call(client, "models.find")}
    assert set(cards) == {"deepseek-v4-pro", "kimi-k2.5", "brand-new", "plain"}
    assert cards["deepseek-v4-pro"].reasoning, "live lists miss the flag on models that think"
    assert cards["deepseek-v4-pro"].owned_by == "deepseek"
    assert cards["kimi-k2.5"].context_length == 262_144
    new = cards["brand-new"]
    assert (new.input_cost, new.output_cost, new.cache_read_cost) == (Decimal("0.30"), Decimal(1), None)
    assert (new.vision, new.tools, new.reasoning) == (True, True, None)
    plain = cards["plain"]
    assert (plain.type, plain.vision, plain.tools, plain.context_length) == (None, None, None, None)


def test_what_is_unknown_is_neither_a_yes_nor_a_no(clients, client, sandbox):
    sandbox.faults.add(listed(**{"plain": {}, "brand-new": PRICED}))
    for wanted in (
        {"vision": True},
        {"vision": False},
        {"tools": True},
        {"tools": False},
        {"reasoning": True},
        {"reasoning": False},
        {"min_context": 1},
        {"max_input_cost": 100},
        {"type": "chat"},
    ):
        assert "plain" not in ids(clients.call(client, "models.find", **wanted)), wanted
    assert ids(clients.call(client, "models.find", order_by="context")) == ["brand-new", "plain"]
    assert len(asked(sandbox)) == 1


def test_a_name_that_is_listed_and_not_served_is_left_out(clients, client):
    assert "deepseek-v4-flash" in {model.id for model in clients.call(client, "models.list").data}
    assert "deepseek-v4-flash" not in ids(clients.call(client, "models.find"))


def test_types_the_service_adds_can_be_asked_for(clients, client, sandbox):
    sandbox.faults.add(listed(watchful={"_meta": {"type": "guardrail"}}, later={"_meta": {"type": "video"}}))
    assert ids(clients.call(client, "models.find", type="guardrail")) == ["watchful"]
    assert ids(clients.call(client, "models.find", type="video")) == ["later"]
    assert clients.call(client, "models.find", type="hologram") == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"visoin": True}, "did you mean 'vision'"),
        ({"vision": "yes"}, "vision"),
        ({"order_by": "prize"}, "did you mean 'price'"),
        ({"order_by": 3}, "order_by"),
        ({"min_context": "128k"}, "min_context"),
        ({"max_input_cost": "cheap"}, "max_input_cost"),
        ({"max_input_cost": -1}, "max_input_cost"),
        ({"max_age": -1}, "max_age"),
        ({"max_age": float("nan")}, "max_age"),
        ({"type": 3}, "type"),
        ({"extra_body": {"a": 1}}, "extra_body"),
        ({"timeout": 0}, "timeout"),
    ],
)
def test_a_wrong_argument_sends_nothing(clients, client, sandbox, wrong, said):
    with pytest.raises(InvalidArgumentError, match=said):
        clients.call(client, "models.find", **wrong)
    assert not sandbox.requests
    assert clients.call(client, "models.find", type="rerank"), "nobody is left waiting for the wrong call"


def test_a_slip_in_a_type_is_told(clients, client):
    with pytest.raises(InvalidArgumentError, match="did you mean 'embeddings'"):
        clients.call(client, "models.find", type="embedings")


# --- how often the service is asked ------------------------------------------------------------------


def test_clients_of_one_key_ask_once_in_five_minutes_and_others_for_themselves(clients, start_sandbox):
    sandbox = start_sandbox(keys={"sk-mel-other": ["*"]})
    for _ in range(2):
        clients.call(clients.client(sandbox), "models.find", type="chat")
    assert len(asked(sandbox)) == 1
    clients.call(clients.client(sandbox, api_key="sk-mel-other"), "models.find", type="chat")
    assert len(asked(sandbox)) == 2
    clients.call(clients.client(sandbox), "models.find", type="chat", max_age=0)
    assert len(asked(sandbox)) == 3


def test_a_list_that_somebody_asked_for_counts(clients, client, sandbox):
    sandbox.faults.add(listed(**{"brand-new": PRICED}))
    clients.call(client, "models.list", include_meta=True)
    assert ids(clients.call(client, "models.find")) == ["brand-new"]
    assert len(asked(sandbox)) == 1


class CountedModels(live.LiveModels):
    """A list of models that keeps what it has told each caller to do."""

    def __init__(self, where):
        super().__init__(where)
        self.lookups = []

    def lookup(self, *args, **options):
        self.lookups.append(super().lookup(*args, **options))
        return self.lookups[-1]


@pytest.fixture
def once_all_ask(serve):
    """A server that answers the first request for models when so many callers wait for it."""

    def start(callers, answer=None):
        def script(asked):
            if asked.number:
                return None
            asked.once(lambda: len(models.lookups) >= callers)
            return answer

        server = serve(script)
        config = MeliousClient(api_key=server.api_key, base_url=server.base_url).config
        models = live._lists[config.base_url, config.key_digest] = CountedModels(config.base_url)
        return server

    return start


@pytest.mark.parametrize("age", [{}, {"max_age": 0}])
def test_many_callers_make_one_request(clients, once_all_ask, age):
    server = once_all_ask(12)
    found = clients.together(clients.client(server), "models.find", [{"type": "rerank", **age}] * 12)
    assert [ids(cards) for cards in found] == [["bge-reranker-v2-m3"]] * 12
    assert len(server.asked) == 1


def test_threads_and_tasks_wait_for_each_other(once_all_ask):
    from melious import AsyncMeliousClient

    server = once_all_ask(13)
    access = {"api_key": server.api_key, "base_url": server.base_url}

    async def tasks():
        async with AsyncMeliousClient(**access) as client:
            return await asyncio.gather(*(client.models.find(type="rerank") for _ in range(5)))

    with MeliousClient(**access) as client, ThreadPoolExecutor(6) as pool:
        threads = [pool.submit(client.models.find, type="rerank") for _ in range(3)]
        loops = [pool.submit(asyncio.run, tasks()) for _ in range(2)]
        found = [future.result() for future in threads]
        found += [cards for future in loops for cards in future.result()]
    assert [ids(cards) for cards in found] == [["bge-reranker-v2-m3"]] * 13
    assert len(server.asked) == 1


def test_many_callers_share_a_failure(clients, once_all_ask):
    server = once_all_ask(6, (403, {"error": {"message": "not for this key"}}))
    client = clients.client(server)
    errors = clients.together(client, "models.find", [{}] * 6)
    assert [type(error) for error in errors] == [PermissionDeniedError] * 6
    assert len({id(error) for error in errors}) == 6, "each caller has an error of its own"
    assert len(server.asked) == 1
    assert clients.call(client, "models.find"), "the next call asks again"


async def test_who_fetches_can_be_cancelled_and_another_goes_on(sandbox):
    from melious import AsyncMeliousClient

    sandbox.faults.add(Fault(endpoint="models", delay=3600.0))
    async with AsyncMeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url) as client:
        first = asyncio.create_task(client.models.find(type="rerank"))
        await asyncio.to_thread(until, lambda: len(asked(sandbox)) == 1)
        others = [asyncio.create_task(client.models.find(type="rerank")) for _ in range(3)]
        for _ in range(5):
            await asyncio.sleep(0)
        others[0].cancel()
        first.cancel()
        done = await asyncio.gather(*others, return_exceptions=True)
    assert isinstance(done[0], asyncio.CancelledError)
    assert [ids(cards) for cards in done[1:]] == [["bge-reranker-v2-m3"]] * 2
    assert len(asked(sandbox)) == 2


async def test_a_blocking_call_does_not_wait_for_a_task_of_its_own_thread(serve):
    from melious import AsyncMeliousClient

    server = serve(lambda asked: None if asked.number else asked.once_asked(2))
    access = {"api_key": server.api_key, "base_url": server.base_url}
    async with AsyncMeliousClient(**access) as client:
        task = asyncio.create_task(client.models.find(type="rerank"))
        await asyncio.to_thread(until, lambda: len(server.asked) == 1)
        with MeliousClient(**access) as blocking:
            assert ids(blocking.models.find(type="rerank")) == ["bge-reranker-v2-m3"]
        assert ids(await task) == ["bge-reranker-v2-m3"]


# --- stale beats none ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [503, 401, 429])
def test_when_the_refresh_fails_the_previous_list_is_used(clients, sandbox, status, caplog):
    client = clients.client(sandbox, max_retries=0, max_rate_limit_wait=0)
    sandbox.faults.add(listed(**{"brand-new": PRICED}))
    before = clients.call(client, "models.find")
    sandbox.faults.add(Fault(endpoint="models", status=status))
    assert clients.call(client, "models.find", max_age=0) == before
    assert any("did not list its models" in record.message for record in caplog.records)
    assert sandbox.api_key not in caplog.text
    assert len(asked(sandbox)) == 2
    assert clients.call(client, "models.find", max_age=0.000001) == before, "not asked again at once"
    assert len(asked(sandbox)) == 2
    assert "brand-new" not in ids(clients.call(client, "models.find", max_age=0))


def test_an_answer_that_is_no_list_is_survived_too(clients, client, sandbox):
    before = clients.call(client, "models.find")
    sandbox.faults.add(Fault(endpoint="models", body="<html>maintenance</html>", content_type="text/html"))
    assert clients.call(client, "models.find", max_age=0) == before


def test_without_an_earlier_list_the_failure_is_told(clients, client, sandbox):
    sandbox.faults.add(Fault(endpoint="models", status=403))
    with pytest.raises(APIStatusError) as caught:
        clients.call(client, "models.find")
    assert caught.value.status_code == 403


# --- the live list, without a request -------------------------------------------------------------------


def test_known_reads_the_live_list_of_that_service_without_a_request(clients, client, sandbox, start_sandbox):
    assert known("brand-new", sandbox.base_url) is None
    sandbox.faults.add(listed(**{"brand-new": PRICED, "glm-4.7": {"_meta": {"context_length": 203_000}}}))
    clients.call(client, "models.find")
    seen = len(sandbox.requests)
    card = known("brand-new:eco", sandbox.base_url.removesuffix("/v1"))
    assert card is not None
    assert card.context_length == 200_000
    assert known("glm-4.7", sandbox.base_url).context_length == 203_000
    assert known("glm-4.7", sandbox.base_url).tools, "the shipped facts stay where the live list says nothing"
    assert known("glm-4.7", start_sandbox().base_url).context_length == 131_072
    assert known("bge-m3", sandbox.base_url).dimensions == 1024, "not in that list, but shipped"
    assert known("glm-4.7", "no url at all").context_length == 131_072
    assert len(sandbox.requests) == seen


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_waits_for_nothing_that_its_parent_began(serve):
    import os

    if not hasattr(os, "fork"):
        return
    server = serve(lambda asked: None if asked.number else asked.once_asked(2))
    access = {"api_key": server.api_key, "base_url": server.base_url}
    with MeliousClient(**access) as client:
        thread = threading.Thread(target=client.models.find)
        thread.start()
        until(lambda: len(server.asked) == 1)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = 0 if ids(client.models.find(type="rerank")) == ["bge-reranker-v2-m3"] else 2
            finally:
                os._exit(status)
        thread.join()
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
