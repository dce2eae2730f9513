"""What each command runs. A command's modules are imported when it runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import Namespace


def demo(options: Namespace) -> int:
    """`melious demo`."""
    try:
        from melious.cli.demo import run_demo

        return run_demo(" ".join(options.question), live=options.live)
    except ImportError as error:
        sys.stderr.write(f"{error}\nThe demo needs: pip install 'melious[langchain,llama-index,sandbox]'\n")
        return 2


def models(options: Namespace) -> int:
    """`melious models`."""
    from melious.cli.models import run_models

    return run_models(options)


def tools(options: Namespace) -> int:
    """`melious tools`."""
    from melious.cli.tools import run_tools

    return run_tools(options)


def documents(options: Namespace) -> int:
    """`melious documents`."""
    from melious.cli.documents import run_documents

    return run_documents(options)


def doctor(options: Namespace) -> int:
    """`melious doctor`."""
    from melious.cli.doctor import run_doctor

    return run_doctor(options)


def probe(options: Namespace) -> int:
    """`melious probe`."""
    from melious.cli.probe import run_probe

    return run_probe(options)


def report(options: Namespace) -> int:
    """`melious report`."""
    from melious.cli.report import run_report

    return run_report(options)


def batch(options: Namespace) -> int:
    """`melious batch`."""
    from melious.cli.batch import run_batch

    return run_batch(options)
