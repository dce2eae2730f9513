"""`melious demo`."""

from __future__ import annotations

import os

from melious.cli.words import no_key
from melious.demo import DEFAULT_QUESTION, Story
from melious.demo.screen import Screen
from melious.errors import ConfigurationError
from melious.settings.keys import KEYS_PAGE

DOCUMENTATION = "https://melious.ai/docs/reference"
_SANDBOX = (
    "Simulated: the sandbox puts its answers together from the sentences of the passages, and makes up "
    "providers and figures. melious demo --live asks real models."
)
_NEXT = (
    ('melious demo "a question"', "about the Python language"),
    ("melious demo --live", f"with real models; keys: {KEYS_PAGE}"),
    ("melious sandbox", "keep a sandbox running, with a page that shows each request"),
    ("melious doctor --try", "diagnose your setup with a small request"),
    ("melious models", "what each model can do and costs"),
)
_COMMANDS = max(len(command) for command, _ in _NEXT)


def run_demo(question: str, *, live: bool) -> int:
    """Run the demo on the service or on a sandbox; gives the exit status."""
    screen = Screen()
    question = question or DEFAULT_QUESTION
    if live:
        from melious.settings.config import KEY_VARIABLE, resolve_base_url, resolve_key

        if not os.environ.get(KEY_VARIABLE, "").strip():
            raise ConfigurationError(no_key())
        access = {"api_key": resolve_key(None), "base_url": resolve_base_url(None)}
        screen.line(f"Melious at {access['base_url']}")
        Story(access, screen).run(question)
        _say_what_next(screen, live=True)
        return 0
    from melious_sandbox import Sandbox

    with Sandbox() as sandbox:
        screen.line(f"Melious sandbox at {sandbox.base_url}: a local server, no key and no network needed")
        screen.fact(_SANDBOX)
        Story({"api_key": sandbox.api_key, "base_url": sandbox.base_url}, screen).run(question)
    _say_what_next(screen, live=False)
    return 0


def _say_what_next(screen: Screen, *, live: bool) -> None:
    screen.heading("What next")
    for command, purpose in _NEXT:
        if not (live and "--live" in command):
            screen.suggestion(command, purpose, _COMMANDS)
    screen.line()
    screen.line(f"  Documentation: {DOCUMENTATION}")
