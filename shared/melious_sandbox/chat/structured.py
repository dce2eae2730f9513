"""Answers in JSON: instances of a schema, or an object of the shape that the prompt describes."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from melious_sandbox.brain import answers, instances
from melious_sandbox.brain.prompts import read, text_of, turn_text

_NAMED = r"[\"'`][A-Za-z_]\w*[\"'`]"
_KEYS = r"\b(?:keys?|fields?|propert(?:y|ies))\b"
_QUOTED_KEYS = re.compile(
    rf"(?:{_NAMED}(?:, (?:and )?| and )?)+ {_KEYS}|{_KEYS}[^.\n]{{0,200}}", re.IGNORECASE
)
_QUOTED = re.compile(r"[\"'`]([A-Za-z_]\w*)[\"'`]")


def instance(messages: Sequence[Mapping[str, Any]], schema: Mapping[str, Any] | None) -> str:
    """Write the JSON that answers these messages; without a schema, some JSON object."""
    asked = [text_of(message) for message in messages if message.get("role") in {"system", "user"}]
    shape = schema or _shape_in("\n".join(asked))
    if shape is None:
        return json.dumps({"answer": answers.answer(messages)}, ensure_ascii=False)
    text = turn_text(messages) or text_of(messages[-1])
    prompt = read(messages)
    spare = answers.answer(messages) if prompt.passages or prompt.results else ""
    return json.dumps(instances.fill(shape, text, spare), ensure_ascii=False)


def _shape_in(text: str) -> Mapping[str, Any] | None:
    """Find the shape that a prompt asks for: the last JSON schema in it, or names of keys in quotes."""
    found: Mapping[str, Any] | None = None
    decoder = json.JSONDecoder()
    position = text.find("{")
    while position >= 0:
        try:
            value, end = decoder.raw_decode(text, position)
        except ValueError:
            value, end = None, position + 1
        if isinstance(value, dict) and isinstance(value.get("properties"), dict) and "required" in value:
            found = value
        position = text.find("{", end)
    keys = [key for hint in _QUOTED_KEYS.findall(text) for key in _QUOTED.findall(hint)]
    if found is not None or not keys:
        return found
    properties = {key: {"type": "string"} for key in keys}
    return {"type": "object", "properties": properties, "required": list(properties)}
