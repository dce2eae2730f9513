"""What cannot be meant is refused at once, by the name of the argument: in the classes, the header and the command."""

import json
import math
from collections.abc import Mapping

import pytest

from melious import InvalidArgumentError
from melious.sandbox import Fault, Sandbox
from melious_sandbox.__main__ import main

NO_WHOLE = [-1, 1.5, "1", True, math.nan, [], {}]
NO_SECONDS = [-1, "1", True, math.nan, math.inf, 1e300, 10**400, [], None]
NO_KEY = ["", " ", "a b", "sk\n", "sk-\u00e9", 5]
NO_URL = [
    "", "foo", "127.0.0.1:8000", "ftp://127.0.0.1", "http://", "http:///v1", "http://[::1/v1", "http://a:99999/v1",
    "http://a:x/v1", "http://a b/v1", "http://a/v1#x", "http://a\n/v1", "//a/v1", 5,
]  # fmt: skip
NO_HOST = [
    "",
    " ",
    "a b",
    "http://a",
    "a:80",
    "[::1]",
    "a/b",
    "a..b",
    "l\u00f6calhost",
    "fe80::1%eth0",
    "*",
    5,
    None,
]
FIELDS = {
    "endpoint": ["Chat", "", 5, ["chat"], {}],
    "times": [0, *NO_WHOLE],
    "after": [None, *NO_WHOLE],
    "status": [0, 99, 100, 199, 600, 700, 999, 10**30, *NO_WHOLE],
    "code": ["bad luck", 5, []],
    "body": [5, [], True, "\ud800", "a\udfffb"],
    "headers": [
        5, [], "a", {"": "x"}, {"a b": "x"}, {"\u00e9": "x"}, {"x": " y"}, {"x": "y "}, {"x": "\r\ny: z"}, {"x": "\x00"},
        {"x": "\u20ac"}, {"x": "\ud800"}, {"x": 5}, {"x": None}, {"transfer-encoding": "gzip"}, {"content-length": "-1"},
        {"Content-Length": "5, 5"}, {"content-length": ""}, {"content-length": "9" * 30},
    ],
    "content_type": [5, "a\nb", " a", "\u20ac"],
    "delay": NO_SECONDS,
    "cut_after_events": NO_WHOLE,
    "cut_after_bytes": NO_WHOLE,
    "stall_after_events": NO_WHOLE,
    "stall_seconds": NO_SECONDS,
    "stall_comments": [value for value in NO_SECONDS if value is not None],
    "error_after_events": NO_WHOLE,
    "no_done": [1, "yes", None],
    "two_terminals": [1, "yes", None],
    "raw": ["abc", 5, [5], [None], ["\u20ac"], [b"x"], {"a": "b"}],
    "garbage": [5, b"x", "\u20ac", "\ud800"],
    "truncate_base64": [1, None],
    "shuffle_indices": [1, None],
    "drop_item": [1, None],
    "ignore_encoding": [1, None],
    "refuse_base64": [1, None],
    "refuse_stream_options": [1, None],
    "impact": ["odd", 5, []],
    "cost": ["odd", 5, {}],
    "usage": ["odd", True],
}  # fmt: skip
SENT = {name: [value for value in values if value not in (b"x", [b"x"])] for name, values in FIELDS.items()}
ARGUMENTS = {
    "profile": ["x", "", None, 5, ["live"]],
    "api_key": NO_KEY,
    "host": NO_HOST,
    "port": [-1, 65_536, 99_999, None, "80", 1.5, True],
    "allowed_hosts": [None, "a.example", 5, *([host] for host in NO_HOST)],
    "keys": [[], "a", 5, {5: []}, {"a b": []}, {"a": "inference.chat"}, {"a": 5}, {"a": [5]}, {"a": None}],
    "rate_limit": NO_WHOLE,
    "rate_window": [0, *NO_SECONDS],
    "latency": NO_SECONDS,
    "pace": [-1, "1", math.nan, math.inf, 1e9, None, True],
    "stream_delay": NO_SECONDS,
    "stream_impact": [1, "yes"],
    "spurious_malformed": [1, "yes", None],
    "keepalive": [0, *NO_SECONDS],
    "max_requests_kept": [None, *NO_WHOLE],
    "max_bytes_kept": [None, *NO_WHOLE],
    "max_body_bytes": [None, *NO_WHOLE],
    "upstream": NO_URL,
}  # fmt: skip


def pairs(table: Mapping[str, list[object]]) -> list[object]:
    return [
        pytest.param(name, value, id=f"{name}-{position}")
        for name, values in table.items()
        for position, value in enumerate(values)
    ]


@pytest.mark.parametrize(("name", "value"), pairs(FIELDS))
def test_fields_of_a_fault(name, value):
    with pytest.raises(InvalidArgumentError, match=rf"^{name}") as caught:
        Fault(**{name: value})
    assert isinstance(caught.value, ValueError)
    assert caught.value.param.startswith(name)


def test_every_field_of_a_fault_is_checked():
    assert FIELDS.keys() == set(Fault.__dataclass_fields__)


@pytest.mark.parametrize(
    "body", [{"a": {1, 2}}, {"a": object()}, {"a": b"\xff"}], ids=["set", "object", "bytes"]
)
def test_a_body_that_is_not_json(body):
    with pytest.raises(InvalidArgumentError, match=r"^body"):
        Fault(body=body)


def test_a_body_inside_itself():
    body = {}
    body["a"] = body
    with pytest.raises(InvalidArgumentError, match=r"^body"):
        Fault(body=body)


