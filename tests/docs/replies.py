"""What the sandbox answers to the blocks of each page, in the order in which they ask."""

from melious.sandbox import Reply, Sandbox

REPLIES: dict[str, list[Reply]] = {
    "docs/index.md": [Reply(text="The Elbe and the Alster.")],
}


def script(page: str, sandbox: Sandbox) -> None:
    """Hand the replies of a page to the sandbox."""
    sandbox.replies.add(*REPLIES.get(page, []))
