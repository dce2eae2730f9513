"""`melious demo`."""

from __future__ import annotations

import os

from melious.cli.words import no_key
from melious.demo import DEFAULT_QUESTION, Story
from melious.demo.screen import Screen
from melious.errors import ConfigurationError


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
        return 0
    from melious_sandbox import Sandbox

    with Sandbox() as sandbox:
        screen.line(f"Melious sandbox at {sandbox.base_url}: a local server, no key and no network needed")
        Story({"api_key": sandbox.api_key, "base_url": sandbox.base_url}, screen).run(question)
    return 0
