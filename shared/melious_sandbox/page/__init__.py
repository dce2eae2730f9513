"""The page at ``/``: the requests that came, where they went and what they cost."""
