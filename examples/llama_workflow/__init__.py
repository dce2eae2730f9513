"""A LlamaIndex workflow: retrieve, rerank, answer, with an event for each step."""
