"""`melious demo`: retrieval, an agent and their cost, on documents that come with Python.

The frameworks are imported only when the demo runs.
"""

from melious.demo.story import DEFAULT_QUESTION, Story

__all__ = ["DEFAULT_QUESTION", "Story"]
