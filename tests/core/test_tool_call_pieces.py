"""Tool calls of streams: their pieces are merged however servers cut them, and each has an id of its own."""

from typing import Any

import pytest

from melious.wire.completion import PartialChoice


def _piece(index: Any = ..., id_: Any = ..., name: Any = ..., arguments: Any = ...) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    piece = {"index": index, "id": id_, "function": {k: v for k, v in function.items() if v is not ...}}
    return {k: v for k, v in piece.items() if v is not ...}


TWO = [("a", "get", '{"x":1}'), ("b", "put", '{"y":2}')]
MERGES: dict[str, tuple[list[list[dict[str, Any]]], list[tuple[Any, ...]]]] = {
    "in one piece": ([[_piece(0, "a", "get", '{"x":1}'), _piece(1, "b", "put", '{"y":2}')]], TWO),
    "in turns": (
        [
            [_piece(0, "a", "get", "")],
            [_piece(1, "b", "put", "")],
            [_piece(0, None, None, '{"x"')],
            [_piece(1, None, None, '{"y"')],
            [_piece(0, None, None, ":1}"), _piece(1, None, None, ":2}")],
        ],
        TWO,
    ),
    "without index": (
        [
            [_piece(id_="a", name="get", arguments='{"x"')],
            [_piece(arguments=":1}")],
            [_piece(id_="b", name="put", arguments='{"y":2}')],
        ],
        TWO,
    ),
    "ids on every piece": (
        [[_piece(0, "a", "get", '{"x"')], [_piece(0, "a", "get", ":1}")], [_piece(1, "b", "put", '{"y":2}')]],
        TWO,
    ),
    "one index for both": (
        [[_piece(0, "a", "get", '{"x":1}')], [_piece(0, "b", "put", '{"y"')], [_piece(0, None, None, ":2}")]],
        TWO,
    ),
    "in turns by id alone": (
        [
            [_piece(id_="a", name="get", arguments='{"x"')],
            [_piece(id_="b", name="put", arguments='{"y"')],
            [_piece(id_="a", arguments=":1}")],
            [_piece(id_="b", arguments=":2}")],
        ],
        TWO,
    ),
    "in turns under one index": (
        [
            [_piece(0, "a", "get", '{"x"'), _piece(0, "b", "put", '{"y"')],
            [_piece(0, "a", "get", ":1}"), _piece(0, "b", "put", ":2}")],
        ],
        TWO,
    ),
    "index as text": ([[_piece("0", "a", "get", '{"x":1}')], [_piece("1", "b", "put", '{"y":2}')]], TWO),
    "arguments as object": ([[_piece(0, "a", "get", {"x": 1})], [_piece(1, "b", "put", {"y": 2})]], TWO),
    "no arguments": (
        [[_piece(0, "a", "get")], [_piece(1, "b", "put", None)]],
        [("a", "get", ""), ("b", "put", "")],
    ),
    "ids of their own under one index, arguments apart": (
        [
            [_piece(0, "a", "get", "")],
            [_piece(0, None, None, '{"x":1}')],
            [_piece(0, "b", "put", "")],
            [_piece(0, None, None, '{"y":2}')],
        ],
        TWO,
    ),
    "id and name on every piece": (
        [
            [_piece(0, "a", "get", '{"x"')],
            [_piece(0, "a", "get", ":1}")],
            [_piece(0, "a", "get", "")],
            [_piece(1, "b", "put", '{"y":2}')],
        ],
        TWO,
    ),
    "the last one again": (
        [
            [_piece(0, "a", "get", '{"x":1}')],
            [_piece(1, "b", "put", '{"y":2}')],
            [_piece(1, "b", "put", '{"y":2}')],
        ],
        TWO,
    ),
    "not even pieces": ([[None, 5, "x", _piece(0, "a", "get", "{}")]], [("a", "get", "{}")]),  # type: ignore[list-item]
}


