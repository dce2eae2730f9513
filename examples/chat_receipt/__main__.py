"""Open the page: `python -m examples.chat_receipt`. Options for `streamlit run` are passed on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from streamlit.web.cli import main as streamlit

from examples.service import answering, service

ANSWERS = {
    "Norway": "Oslo. It lies at the end of a fjord, and about 720,000 people live there.",
    "fjord": "A glacier carved a valley below sea level, and the sea filled it when the ice was gone.",
    "train": "Yes: Hamburg to Copenhagen, on to Gothenburg, and from there to Oslo in under four hours.",
}


def main(options: Sequence[str]) -> None:
    """Run Streamlit until Ctrl-C."""
    print("Ask for example about the capital of Norway, what a fjord is, or how to get there by train.")
    with service(answering(ANSWERS)):
        streamlit(["run", str(Path(__file__).with_name("app.py")), *options], standalone_mode=False)


if __name__ == "__main__":
    main(sys.argv[1:])
