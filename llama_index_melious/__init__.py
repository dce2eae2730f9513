"""Melious for LlamaIndex."""
