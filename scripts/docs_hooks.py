"""What the pages of `docs/` need before they become HTML."""

import re

_FENCE = re.compile(r"^( *```\w+) \{[^}\n]*\}$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: object) -> str:
    """Take out what only the tests of the blocks read: ` ```python {test="skip"} `."""
    return _FENCE.sub(r"\1", markdown)
