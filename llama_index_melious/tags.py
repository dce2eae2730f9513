"""LlamaIndex's instrument tags, as tags of the requests that are made under them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llama_index_instrumentation.dispatcher import active_instrument_tags

from melious.impact import tags
from melious.impact.totals import Tags

FRAMEWORK_TAGS = ("llamaindex.",)
"""How the names begin of tags that LlamaIndex sets itself: they name runs and repeat prompts."""


def named_tags(of_framework: Mapping[Any, Any]) -> Tags:
    """LlamaIndex's tags as tags of requests, without those that it sets itself.

    Examples:
        >>> named_tags({"project": "website", "llamaindex.run_id": "1"})
        (('project', 'website'),)
    """
    return tags.framework_tags(of_framework, left_out=FRAMEWORK_TAGS)


tags.sources = (*tags.sources, lambda: named_tags(active_instrument_tags.get()))
