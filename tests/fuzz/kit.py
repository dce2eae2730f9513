"""What the targets share: the loop, a mutator that knows the structure of JSON, and cuts at random."""

from __future__ import annotations

import copy
import json
import math
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from melious import MeliousError

Until = Callable[[], bool]


class Outcome(NamedTuple):
    """What came of one target.

    Attributes:
        target: The target's name.
        inputs: How many inputs it was given.
        escapes: One line for each input that went wrong: what escaped, from where, and the input's seed.
    """

    target: str
    inputs: int
    escapes: list[str]


def run(target: str, seed: int, until: Until, attempt: Callable[[Random], None]) -> Outcome:
    """Give a target inputs until it is time to stop; only a `MeliousError` may leave it.

    Args:
        target: The target's name.
        seed: With the number of the input, it makes each input again.
        until: Says that it is time to stop.
        attempt: Makes one input from a source of chance, and tries it.
    """
    escapes: list[str] = []
    inputs = 0
    while not until():
        name = f"{target}-{seed}-{inputs}"
        inputs += 1
        try:
            attempt(Random(name))
        except MeliousError:
            continue
        except Exception as error:
            escapes.append(f"{_what(error)} (seed {name})")
    return Outcome(target, inputs, escapes)


def times(count: int) -> Until:
    """Stop after so many inputs."""
    left = iter(range(count))
    return lambda: next(left, None) is None


def place_of(escape: str) -> str:
    """What escaped and from where, without the seed: equal for inputs that find the same fault."""
    return escape.rpartition(" (seed ")[0].partition(" | ")[0]


def _what(error: BaseException) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
    return f"{type(error).__name__} at {where} | {' '.join(ascii(str(error)).split())[:160]}"


# --- JSON ---------------------------------------------------------------------------------------------


def _deep(levels: int) -> Any:
    value: Any = "deep"
    for _ in range(levels):
        value = [value]
    return value


ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2.5,
    10**30,
    10**400,
    -(10**400),
    1e308,
    math.nan,
    math.inf,
    -math.inf,
    "",
    " ",
    "x",
    "7",
    "1e999",
    "None",
    "\ud800",
    "\udc00x",
    "\x00",
    "é" * 300,
    [],
    [None],
    [[]],
    [0],
    ["x"],
    [{}],
    [None, {}, "x", 5],
    {},
    {"x": 1},
    {"error": None},
    {"\ud800": "\udfff"},
    {"message": "hello"},
    {"text": 5},
    {"index": 0, "function": "f"},
    _deep(30),
    _deep(250),
)


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to everything in a value, itself included."""
    yield place
    if isinstance(value, dict):
        for key in value:
            yield from _places(value[key], (*place, key))
    elif isinstance(value, list) and len(place) < 12:
        for position, item in enumerate(value[:20]):
            yield from _places(item, (*place, position))


def _at(value: Any, place: tuple[Any, ...]) -> Any:
    for step in place:
        value = value[step]
    return value


def mutated(chance: Random, value: Any) -> Any:
    """A copy of a value with up to four changes: wrong types, lost or doubled parts, parts elsewhere."""
    value = copy.deepcopy(value)
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4))):
        places = list(_places(value))
        place = chance.choice(places)
        if not place:
            if chance.random() < 0.05:
                value = copy.deepcopy(chance.choice(ODD))
            continue
        holder, key = _at(value, place[:-1]), place[-1]
        kind = chance.randrange(10)
        if kind < 5:
            holder[key] = copy.deepcopy(chance.choice(ODD))
        elif kind == 5:
            del holder[key]
        elif kind == 6:
            holder[key] = copy.deepcopy(_at(value, chance.choice(places)))
        elif kind == 7:
            holder[key] = chance.choice(([holder[key]], {"text": holder[key]}, {"0": holder[key]}))
        elif kind == 8 and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        elif isinstance(holder, dict):
            names = [step for path in places for step in path if isinstance(step, str)]
            holder[chance.choice(names)] = copy.deepcopy(chance.choice(ODD))
    return value


def encoded(chance: Random, value: Any) -> bytes:
    """A value as JSON; now and then with some bytes broken."""
    data = json.dumps(value, ensure_ascii=chance.random() < 0.9).encode("utf-8", "surrogatepass")
    if chance.random() < 0.04 and data:
        at = chance.randrange(len(data))
        data = data[:at] + chance.choice((b"", chance.randbytes(1), b'"', b"}")) + data[at + 1 :]
    if chance.random() < 0.02:
        data = data[: chance.randrange(len(data) + 1)]
    return data


def cuts(chance: Random, data: bytes) -> list[bytes]:
    """Bytes cut into reads."""
    pieces: list[bytes] = []
    longest = chance.choice((1, 3, 20, 200, 5000))
    while data:
        size = chance.randint(1, longest)
        pieces.append(data[:size])
        data = data[size:]
    return pieces