@pytest.mark.parametrize(("deltas", "calls"), MERGES.values(), ids=list(MERGES))
def test_tool_calls_are_merged_however_they_are_cut(
    deltas: list[list[dict[str, Any]]], calls: list[tuple[Any, ...]]
) -> None:
    choice = PartialChoice(0)
    out = [piece for delta in deltas for piece in choice.merge_calls(delta)]
    merged = [call.to_wire() for call in choice.calls]
    assert [(call["id"], *call["function"].values()) for call in merged] == calls
    assert [call["index"] for call in merged] == list(range(len(calls)))
    again: dict[int, list[Any]] = {}
    for piece in out:
        call = again.setdefault(piece["index"], [None, None, ""])
        if "id" in piece:
            assert call[0] is None, "an id comes once"
            call[0] = piece["id"]
        if "name" in piece["function"]:
            assert call[1] is None, "a name comes once"
            call[1] = piece["function"]["name"]
        call[2] += piece["function"]["arguments"]
    assert [tuple(call) for call in again.values()] == calls, "who puts the pieces together gets the same"


SAME = [("get", '{"x":1}'), ("get", '{"y":2}')]
UNIDENTIFIED: dict[str, list[list[dict[str, Any]]]] = {
    "no ids": [[_piece(0, name="get", arguments='{"x":1}')], [_piece(1, name="get", arguments='{"y":2}')]],
    "no ids, one index": [
        [_piece(0, name="get", arguments='{"x":1}')],
        [_piece(0, name="get", arguments='{"y":2}')],
    ],
    "neither": [[_piece(name="get", arguments='{"x":1}')], [_piece(name="get", arguments='{"y":2}')]],
    "empty ids": [[_piece(0, "", "get", '{"x":1}'), _piece(1, "", "get", '{"y":2}')]],
    "blank ids": [[_piece(0, " ", "get", '{"x":1}'), _piece(1, " ", "get", '{"y":2}')]],
    "one id for both": [[_piece(0, "a", "get", '{"x":1}')], [_piece(1, "a", "get", '{"y":2}')]],
    "one id for both, in pieces": [
        [_piece(0, "a", "get", ""), _piece(1, "a", "get", "")],
        [_piece(0, None, None, '{"x"'), _piece(1, None, None, '{"y"')],
        [_piece(0, "a", None, ":1}"), _piece(1, "a", None, ":2}")],
    ],
    "one id and one index": [[_piece(0, "a", "get", '{"x":1}')], [_piece(0, "a", "get", '{"y":2}')]],
    "one id, no index": [
        [_piece(id_="a", name="get", arguments='{"x":1}')],
        [_piece(id_="a", name="get", arguments='{"y":2}')],
    ],
    "the first alone has an id": [
        [_piece(0, "a", "get", '{"x":1}')],
        [_piece(1, None, "get", '{"y"')],
        [_piece(1, None, None, ":2}")],
    ],
    "no ids, one index, arguments apart": [
        [_piece(0, None, "get", "")],
        [_piece(0, None, None, '{"x"')],
        [_piece(0, None, None, ":1}")],
        [_piece(0, None, "get", "")],
        [_piece(0, None, None, '{"y"')],
        [_piece(0, None, None, ":2}")],
    ],
    "one id for both, arguments apart": [
        [_piece(id_="a", name="get", arguments="")],
        [_piece(arguments='{"x":1}')],
        [_piece(id_="a", name="get", arguments="")],
        [_piece(id_="a", arguments='{"y"')],
        [_piece(arguments=":2}")],
    ],
    "indices with a fraction": [
        [_piece(0.0, "a", "get", ""), _piece(1.0, "a", "get", "")],
        [_piece(1.0, None, None, '{"y":2}'), _piece(0.0, None, None, '{"x":1}')],
    ],
    "an id after the name": [
        [_piece(0, None, "get", ""), _piece(1, None, "get", "")],
        [_piece(0, "a", None, '{"x":1}'), _piece(1, "b", "get", '{"y":2}')],
    ],
}


@pytest.mark.parametrize("deltas", UNIDENTIFIED.values(), ids=list(UNIDENTIFIED))
def test_calls_without_ids_of_their_own_stay_apart_and_get_them(deltas: list[list[dict[str, Any]]]) -> None:
    choice = PartialChoice(0)
    out = [piece for delta in deltas for piece in choice.merge_calls(delta)]
    calls = choice.calls_on_wire()
    assert [tuple(call["function"].values()) for call in calls] == SAME
    ids = [call["id"] for call in calls]
    assert all(ids)
    assert len(set(ids)) == len(ids)
    assert [piece["id"] for piece in out if "id" in piece] == ids, "an id comes once, with the first piece"
