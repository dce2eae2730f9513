"""`Melious`, the LLM, part by part."""