def test_what_is_not_a_fault_cannot_be_added(sandbox):
    with pytest.raises(InvalidArgumentError, match="Fault"):
        sandbox.faults.add({"status": 503})
    assert len(sandbox.faults) == 0


@pytest.mark.parametrize(("name", "value"), pairs(ARGUMENTS))
def test_arguments_of_a_sandbox(name, value):
    with pytest.raises(InvalidArgumentError, match=rf"^{name}") as caught:
        Sandbox(**{name: value})
    assert caught.value.param.startswith(name)


@pytest.mark.parametrize("value", NO_KEY)
def test_the_key_of_the_server_behind(value):
    with pytest.raises(InvalidArgumentError, match=r"^upstream_key"):
        Sandbox(upstream="http://127.0.0.1:9/v1", upstream_key=value)


def test_a_key_for_no_server():
    with pytest.raises(InvalidArgumentError, match="upstream_key needs upstream"):
        Sandbox(upstream_key="sk-local")


def test_no_key_and_no_password_is_shown():
    for arguments in (
        {"api_key": "very secret"},
        {"keys": {"very secret": []}},
        {"upstream": "ftp://me:very-secret@a"},
        {"upstream": "http://a", "upstream_key": "very secret"},
    ):
        with pytest.raises(InvalidArgumentError) as caught:
            Sandbox(**arguments)
        assert "secret" not in str(caught.value)


ODD_HEADERS = [
    "", "{", "[]", "null", "5", '"x"', "NaN", "{}x", '{"status":503,}', "\xff", '{"nonsense":1}', '{"\\ud800":1}',
    '{"body":"\\ud800"}', '{"status":999}', '{"status":1e3}', '{"status":NaN}', '{"delay":NaN}', '{"delay":1e999}',
    '{"delay":-Infinity}', '{"delay":86401}', '{"delay":-0.1}', '{"stall_seconds":1e300}', '{"body_latin1":5}',
    '{"body_latin1":"\\u20ac"}', '{"body":"a","body_latin1":"b"}', '{"headers":{"a b":"c"}}', '{"headers":{"x":" y"}}',
    '{"headers":{"transfer-encoding":"gzip"}}', '{"raw":"abc"}', '{"raw":[1]}', '{"times":' + "9" * 5000 + "}",
    "[" * 30_000,
]  # fmt: skip
DEEP_BODIES = ["[" * 20_000 + "]" * 20_000, '{"a":' * 5_000 + "1" + "}" * 5_000]


@pytest.mark.parametrize("header", ODD_HEADERS, ids=range(len(ODD_HEADERS)))
@pytest.mark.parametrize("path", ["/models", "/nowhere"])
def test_odd_fault_headers(http, header, path):
    answer = http.get(path, headers={b"x-sandbox-fault": header.encode("latin-1")})
    assert answer.status_code == 400
    assert "x-sandbox-fault" in answer.json()["error"]["message"]


@pytest.mark.parametrize("body", DEEP_BODIES, ids=["array", "object"])
@pytest.mark.parametrize("path", ["/models", "/nowhere"])
def test_a_fault_with_a_deep_body_is_played_or_refused(http, body, path):
    """How deep the decoder of JSON goes differs between Pythons."""
    answer = http.get(path, headers={"x-sandbox-fault": f'{{"body":{body}}}'})
    if answer.status_code == 200:
        assert answer.text.replace(" ", "") == body
    else:
        assert answer.status_code == 400
        assert "x-sandbox-fault" in answer.json()["error"]["message"]


@pytest.mark.parametrize(("name", "value"), pairs(SENT))
def test_every_fault_that_cannot_be_made_is_refused_as_a_header(http, name, value):
    header = {"x-sandbox-fault": json.dumps({name: value})}
    answer = http.get("/models", headers=header)
    assert answer.status_code == 400
    assert name in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [
        ("--rate-limit", "0", "at least 1"),
        ("--rate-limit", "-5", "at least 1"),
        ("--rate-limit", "x", "at least 1"),
        ("--latency", "-1", "from 0 to 86,400"),
        ("--latency", "nan", "from 0 to 86,400"),
        ("--latency", "x", "invalid float value"),
        ("--stream-delay", "-1", "from 0 to 86,400"),
        ("--pace", "-1", "from 0 to 1,000"),
        ("--pace", "inf", "from 0 to 1,000"),
        ("--port", "99999", "from 0 to 65535"),
        ("--port", "-1", "from 0 to 65535"),
        ("--port", "x", "invalid int value"),
        ("--profile", "x", "live"),
        ("--key", "a b", "printable"),
        ("--key", "", "printable"),
        ("--host", "a:80", "without a port"),
        ("--host", "", "without a port"),
        ("--allowed-hosts", "http://a", "without a port"),
        ("--max-body-bytes", "-1", "at least 0"),
        ("--upstream", "foo", "http or https URL"),
        ("--upstream", "http://me:pw@[::1", "http or https URL"),
        ("--upstream-key-env", "NOT_THERE", "NOT_THERE"),
    ],
)
def test_the_command_names_the_flag(flag, value, said, capsys, monkeypatch):
    monkeypatch.delenv("NOT_THERE", raising=False)
    with pytest.raises(SystemExit) as ended:
        main([f"{flag}={value}"])
    errors = capsys.readouterr().err.splitlines()[-1]
    assert ended.value.code == 2
    assert f"argument {flag}: " in errors
    assert said in errors
    assert "pw" not in errors
