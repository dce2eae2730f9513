"""``melious sandbox``: what it prints is true, and can be pasted as it stands."""

import re
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack

import httpx
import pytest
from faults.faults_kit import eventually

from melious_sandbox.__main__ import greeting, main
from melious_sandbox.service.upstream import unreachable


@pytest.fixture
def printed(sandbox):
    return greeting(sandbox.base_url, sandbox.api_key, sandbox.profile)


@pytest.mark.parametrize("upstream", ["", "http://127.0.0.1:11434/v1"])
@pytest.mark.parametrize("profile", ["live", "g1", "g2"])
def test_it_fits_a_terminal(profile, upstream):
    text = greeting("http://127.0.0.1:65535/v1", "sk-mel-sandbox", profile, upstream)
    assert max(map(len, text.splitlines())) <= 100
    assert f"profile {profile}:" in text
    assert upstream in text
    assert ("any that the server behind knows" in text) == bool(upstream)


def test_it_serves_what_it_says(printed, sandbox, http):
    paths = re.findall(r"(POST|GET) (/\S+) +(\d+)", printed)
    assert [path for _, path, _ in paths] == [
        "/chat/completions", "/embeddings", "/rerank", "/images/generations", "/audio/transcriptions", "/models"
    ]  # fmt: skip
    for method, path, _ in paths:
        assert http.request(method, path).status_code == (200 if method == "GET" else 400)
    *kinds, total = (int(count) for _, _, count in paths)
    assert sum(kinds) == total == len(http.get("/models").json()["data"])
    page = re.search(r"Requests as they come: +(\S+)", printed)[1]
    assert page == sandbox.page_url
    assert "Melious sandbox" in httpx.get(page, trust_env=False).text


def test_its_lines_for_a_shell_can_be_pasted(printed, sandbox):
    lines = re.search(r"(  export MELIOUS_BASE_URL.*?)\n\nFrom Python", printed, re.DOTALL)[1]
    assert printed.splitlines()[2:4] == ["Paste this into the shell of your code", lines.splitlines()[0]]
    script = "\n".join(line for line in lines.splitlines() if line.startswith("  "))
    done = subprocess.run(
        ["bash", "-euc", f"export no_proxy=127.0.0.1\n{script}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"environment_impact"' in done.stdout
    assert sandbox.requests[0].served.provider == "berget"
    assert sandbox.requests[0].status == 200


@pytest.mark.parametrize("package", ["langchain_melious", "llama_index_melious", "melious"])
def test_its_lines_for_python_can_be_pasted(printed, sandbox, monkeypatch, capsys, package):
    monkeypatch.setenv("MELIOUS_BASE_URL", sandbox.base_url)
    monkeypatch.setenv("MELIOUS_API_KEY", sandbox.api_key)
    lines = re.search(rf"  from {package} import .*?(?=\n\n)", printed, re.DOTALL)[0]
    code = "\n".join(line.removeprefix("  ") for line in lines.splitlines())
    exec(compile(code, package, "exec"), {})
    assert len(capsys.readouterr().out) > 10
    assert sandbox.requests[0].body["messages"] == [{"role": "user", "content": "Hello"}]


def test_its_header_for_a_fault_works(printed, sandbox, ask, http):
    name, value = re.search(r"  (x-sandbox-fault): (.*)", printed).groups()
    answer = http.get("/models", headers={name: value})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")


def test_the_help_names_local_model_servers(capsys):
    with pytest.raises(SystemExit):
        main(["--help"], "melious sandbox")
    text = capsys.readouterr().out
    for words in ("Ollama", "vLLM", "llama.cpp", "melious sandbox --upstream http://127.0.0.1:11434/v1"):
        assert words in text
    assert max(map(len, text.splitlines())) <= 100


def test_without_a_key_it_makes_one_that_works():
    command = [
        sys.executable,
        "-m",
        "melious.sandbox",
        "--port",
        "0",
        "--allowed-hosts",
        "box.example",
        "b.example",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            text = ""
            while "Ctrl-C" not in text:
                text += process.stdout.readline()
            url = re.search(r"export MELIOUS_BASE_URL=(\S+)", text)[1]
            key = re.search(r"export MELIOUS_API_KEY=(sk-mel-\S{30,})", text)[1]
            statuses = [
                httpx.get(
                    f"{url}/models", headers={"x-api-key": given, "host": host}, trust_env=False
                ).status_code
                for given, host in (
                    (key, "b.example"),
                    (key, "evil.example"),
                    ("sk-mel-sandbox", "localhost"),
                )
            ]
        finally:
            process.terminate()
    assert statuses == [200, 403, 401]


def test_a_key_is_quoted_for_the_shell():
    assert "MELIOUS_API_KEY='a$b'" in greeting("http://127.0.0.1:1/v1", "a$b", "live")


@pytest.fixture
def start():
    """Start the command; give its process and the greeting. What it warns of goes the same way."""
    with ExitStack() as stack:

        def run(*arguments):
            command = [sys.executable, "-m", "melious.sandbox", "--port", "0", *arguments]
            process = stack.enter_context(
                subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            )
            stack.callback(process.terminate)
            text = ""
            while "Ctrl-C" not in text:
                text += process.stdout.readline()
            return process, text

        yield run


def test_passwords_in_the_address_behind_are_not_printed(start):
    process, text = start("--upstream", "http://me:pw@127.0.0.1:9/v1?k=v")
    assert "answered by http://127.0.0.1:9/v1\n" in text
    warning = process.stdout.readline()
    assert warning.startswith("warning: http://127.0.0.1:9/v1 does not answer yet: ")
    assert "pw" not in warning


def test_a_server_behind_that_answers_is_not_warned_of(start, sandbox, client_of):
    process, text = start("--upstream", sandbox.base_url, "--key", "sk-mel-front")
    assert eventually(lambda: len(sandbox.requests) == 1), "it was not looked for"
    url = re.search(r"export MELIOUS_BASE_URL=(\S+)", text)[1]
    headers = {"authorization": "Bearer sk-mel-front"}
    assert httpx.get(f"{url}/models", headers=headers, trust_env=False).status_code == 200
    process.terminate()
    assert process.stdout.read() == ""


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-x\r\n"])
def test_what_is_no_http_server_is_warned_of(answer):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with server.accept()[0] as connection:
                connection.recv(1000)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        assert unreachable(f"http://127.0.0.1:{server.getsockname()[1]}/v1")
        thread.join()
