"""The async client runs on asyncio, and says so where there is none."""

from __future__ import annotations

import asyncio

from melious.errors import ConfigurationError


def running_loop() -> asyncio.AbstractEventLoop:
    """The event loop that runs.

    Raises:
        ConfigurationError: None does: the code runs under trio or curio, or outside of any loop.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "async calls need a running asyncio event loop, and there is none here",
            advice="Run them with asyncio.run, or with anyio on its asyncio backend; trio and curio are not "
            "supported: there, use MeliousClient in a worker thread, as trio.to_thread.run_sync does",
        ) from None
