"""The name that LangChain knows this provider by: in metadata, traces and content blocks."""

PROVIDER = "melious"

FROM_CACHE = "from_cache"
"""Marks, in the metadata of a message, an answer that LangChain's cache gave."""
