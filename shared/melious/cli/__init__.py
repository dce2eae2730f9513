"""The `melious` command."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from melious.cli.parser import COMMANDS, parser
from melious.errors import InvalidArgumentError, MeliousError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: The command line; that of the process by default.

    Returns:
        The exit status: 0 for success, 1 for failure, 2 if the command line is wrong or something is
        not installed.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a console without the signs of tables shows others
        status = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader closed the pipe; Python would complain when it flushes the rest at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _run(arguments: list[str]) -> int:
    if arguments[:1] == ["sandbox"]:
        try:
            from melious_sandbox.__main__ import main as sandbox
        except ImportError as error:
            sys.stderr.write(f"{error}\n")
            return 2
        return sandbox(arguments[1:], "melious sandbox")
    options = parser().parse_args(arguments)
    try:
        return COMMANDS[options.command].run(options)
    except MeliousError as error:
        from melious.cli.words import in_shell_words

        sys.stderr.write(f"melious {options.command}: {in_shell_words(error)}\n")
        return 2 if isinstance(error, InvalidArgumentError) else 1
