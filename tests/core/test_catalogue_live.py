"""Who fetches the list of models, who waits, and how long it is fresh: by values, with the test's own clock."""

import asyncio
import subprocess
import sys
import threading

import pytest

from melious import APIConnectionError, MeliousClient
from melious.catalogue.live import Fetch, ListedModel, LiveModels, Wait, known, live_models

LIST = [ListedModel("glm-4.7", "zai", {"type": "chat"}), ListedModel("new", None, None)]


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def models(clock):
    return LiveModels("https://api.melious.ai/v1", clock)


def elsewhere(call):
    """The outcome of a call in another thread."""
    found = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()
    thread.join()
    return found[0]


def ids(cards):
    return [card.id for card in cards]


def test_a_list_is_fresh_for_max_age_seconds(models, clock):
    fetch = models.lookup(300)
    assert isinstance(fetch, Fetch)
    assert ids(fetch.succeeded(LIST)) == ["glm-4.7", "new"]
    clock.now += 299
    assert ids(models.lookup(300)) == ["glm-4.7", "new"]
    assert isinstance(models.lookup(200), Fetch)
    clock.now += 2
    assert isinstance(models.lookup(300), Fetch)


def test_other_callers_wait_and_get_the_outcome(models):
    fetch = models.lookup(300)
    wait = elsewhere(lambda: models.lookup(300))
    assert isinstance(wait, Wait)
    assert not wait.done.cancel(), "a waiting caller cannot cancel it"
    cards = fetch.succeeded(LIST)
    assert wait.done.result(0) == cards
    assert wait.resume() == cards


def test_a_caller_that_waited_too_long_fetches_and_others_wait_for_it(models):
    first = models.lookup(300)
    tired = elsewhere(lambda: models.lookup(300)).resume()
    assert isinstance(tired, Fetch)
    next_one = elsewhere(lambda: elsewhere(lambda: models.lookup(300)))
    assert isinstance(next_one, Wait)
    cards = tired.succeeded(LIST)
    assert next_one.resume() == cards
    late = first.succeeded(LIST[:1])
    assert ids(late) == ids(models.lookup(300)) == ["glm-4.7"]


def test_an_interrupted_caller_leaves_the_request_to_the_next(models):
    fetch = models.lookup(300)
    waits = [elsewhere(lambda: models.lookup(300)) for _ in range(2)]
    with pytest.raises(KeyboardInterrupt):
        fetch.failed(KeyboardInterrupt())
    after = [elsewhere(waits[0].resume), waits[1].resume()]
    assert [type(step) for step in after] == [Fetch, Wait]


def test_without_a_previous_list_every_caller_gets_the_error(models):
    fetch = models.lookup(300)
    wait = elsewhere(lambda: models.lookup(300))
    error = APIConnectionError("no answer")
    with pytest.raises(APIConnectionError) as mine:
        fetch.failed(error)
    with pytest.raises(APIConnectionError, match="no answer") as theirs:
        wait.resume()
    assert mine.value is error
    assert theirs.value is not error
    assert isinstance(models.lookup(300), Fetch), "the next one tries again at once"


def test_after_a_failure_the_previous_list_is_used_for_half_a_minute(models, clock, caplog):
    old = models.lookup(300).succeeded(LIST)
    clock.now += 1000
    fetch = models.lookup(300)
    wait = elsewhere(lambda: models.lookup(300))
    assert fetch.failed(APIConnectionError("no answer")) == old
    assert wait.resume() == old
    assert "using the list from 1000 s ago" in caplog.text
    clock.now += 29
    assert models.lookup(300) == old
    assert isinstance(models.lookup(0), Fetch), "max_age=0 always asks"
    clock.now += 2
    fetch = elsewhere(lambda: models.lookup(300, alone=True))
    assert isinstance(fetch, Fetch)
    fetch.succeeded(LIST[:1])
    assert ids(models.lookup(300)) == ["glm-4.7"]


def test_an_unreadable_list_leaves_no_caller_waiting(models):
    fetch = models.lookup(300)
    wait = elsewhere(lambda: models.lookup(300))
    with pytest.raises(AttributeError):
        fetch.succeeded([None])
    assert isinstance(wait.resume(), Fetch)


async def test_no_caller_waits_for_a_request_that_cannot_progress(models):
    loop = asyncio.get_running_loop()
    assert isinstance(models.lookup(300, loop), Fetch)
    assert isinstance(models.lookup(300, loop), Wait), "another task of the loop"
    assert isinstance(models.lookup(300), Fetch), "a blocking call on the loop's own thread"
    assert isinstance(models.lookup(300, object()), Fetch), "another loop on this thread"
    assert isinstance(elsewhere(lambda: models.lookup(300)), Wait)


def test_keys_and_base_urls_have_separate_lists():
    one = live_models("https://one.example/v1", "a")
    assert live_models("https://one.example/v1", "a") is one
    assert live_models("https://one.example/v1", "b") is not one
    assert live_models("https://two.example/v1", "a") is not one
    one.update([ListedModel("new", None, {"context_length": 5})])
    live_models("https://one.example/v1", "b").update([ListedModel("new", None, {"context_length": 7})])
    assert known("new", "https://one.example").context_length == 7, "the newest key"
    assert known("new", "https://two.example") is None
    for number in range(300):
        live_models("https://many.example/v1", str(number)).update(LIST)
    assert known("new", "https://one.example") is None, "the number of lists is bounded"
    assert known("new", "https://many.example").id == "new"


def test_a_first_answer_does_not_import_the_catalogue(sandbox):
    script = f"""
import sys
from melious import MeliousClient
with MeliousClient(api_key={sandbox.api_key!r}, base_url={sandbox.base_url!r}) as client:
    client.chat.create(model="glm-4.7", messages=[{{"role": "user", "content": "Hello!"}}])
    client.models.list()
    print([name for name in sys.modules if name.startswith("melious.catalogue")])
    client.models.find(type="rerank")
    print("melious.catalogue.shipped" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "True"]


def test_an_unpickled_client_shares_the_list(sandbox):
    import pickle

    client = MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url)
    with client, pickle.loads(pickle.dumps(client)) as copy:
        assert client.models.find(type="rerank") == copy.models.find(type="rerank")
    assert len(sandbox.requests) == 1
