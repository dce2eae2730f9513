"""The page at ``/``: the requests that came, where they went and what they cost."""

from melious.sandbox.page.site import Page

__all__ = ["Page"]
