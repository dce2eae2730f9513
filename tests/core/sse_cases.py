"""Streams as bytes, with what they mean; the format is described in the file itself."""

import json
from pathlib import Path
from typing import Any

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "data" / "sse_cases.json").read_text(encoding="utf-8")
)["cases"]
CHAT_CASES = [case for case in CASES if "chat" in case]


def chunks_of(case: dict[str, Any]) -> list[bytes]:
    """The reads of a case."""
    return [chunk.encode("latin-1") for chunk in case["chunks"]]
