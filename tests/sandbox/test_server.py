"""The server as an object and as a command: starts, stops, leaves nothing behind."""

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest
import raw
from faults.faults_kit import eventually

from melious.sandbox import Fault, Reply, Sandbox
from melious_sandbox.__main__ import main

HELLO = {"model": "llama-3.1-8b-instruct", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.mark.parametrize("path", ["/models", "/nowhere"])
def test_every_answer_says_that_it_comes_from_a_sandbox(client_of, path):
    with Sandbox() as sandbox, client_of(sandbox) as http:
        assert http.get(path).headers["server"] == "melious-sandbox"


def test_start_and_stop_leave_nothing(client_of):
    before = set(threading.enumerate())
    sandbox = Sandbox().start()
    port = int(re.search(r":(\d+)/v1$", sandbox.base_url)[1])
    with client_of(sandbox) as http:
        assert http.get("/models").status_code == 200
        assert sandbox.open_connections == 1
        sandbox.stop()
        with pytest.raises(httpx.TransportError):
            http.get("/models")
    assert set(threading.enumerate()) == before
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", port))
    with pytest.raises(RuntimeError, match="not running"):
        _ = sandbox.base_url
    sandbox.stop()
    assert "stopped" in repr(sandbox)


def test_it_can_start_again(client_of):
    sandbox = Sandbox()
    for _ in range(2):
        with sandbox:
            assert client_of(sandbox).get("/models").status_code == 200
    assert len(sandbox.requests) == 2


def test_stop_while_a_stream_stalls(client_of):
    with Sandbox() as sandbox:
        sandbox.faults.add(Fault(stall_after_events=1, stall_seconds=600))
        http = client_of(sandbox)
        with http.stream("POST", "/chat/completions", json=HELLO | {"stream": True}) as response:
            parts = response.iter_raw()
            assert next(parts).startswith(b"data: ")
            sandbox.stop()
            with pytest.raises(httpx.TransportError):
                list(parts)


def test_a_port_that_is_taken():
    with Sandbox() as sandbox, pytest.raises(OSError, match="in use"):
        Sandbox(port=int(sandbox.base_url.rpartition(":")[2].removesuffix("/v1"))).start()


async def test_inside_a_running_event_loop():
    with Sandbox() as sandbox:
        async with httpx.AsyncClient(
            base_url=sandbox.base_url, headers={"x-api-key": sandbox.api_key}, trust_env=False
        ) as http:
            answers = await asyncio.gather(*(http.post("/chat/completions", json=HELLO) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.headers["x-request-id"] for answer in answers}) == 20


def test_open_connections_follow_the_client(start_sandbox, client_of):
    sandbox = start_sandbox()
    assert sandbox.open_connections == 0
    with client_of(sandbox) as http:
        http.get("/models")
        http.get("/models")
        assert sandbox.open_connections == 1
        assert sandbox.requests[-1].connection == sandbox.requests[-2].connection
    assert eventually(lambda: sandbox.open_connections == 0)


def test_a_client_that_leaves_a_stream_is_noticed(start_sandbox, client_of):
    sandbox = start_sandbox()
    sandbox.faults.add(Fault(stall_after_events=2, stall_seconds=600))
    with (
        client_of(sandbox) as http,
        http.stream("POST", "/chat/completions", json=HELLO | {"stream": True}) as response,
    ):
        parts = response.iter_raw()
        next(parts)
        assert sandbox.open_connections == 1
    assert eventually(lambda: sandbox.open_connections == 0)
    assert not sandbox.requests[-1].complete
    assert sandbox.requests[-1].status == 200


def test_clients_that_break_off_a_stream_leave_nothing_in_the_log(sandbox, caplog):
    """Events are written in runs, and asyncio warns of each write to a connection that is gone."""
    sandbox.replies.add(Reply(chunks=["word "] * 5000), times=None)
    body = json.dumps(HELLO | {"stream": True}).encode()
    line = "POST /v1/chat/completions HTTP/1.1"
    asked = raw.request(sandbox, line, f"content-length: {len(body)}", key=sandbox.api_key, body=body)
    for _ in range(10):
        with socket.create_connection(raw.address_of(sandbox), 60) as sock:
            sock.sendall(asked)
            assert sock.recv(1000)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert eventually(lambda: all(request.duration is not None for request in sandbox.requests))
    assert not any(request.complete for request in sandbox.requests)
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


def test_requests_are_recorded(sandbox, http):
    http.post("/chat/completions", json=HELLO, headers={"x-mine": "yes"})
    http.get("/models?include_meta=true")
    chat, models = sandbox.requests
    assert (chat.method, chat.path, chat.endpoint) == ("POST", "/v1/chat/completions", "chat")
    assert (chat.body, chat.headers["x-mine"], chat.status) == (HELLO, "yes", 200)
    assert chat.complete
    assert (models.query, models.body) == ("include_meta=true", None)
    assert sandbox.requests.to("models") == [models]
    sandbox.reset()
    assert list(sandbox.requests) == []


def test_only_so_many_are_kept(start_sandbox, client_of):
    sandbox = start_sandbox(max_requests_kept=3)
    http = client_of(sandbox)
    ids = [http.get("/models").headers["x-request-id"] for _ in range(5)]
    assert [request.request_id for request in sandbox.requests] == ids[-3:]


def test_latency(start_sandbox, client_of):
    http = client_of(start_sandbox(latency=0.1))
    started = time.monotonic()
    http.get("/models")
    assert time.monotonic() - started >= 0.1


@pytest.mark.parametrize("stream", [False, True])
def test_answers_take_as_long_as_their_provider_needs(start_sandbox, client_of, stream):
    http = client_of(start_sandbox(pace=1.0))
    wish = {"filters": {"countries": ["IT"]}, "stream": stream, "stream_options": {"include_usage": True}}
    started = time.monotonic()
    answer = http.post("/chat/completions", json=HELLO | wish).text
    took = time.monotonic() - started
    tokens = int(re.search(r'"completion_tokens": ?(\d+)', answer)[1])
    # Each event of a stream is held back by the time of one token.
    assert tokens / 120 * (0.8 if stream else 1) <= took


def test_no_answer_waits_for_the_acknowledgement_of_the_one_before(sandbox, http):
    """That is Nagle's algorithm, which holds the second part of an answer back."""
    http.post("/chat/completions", json=HELLO)
    for connection in sandbox._running().server_state.connections:
        accepted = connection.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_command(number):
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "melious.sandbox",
        "--port",
        "0",
        "--profile",
        "g2",
        "--key",
        "sk-mel-x",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            greeting = ""
            while "Ctrl-C" not in greeting:
                greeting += process.stdout.readline()
            url = re.search(r"MELIOUS_BASE_URL=(\S+)", greeting)[1]
            assert "profile g2" in greeting
            answer = httpx.get(f"{url}/models", headers={"x-api-key": "sk-mel-x"}, trust_env=False)
            assert "x-ratelimit-limit-requests" in answer.headers
            process.send_signal(number)
            _, errors = process.communicate()
        finally:
            process.kill()
    assert process.returncode == 0
    assert errors == ""


def test_command_says_what_is_wrong(sandbox, capsys, monkeypatch):
    monkeypatch.delenv("NOT_THERE", raising=False)
    port = sandbox.base_url.rpartition(":")[2].removesuffix("/v1")

    def run(*arguments):
        try:
            status = main(arguments, "melious sandbox")
        except SystemExit as ended:  # of argparse
            status = ended.code
        return status, capsys.readouterr().err

    status, said = run("--port", "65536")
    assert (status, "from 0 to 65535" in said) == (2, True)
    status, said = run("--port", port)
    assert (status, port in said) == (1, True)
    status, said = run("--upstream", "http://127.0.0.1:1/v1", "--upstream-key-env", "NOT_THERE")
    assert (status, "NOT_THERE" in said) == (2, True)
