"""Runs of `melious doctor` in an environment that says nothing."""

import json

import pytest


@pytest.fixture
def no_settings(monkeypatch):
    """No key, no address, no proxy and no certificates of the machine's own."""
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
    for name in (*names, "MELIOUS_API_KEY", "MELIOUS_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def doctor(capsys, monkeypatch):
    """Run the command; give its status and what it found, as people and as programs see it."""

    from melious.cli import main

    def run(key, base_url, *arguments):
        if key is not None:
            monkeypatch.setenv("MELIOUS_API_KEY", key)
        status = main(["doctor", "--base-url", base_url, "--timeout", "60", *arguments])
        said = capsys.readouterr()
        assert said.err == ""
        assert key is None or key not in said.out
        assert max(map(len, said.out.splitlines())) <= 100 or "--json" in arguments
        return status, said.out

    return run


@pytest.fixture
def checks(doctor):
    """Run the command for programs; give its status and its checks by name."""

    def run(key, base_url, *arguments):
        status, out = doctor(key, base_url, "--json", *arguments)
        told = json.loads(out)
        assert told["ok"] is (status == 0)
        return status, {check["name"]: check for check in told["checks"]}

    return run


@pytest.fixture(autouse=True)
def terminal_of_any_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are as wide as they need: a worker of pytest-xdist has the width of the terminal that started it."""
    monkeypatch.delenv("COLUMNS", raising=False)
