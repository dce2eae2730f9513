"""Open the page: `python -m examples.chat_receipt`. Options for `streamlit run` are passed on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from examples.service import answering, service

ANSWERS = {
    "Norway": "Oslo. It lies at the end of a fjord, and about 720,000 people live there.",
    "fjord": "A glacier carved a valley below sea level, and the sea filled it when the ice was gone.",
    "train": "Yes: Hamburg to Copenhagen, on to Gothenburg, and from there to Oslo in under four hours.",
}


def main(options: Sequence[str]) -> None:
    """Run Streamlit until Ctrl-C."""
    command = [sys.executable, "-m", "streamlit", "run", str(Path(__file__).with_name("app.py")), *options]
    print("Ask for example about the capital of Norway, what a fjord is, or how to get there by train.")
    with service(answering(ANSWERS)), suppress(KeyboardInterrupt):
        subprocess.run(command, check=True)  # noqa: S603 - what the caller typed


if __name__ == "__main__":
    main(sys.argv[1:])
