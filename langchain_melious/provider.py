"""The name that LangChain knows this provider by: in metadata, traces and content blocks."""

PROVIDER = "melious"
