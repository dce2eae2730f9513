"""Who fetches the list of models, who waits, and how long it is good: by values, with a clock of the test's own."""

import asyncio
import subprocess
import sys
import threading

import pytest

from melious import APIConnectionError, MeliousClient
from melious.catalogue.heard import Fetch, Shelf, Told, Wait, known, shelf_of

LIST = [Told("glm-4.7", "zai", {"type": "chat"}), Told("new", None, None)]


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def shelf(clock):
    return Shelf("https://api.melious.ai/v1", clock)


def elsewhere(call):
    """The outcome of a call in another thread."""
    found = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()
    thread.join()
    return found[0]


def ids(cards):
    return [card.id for card in cards]


def test_a_list_is_good_for_as_long_as_is_asked(shelf, clock):
    fetch = shelf.turn(300)
    assert isinstance(fetch, Fetch)
    assert ids(fetch.succeeded(LIST)) == ["glm-4.7", "new"]
    clock.now += 299
    assert ids(shelf.turn(300)) == ["glm-4.7", "new"]
    assert isinstance(shelf.turn(200), Fetch)
    clock.now += 2
    assert isinstance(shelf.turn(300), Fetch)


def test_others_wait_and_get_what_came_of_it(shelf):
    fetch = shelf.turn(300)
    wait = elsewhere(lambda: shelf.turn(300))
    assert isinstance(wait, Wait)
    assert not wait.landed.cancel(), "who waits cannot call it off"
    cards = fetch.succeeded(LIST)
    assert wait.landed.result(0) == cards
    assert wait.over() == cards


def test_who_waits_too_long_fetches_and_others_wait_for_that_one(shelf):
    first = shelf.turn(300)
    tired = elsewhere(lambda: shelf.turn(300)).over()
    assert isinstance(tired, Fetch)
    next_one = elsewhere(lambda: elsewhere(lambda: shelf.turn(300)))
    assert isinstance(next_one, Wait)
    cards = tired.succeeded(LIST)
    assert next_one.over() == cards
    late = first.succeeded(LIST[:1])
    assert ids(late) == ids(shelf.turn(300)) == ["glm-4.7"]


def test_one_who_gives_up_leaves_it_to_the_next(shelf):
    fetch = shelf.turn(300)
    waits = [elsewhere(lambda: shelf.turn(300)) for _ in range(2)]
    with pytest.raises(KeyboardInterrupt):
        fetch.failed(KeyboardInterrupt())
    after = [elsewhere(waits[0].over), waits[1].over()]
    assert [type(turn) for turn in after] == [Fetch, Wait]


def test_a_failure_with_nothing_before_it_is_everybody_s(shelf):
    fetch = shelf.turn(300)
    wait = elsewhere(lambda: shelf.turn(300))
    error = APIConnectionError("no answer")
    with pytest.raises(APIConnectionError) as mine:
        fetch.failed(error)
    with pytest.raises(APIConnectionError, match="no answer") as theirs:
        wait.over()
    assert mine.value is error
    assert theirs.value is not error
    assert isinstance(shelf.turn(300), Fetch), "the next one tries again at once"


def test_a_failure_after_a_list_gives_that_list_and_half_a_minute_of_peace(shelf, clock, caplog):
    old = shelf.turn(300).succeeded(LIST)
    clock.now += 1000
    fetch = shelf.turn(300)
    wait = elsewhere(lambda: shelf.turn(300))
    assert fetch.failed(APIConnectionError("no answer")) == old
    assert wait.over() == old
    assert "from 1000 s ago" in caplog.text
    clock.now += 29
    assert shelf.turn(300) == old
    assert isinstance(shelf.turn(0), Fetch), "whoever wants a new one is not put off"
    clock.now += 2
    fetch = elsewhere(lambda: shelf.turn(300, alone=True))
    assert isinstance(fetch, Fetch)
    fetch.succeeded(LIST[:1])
    assert ids(shelf.turn(300)) == ["glm-4.7"]


def test_a_list_that_cannot_be_read_leaves_nobody_waiting(shelf):
    fetch = shelf.turn(300)
    wait = elsewhere(lambda: shelf.turn(300))
    with pytest.raises(AttributeError):
        fetch.succeeded([None])
    assert isinstance(wait.over(), Fetch)


async def test_nobody_waits_for_what_stands_still_meanwhile(shelf):
    loop = asyncio.get_running_loop()
    assert isinstance(shelf.turn(300, loop), Fetch)
    assert isinstance(shelf.turn(300, loop), Wait), "another task of the loop"
    assert isinstance(shelf.turn(300), Fetch), "a blocking call on the loop's own thread"
    assert isinstance(shelf.turn(300, object()), Fetch), "another loop on this thread"
    assert isinstance(elsewhere(lambda: shelf.turn(300)), Wait)


def test_keys_and_addresses_have_lists_of_their_own():
    one = shelf_of("https://one.example/v1", "a")
    assert shelf_of("https://one.example/v1", "a") is one
    assert shelf_of("https://one.example/v1", "b") is not one
    assert shelf_of("https://two.example/v1", "a") is not one
    one.learn([Told("new", None, {"context_length": 5})])
    shelf_of("https://one.example/v1", "b").learn([Told("new", None, {"context_length": 7})])
    assert known("new", "https://one.example").context_length == 7, "the key that came last"
    assert known("new", "https://two.example") is None
    for number in range(300):
        shelf_of("https://many.example/v1", str(number)).learn(LIST)
    assert known("new", "https://one.example") is None, "there is an end to what is kept"
    assert known("new", "https://many.example").id == "new"


def test_a_first_answer_costs_no_catalogue(sandbox):
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


def test_a_client_that_went_into_a_pickle_shares_the_list(sandbox):
    import pickle

    client = MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url)
    with client, pickle.loads(pickle.dumps(client)) as copy:
        assert client.models.find(type="rerank") == copy.models.find(type="rerank")
    assert len(sandbox.requests) == 1
