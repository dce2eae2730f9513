"""Whether anything listens to LlamaIndex's events, so that none are made for nobody."""

from __future__ import annotations

from llama_index_instrumentation.dispatcher import Dispatcher
from llama_index_instrumentation.event_handlers import NullEventHandler


def has_handler(dispatcher: Dispatcher) -> bool:
    """Whether any handler receives the events of a dispatcher."""
    while True:
        for handler in dispatcher.event_handlers:
            if type(handler) is not NullEventHandler:
                return True
        if not dispatcher.propagate:
            return False
        dispatcher = dispatcher.parent
