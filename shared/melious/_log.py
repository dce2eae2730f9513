"""`MELIOUS_LOG=info` or `debug`: the log of this library on the standard error stream."""

from __future__ import annotations

import logging
import sys
from typing import Final

LOG_VARIABLE: Final = "MELIOUS_LOG"
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class _StandardError(logging.StreamHandler):  # type: ignore[type-arg]  # not generic when it runs
    """Writes to the standard error stream unless the application has a handler of its own."""

    def emit(self, record: logging.LogRecord) -> None:
        others = (*logging.getLogger("melious").handlers, *logging.getLogger().handlers)
        if all(handler is self for handler in others):
            self.stream = sys.stderr
            super().emit(record)


def start_log(word: str) -> None:
    """Log from a level on; only this library's loggers change.

    Args:
        word: The value of `MELIOUS_LOG`: `debug`, `info`, `warning` or `error`; empty for nothing.
    """
    word = word.strip().lower()
    if not word:
        return
    logger = logging.getLogger("melious")
    level = _LEVELS.get(word)
    if level is None:
        logger.warning("%s must be one of %s; it is ignored", LOG_VARIABLE, ", ".join(_LEVELS))
        return
    logger.setLevel(level)
    if not any(isinstance(handler, _StandardError) for handler in logger.handlers):
        handler = _StandardError()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger.addHandler(handler)
