"""The tags and metadata of LangChain's runs, as tags of the requests that they make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from typing import Any

from langchain_core.runnables.config import var_child_runnable_config

from melious.impact import tags
from melious.impact.totals import Tags

_LEFT_OUT = (
    *("ls_", "lc_", "langsmith:", "langgraph_", "checkpoint_", "graph:", "__"),
    *("seq:", "map:", "branch:", "condition:"),
    *("thread_id", "run_id"),
)
"""How the names begin that LangChain and LangGraph add to every run, and those of a single run or thread."""

run_tags: ContextVar[Tags | None] = ContextVar("melious_run_tags", default=None)
"""The tags of the chat run that makes the request."""


def tags_of_run(names: Iterable[str] | None, metadata: Mapping[str, Any] | None) -> Tags:
    """The tags of a run: its metadata by name, and each of its tags with the value `true`.

    Examples:
        >>> tags_of_run(["summary", "seq:step:1"], {"project": "website", "ls_provider": "melious"})
        (('project', 'website'), ('summary', 'true'))
    """
    return tags.framework_tags(metadata or {}, names or (), left_out=_LEFT_OUT)


def _current() -> Tags:
    """The tags of the chat run, or of the run around a request that is not a run itself."""
    of_chat = run_tags.get()
    if of_chat is not None:
        return of_chat
    config = var_child_runnable_config.get()
    return tags_of_run(config.get("tags"), config.get("metadata")) if config else ()


tags.sources = (*tags.sources, _current)
