"""Where the standard suites run: on the service when a key is set as the tests start, else in the sandbox."""

import os
from typing import Any

from melious.sandbox import Sandbox

KEY = os.environ.get("MELIOUS_API_KEY")


def place(sandbox: Sandbox) -> dict[str, Any]:
    """Constructor arguments that lead there; the service's address is `MELIOUS_BASE_URL` or the public one."""
    if not KEY:
        return {"api_key": sandbox.api_key, "base_url": sandbox.base_url}
    url = os.environ.get("MELIOUS_BASE_URL")
    return {"api_key": KEY} | ({"base_url": url} if url else {})
