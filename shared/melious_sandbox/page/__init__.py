"""The page at ``/``: the requests that came, where they went and what they cost."""

from melious_sandbox.page.site import Page

__all__ = ["Page"]
