"""The async client needs asyncio, and says so if there is none."""

from __future__ import annotations

import asyncio

from melious.errors import ConfigurationError


def running_loop() -> asyncio.AbstractEventLoop:
    """The running event loop.

    Raises:
        ConfigurationError: There is none: the code runs under trio or curio, or outside of any loop.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "async calls need a running asyncio event loop, and there is none",
            advice="Use asyncio.run, or anyio with its asyncio backend; under trio and curio use "
            "MeliousClient in a worker thread (trio.to_thread.run_sync)",
        ) from None
