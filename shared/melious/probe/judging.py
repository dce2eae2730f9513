"""How answers are judged where several questions are judged alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from melious._figures import known_amount
from melious.errors import NoProvidersAvailableError
from melious.probe.asking import Seen
from melious.probe.verdicts import G1, G2, LIVE, NEW, UNCLEAR, Finding, Verdict, found, short

Judge = Callable[[Sequence[Seen]], Finding]

IMPACT_FIELDS = (
    "energy_kwh",
    "carbon_g_co2",
    "water_liters",
    "renewable_percent",
    "pue",
    "provider_id",
    "location",
)
_ENERGY_PER_EURO = 10_000
_VOCABULARIES = {
    G2: re.compile(r"[A-Z]+_\d+"),
    G1: re.compile(r"[A-Z]+(?:_[A-Z]+)+"),
    LIVE: re.compile(r"[a-z]+(?:_[a-z]+)*"),
}
_SIMULATED = "simulated"
"""The mark of the sandbox."""


def _vocabulary_of(code: Any) -> Verdict | None:
    """The generation whose error codes look like this one."""
    for generation, form in _VOCABULARIES.items():
        if isinstance(code, str) and form.fullmatch(code):
            return generation
    return None


def refused(g1: str = "", g2: str = "", live: str = "") -> Judge:
    """Judge a refusal by status and code.

    Args:
        g1: Status and code of the older documentation, as `401 AUTH_INVALID_API_KEY`; a status
            alone allows every code of its vocabulary, nothing allows every status too.
        g2: The same of the newer documentation.
        live: The same as callers have measured.
    """
    expected = {G1: g1.split(), G2: g2.split(), LIVE: live.split()}

    def judge(answers: Sequence[Seen]) -> Finding:
        seen = answers[-1]
        if seen.refusal is None:
            return found(f"accepted: {seen.status}", NEW)
        code = seen.refusal.code
        generation = _vocabulary_of(code)
        said = short(seen)
        if generation is None:
            return found(f"{said}; the code has no known form", NEW)
        if [str(seen.status), code][: len(expected[generation])] == expected[generation]:
            return found(said, generation)
        words = " ".join(expected[generation])
        return found(f"{said}; {generation} has {words}", NEW)

    return judge


def error_shape(answers: Sequence[Seen]) -> Finding:
    """Judge the fields of an error."""
    names = set(answers[-1].error)
    said = ", ".join(sorted(names)) or "no error object"
    if names == {"message", "type", "code"}:
        return found(said, G1)
    if names - {"details"} == {"code", "message"}:
        return found(said, G2)
    return found(said, LIVE if names == {"message", "type", "param", "code"} else NEW)


def impact(present: Sequence[Verdict], absent: Sequence[Verdict]) -> Judge:
    """Judge whether an answer carries the seven figures of its impact."""

    def judge(answers: Sequence[Seen]) -> Finding:
        block = answers[-1].impact
        if block is None:
            return found("no environment_impact", *absent)
        lacking = [name for name in IMPACT_FIELDS if name not in block]
        more = sorted(set(block) - {*IMPACT_FIELDS, _SIMULATED})
        if lacking or more:
            parts = [*(f"without {name}" for name in lacking), *(f"also {name}" for name in more)]
            return found("; ".join(parts), NEW)
        return found(f"all seven fields; {block['provider_id']}, {block['location']}", *present)

    return judge


def bill(absent: Sequence[Verdict]) -> Judge:
    """Judge which amounts the bill fills, and what it calls charged."""

    def judge(answers: Sequence[Seen]) -> Finding:
        block = answers[-1].bill
        return found("no billing_cost", *absent) if block is None else _billed(block)

    return judge


def _billed(block: Mapping[str, Any]) -> Finding:
    shown = ", ".join(f"{name} {value!r}" for name, value in block.items() if name != _SIMULATED)
    names = set(block) - {_SIMULATED}
    energy, credit = known_amount(block.get("energy")), known_amount(block.get("credits"))
    texts = all(isinstance(block[name], str) for name in ("energy", "credits") if name in block)
    if names == {"credits"} and credit is not None:
        return found(shown, LIVE)
    if names != {"energy", "credits", "paid_with"} or energy is None or credit is None or not texts:
        return found(f"{shown}; of another form", NEW)
    if energy and credit:
        same = energy == credit * _ENERGY_PER_EURO
        said = "both filled" + (", energy is 10,000 times credits" if same else "")
        return found(f"{shown}: {said}", LIVE)
    charged = {"energy": energy, "credits": credit}.get(str(block["paid_with"]))
    if not energy and not credit:
        return found(f"{shown}: nothing charged", G2, LIVE)
    return found(f"{shown}: only what was charged", G2) if charged else found(shown, NEW)


def countries(answers: Sequence[Seen]) -> Finding:
    """Judge whether the country that was asked for is the one that answers."""
    outcomes = [_country(seen) for seen in answers]
    said = "; ".join(
        f"{_asked_country(seen)}: {outcome}" for seen, outcome in zip(answers, outcomes, strict=True)
    )
    if any(outcome.startswith("refused") for outcome in outcomes):
        return found(said, NEW)
    if any(outcome.startswith("answered from") for outcome in outcomes):
        return found(f"ignored ({said})", G2)
    if "unknown" in outcomes:
        return found(said, UNCLEAR)
    return found(f"honoured ({said})", G1)


def _asked_country(seen: Seen) -> str:
    return str((seen.ask.body or {})["filters"]["countries"][0])


def _country(seen: Seen) -> str:
    if seen.refusal is not None:
        return (
            "no provider"
            if isinstance(seen.refusal, NoProvidersAvailableError)
            else f"refused, {short(seen)}"
        )
    place = seen.served_by
    if place is None or place[1] is None:
        return "unknown"
    return "there" if place[1].upper() == _asked_country(seen) else f"answered from {place[1]}"


def impossible_filter(answers: Sequence[Seen]) -> Finding:
    """Judge what becomes of filters that no provider can match."""
    seen = answers[-1]
    if seen.refusal is None:
        return found("ignored: it was answered", G2)
    if isinstance(seen.refusal, NoProvidersAvailableError):
        return refused(g1="503 INFERENCE_NO_PROVIDERS_AVAILABLE", g2="503 INFERENCE_3104", live="")(answers)
    return found(f"refused: {short(seen)}", NEW)


def has_effect(*documented: Verdict, wishes: int = 2, refused: Sequence[Verdict] = (NEW,)) -> Judge:
    """Judge whether requests that ask for different routing are served in different places.

    Args:
        *documented: The verdicts where it has an effect.
        wishes: How many of the answers, the last ones, are to a request with a wish. Those before show
            where requests without one are served: in several places, the place says nothing about a wish.
        refused: The verdicts where a request is refused.
    """

    def judge(answers: Sequence[Seen]) -> Finding:
        for seen in answers[-wishes:]:
            if seen.refusal is not None:
                return found(f"{_wish(seen)} refused: {short(seen)}", *refused)
        compared = answers[-2:]
        said = "; ".join(f"{_wish(seen)}: {_place(seen)}" for seen in compared)
        places = {seen.served_by for seen in compared}
        if None in places:
            return found(f"{said}; the place is not reported", UNCLEAR)
        usual = dict.fromkeys(_place(seen) for seen in answers[:-wishes])
        if len(places) > 1 and len(usual) > 1:
            return found(f"{said}; but without a wish: {', '.join(usual)}", UNCLEAR)
        if len(places) > 1:
            return found(f"has an effect ({said})", *documented)
        return found(f"accepted, no effect seen ({said})", UNCLEAR)

    return judge


def _place(seen: Seen) -> str:
    return " in ".join(part for part in seen.served_by or () if part) or "unknown"


def _wish(seen: Seen) -> str:
    body = seen.ask.body or {}
    for name in ("preset", "mode", "custom_weights"):
        if name in body:
            value = body[name]
            shown = value if isinstance(value, str) else ", ".join(key for key in value if value[key])
            return f"{name}={shown}"
    return str(body.get("model"))
