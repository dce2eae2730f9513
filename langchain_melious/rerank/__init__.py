"""Reranking: the document compressor, and the chain step that it makes."""
