"""What an error says that a model's chat template wants of a conversation."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from melious.errors.tree import APIStatusError, MeliousError

Need: TypeAlias = Literal[
    "one_system_message", "alternating_turns", "reasoning_of_calls", "reasoning", "no_reasoning"
]
"""One system message at the beginning; the user and the model in turn; reasoning back, or not."""

_REFUSED = frozenset({None, 400, 422})
_BROKEN = 500
"""llama-server answers so where a template raises an error."""

_SYSTEM = r"system (?:message|prompt|role)s?"
_SIGNS: tuple[tuple[Need, str], ...] = (
    # Mistral, Cerebras: a strict schema of messages
    ("no_reasoning", r"extra inputs? (?:are|is) not permitted.{0,200}\breasoning(?:_content)?\b"),
    ("no_reasoning", r"\breasoning(?:_content)?\b.{0,200}extra inputs? (?:are|is) not permitted"),
    ("no_reasoning", r"reasoning_content\W{0,3} (?:is|are) not (?:allowed|permitted|supported)"),
    # DeepSeek, MiMo; Moonshot
    ("reasoning", r"(?:reasoning|thinking).{0,60}must be (?:passed|sent|given) back"),
    ("reasoning", r"reasoning_content\W{0,3} (?:field )?(?:is|are) (?:missing|required)"),
    (
        "reasoning",
        r"(?:missing|requires?|must (?:include|contain|have))\b[^.]{0,30}\breasoning_content",
    ),
    # Mistral, Gemma, llama-server; DeepSeek R1
    ("alternating_turns", r"(?:must|should|need to) (?:strictly |be )?alternat(?:e|ing)"),
    ("alternating_turns", r"(?:successive|consecutive) (?:user|assistant|messages)"),
    ("alternating_turns", r"unexpected role \W?(user|assistant)\W? after role \W?\1\b"),
    # Qwen 3.5 and later, and templates made from it; Mistral
    ("one_system_message", _SYSTEM + r" (?:must|should|can|may)\b.{0,40}\b(?:beginning|first|start)"),
    ("one_system_message", _SYSTEM + r" (?:is|are) only (?:allowed|permitted|supported)\b"),
    ("one_system_message", r"(?:multiple|several|more than one|only (?:one|a single)) " + _SYSTEM),
    ("one_system_message", r"only the first message (?:can|may) (?:be|have)\b.{0,20}\bsystem"),
    ("one_system_message", r"unexpected role \W?(?:RoleEnum\.)?(?:system|developer)\b"),
)


def need_in(error: MeliousError) -> Need | None:
    """What a model needs of a conversation that it refused, if the error says so.

    Examples:
        >>> need_in(APIStatusError("System message must be at the beginning.", status_code=400))
        'one_system_message'
    """
    if not isinstance(error, APIStatusError):
        return None
    if error.status_code not in _REFUSED and error.status_code != _BROKEN:
        return None
    said = f"{error.message} {error.param} {error.body}".replace("\\", "")
    for need, sign in _SIGNS:
        if re.search(sign, said, re.IGNORECASE | re.DOTALL):
            return need
    return None
