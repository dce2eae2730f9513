"""Melious for LangChain."""
