"""The `melious` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from melious._version import __version__
from melious.errors import MeliousError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: The command line; that of the process by default.

    Returns:
        The exit status.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments[:1] == ["sandbox"]:
        try:
            from melious.sandbox.__main__ import main as sandbox
        except ImportError as error:
            sys.stderr.write(f"{error}\n")
            return 2
        return sandbox(arguments[1:], "melious sandbox")
    options = _parser().parse_args(arguments)
    try:
        return _demo(" ".join(options.question), live=options.live)
    except ImportError as error:
        sys.stderr.write(f"{error}\nThe demo needs: pip install 'melious[langchain,llama-index,sandbox]'\n")
        return 2
    except MeliousError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="melious", description="Melious for LangChain and LlamaIndex.")
    parser.add_argument("--version", action="version", version=f"melious {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="retrieval, an agent, and what they cost")
    demo.add_argument("question", nargs="*", help="a question about the Python language")
    demo.add_argument("--live", action="store_true", help="ask the service, with the key in MELIOUS_API_KEY")
    commands.add_parser("sandbox", help="a local server that speaks the wire of Melious (--help says more)")
    return parser


def _demo(question: str, *, live: bool) -> int:
    from melious.demo import DEFAULT_QUESTION, Story
    from melious.demo.screen import Screen

    screen = Screen()
    question = question or DEFAULT_QUESTION
    if live:
        from melious.config import resolve_base_url, resolve_key

        access = {"api_key": resolve_key(None), "base_url": resolve_base_url(None)}
        screen.line(f"Melious at {access['base_url']}")
        Story(access, screen).tell(question)
        return 0
    from melious.sandbox import Sandbox

    with Sandbox() as sandbox:
        screen.line(f"Melious sandbox at {sandbox.base_url}: a local server, no key and no network needed")
        Story({"api_key": sandbox.api_key, "base_url": sandbox.base_url}, screen).tell(question)
    return 0


if __name__ == "__main__":
    sys.exit(main())
