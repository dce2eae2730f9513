"""`melious demo`: the main job, end to end, on documents that every Python brings along.

The frameworks are imported when the demo runs, and only then.
"""

from melious.demo.story import DEFAULT_QUESTION, Story

__all__ = ["DEFAULT_QUESTION", "Story"]
