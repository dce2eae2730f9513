"""Errors of the library in the words of a shell: options and variables in place of Python arguments."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Collection

from melious.errors import MeliousError
from melious.settings.dotenv import file_that_sets, shown
from melious.settings.keys import KEY_VARIABLE, KEYS_PAGE

OPTIONS = frozenset(
    {"base_url", "endpoint", "type", "order_by", "min_context", "max_input_cost", "period", "tag"}
    | {"source", "tool_type", "category"}
)
"""The arguments of the library that are options of the command."""
_WORDS = {
    "pass allow_insecure_http=True": "add --allow-insecure-http",
    "pass verify='/path/to/ca.pem' or set": "set",
    "Raise `timeout`, shorten the request, or stream the answer": "Raise --timeout",
    "Raise `deadline` or lower `max_retries`": "Raise --timeout",
    "are not followed, because they would receive the key: set `base_url`": (
        "are not followed, because they would receive the key: set MELIOUS_BASE_URL"
    ),
    "Wait for `.retry_after` seconds or send": "Wait, or send",
    "`client.tools.list()` and `melious tools` list": "`melious tools` lists",
    "`melious models`, `client.models.list()` and `available_models()` list the models": (
        "`melious models` lists the models"
    ),
    "List the models with `client.models.list()`": "List the models with `melious models`",
    "Relax `filters`, or use": "Use",
    "or a pair (from, to)": "or two days ('2026-11-01..2026-11-15')",
    ". To send another type, give (name, content, media type)": "",
    "List them with client.batches.list(): the service keeps them for a limited time": (
        "Use the id that `melious batch submit` printed; the service keeps batches for a limited time"
    ),
}
"""Advice for Python, and for a shell."""


def in_shell_words(error: MeliousError, options: Collection[str] = OPTIONS) -> str:
    """The text of an error, for people at a shell."""
    text = str(error)
    name, colon, rest = text.partition(": ")
    argument = name.partition("[")[0]
    if colon and argument in options:
        text = f"--{argument.replace('_', '-')}: {rest}"
    for python, shell in _WORDS.items():
        text = text.replace(python, shell)
    return text


def no_key() -> str:
    """What to do where there is no key."""
    file = file_that_sets(KEY_VARIABLE)
    if file is None:
        return f"{KEY_VARIABLE} is not set; create a key at {KEYS_PAGE}"
    path = shown(file)
    said = f"{KEY_VARIABLE} is not set; {path} sets it, but is not loaded"
    if sys.platform == "win32":
        return f"{said}: set the variable in this shell"
    return f"{said}. Run: set -a; . {shlex.quote(path if '/' in path else f'./{path}')}; set +a"
