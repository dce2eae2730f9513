"""Bound to this machine, the sandbox answers to names of this machine: no web page can reach it by another."""

import json

import pytest
import raw

from melious import MeliousClient
from melious.sandbox import Sandbox

CHAT = {"model": "llama-3.1-8b-instruct", "messages": [{"role": "user", "content": "Hi"}]}
PATHS = [
    "/",
    "/page/rows",
    "/v1/models",
    "/v1/models/glm-4.7",
    "/v1/chat/completions",
    "/pictures/x",
    "/nowhere",
]


def status(sandbox, host, *headers, path="/v1/models"):
    return raw.say(
        sandbox, raw.request(sandbox, f"GET {path} HTTP/1.1", f"host: {host}", *headers, key=sandbox.api_key)
    ).status


def post(sandbox, *headers, content_type="text/plain"):
    body = json.dumps(CHAT).encode()
    lines = (f"content-type: {content_type}", f"content-length: {len(body)}", *headers)
    return raw.say(
        sandbox,
        raw.request(sandbox, "POST /v1/chat/completions HTTP/1.1", *lines, key=sandbox.api_key, body=body),
    )


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS"])
def test_a_foreign_host_is_refused_on_every_path(sandbox, path, method):
    line = f"{method} {path} HTTP/1.1"
    lines = ("host: rebound.evil.example", "connection: close")  # an answer to HEAD ends with the connection
    assert raw.say(sandbox, raw.request(sandbox, line, *lines, key=sandbox.api_key)).status == 403
    assert list(sandbox.requests) == []


def test_the_refusal_says_what_to_do(sandbox):
    answer = raw.say(sandbox, raw.request(sandbox, "GET / HTTP/1.1", "host: rebound.evil.example:80"))
    assert "'rebound.evil.example'" in answer.message
    assert "allowed_hosts" in answer.message


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:9000", "localhost:", "LOCALHOST:8321", "localhost.", "sandbox.localhost", "127.0.0.1",
     "127.0.0.1:1", "127.8.9.10", "[::1]", "[::1]:80", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]"],
)  # fmt: skip
def test_names_of_this_machine_are_taken_with_any_port(sandbox, host):
    assert status(sandbox, host) == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evillocalhost", "10.0.0.1", "0.0.0.0",
     "[2001:db8::1]", "2130706433", "0x7f.1", "127.1", "EVIL.EXAMPLE.", "[::ffff:10.0.0.1]"],
)  # fmt: skip
def test_other_names_are_refused(sandbox, host):
    assert status(sandbox, host) == 403


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "host",
    ["", "[::1", "::1", "[::1]x", "[v1.x]", "[fe80::1%25eth0]", "user@localhost", "user:pw@localhost",
     "localhost:99999", "localhost:x", "localhost:-1", "localhost/x", "http://localhost", "localhost..", ".localhost",
     "a b", "localhost, evil.example", "*", "l\xf6calhost", "[1.2.3.4]"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/v1/models", "/nowhere"])
def test_a_malformed_host_is_a_bad_request(sandbox, host, path):
    assert status(sandbox, host, path=path) == 400


def test_so_are_two_hosts_and_none(sandbox):
    assert status(sandbox, "localhost", "host: localhost") == 400
    assert raw.say(sandbox, b"GET / HTTP/1.1\r\n\r\n").status == 400


@pytest.mark.parametrize(
    "target", ["http://evil.example/v1/models", "http://localhost/", "evil.example:443", "*"]
)
def test_it_is_not_a_proxy(sandbox, target):
    for method in ("GET", "CONNECT", "OPTIONS"):
        answer = raw.say(
            sandbox,
            raw.request(sandbox, f"{method} {target} HTTP/1.1", "host: localhost", key=sandbox.api_key),
        )
        assert answer.status == 400


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "https://localhost.evil.example", "null", "", "x", "http://[::1", "file://"],
)
@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"]
)
def test_a_post_of_a_foreign_page_is_refused(sandbox, origin, content_type):
    assert post(sandbox, f"origin: {origin}", content_type=content_type).status == 403
    assert list(sandbox.requests) == []


def test_one_foreign_origin_among_several_is_enough(sandbox):
    assert post(sandbox, "origin: http://localhost", "origin: http://evil.example").status == 403


@pytest.mark.parametrize(
    "origin", ["http://localhost:3000", "http://127.0.0.1:8888", "https://app.localhost", "http://[::1]"]
)
def test_pages_of_this_machine_and_programs_are_answered(sandbox, origin):
    assert post(sandbox, f"origin: {origin}", content_type="application/json").status == 200
    assert post(sandbox, content_type="application/json").status == 200


def test_the_refusal_does_not_wait_for_the_body(sandbox):
    lines = ("host: evil.example", "content-length: 800000000")
    answer = raw.say(sandbox, raw.request(sandbox, "POST /v1/chat/completions HTTP/1.1", *lines))
    assert answer.status == 403
    assert "connection: close" in answer.head


def test_further_hosts_can_be_allowed(start_sandbox):
    sandbox = start_sandbox(allowed_hosts=["host.docker.internal", "Box.Example", "2001:DB8::1"])
    for host in ("host.docker.internal:8321", "box.example", "BOX.example.", "[2001:db8::1]:1", "localhost"):
        assert status(sandbox, host) == 200
    assert status(sandbox, "other.example") == 403
    assert post(sandbox, "origin: https://box.example", content_type="application/json").status == 200


def test_bound_to_every_address_any_host_may_be_named(start_sandbox):
    sandbox = start_sandbox(host="0.0.0.0")
    assert status(sandbox, "melious.example") == 200
    assert post(sandbox, "origin: http://melious.example", content_type="application/json").status == 200
    assert status(sandbox, "[::1") == 400


def test_its_address_is_one_that_clients_take(start_sandbox):
    sandbox = start_sandbox(host="0.0.0.0")
    assert sandbox.base_url.startswith("http://127.0.0.1:")
    with MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url) as client:
        assert client.models.list()


def test_unless_some_are_allowed(start_sandbox):
    sandbox = start_sandbox(host="0.0.0.0", allowed_hosts=["melious.example"])
    assert [status(sandbox, host) for host in ("melious.example", "localhost", "evil.example")] == [
        200,
        200,
        403,
    ]


def test_bound_to_a_name(start_sandbox):
    sandbox = start_sandbox(host="localhost")
    assert [status(sandbox, host) for host in ("localhost", "evil.example")] == [200, 403]


@pytest.mark.parametrize("profile", ["live", "g1", "g2"])
def test_refusals_have_the_form_of_the_wire(start_sandbox, profile):
    sandbox: Sandbox = start_sandbox(profile)
    for host in ("evil.example", "[::1"):
        answer = raw.say(sandbox, raw.request(sandbox, "GET /v1/models HTTP/1.1", f"host: {host}"))
        assert answer.message
        assert "content-type: application/json" in answer.head
