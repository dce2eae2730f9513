"""The Software Carbon Intensity of requests, as far as the service reports it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

from melious._figures import UNREPORTED, counted
from melious._text_table import text_table
from melious.errors.checks import check_whole
from melious.impact.sums import Sums
from melious.impact.totals import Totals
from melious.impact.units import carbon

_HEAD = "SCI, M excluded"
_UNIT = "g CO2eq"
_WHY = "The service does not report M, the embodied emissions of the hardware, so M is excluded."


@dataclass(frozen=True, slots=True)
class SCI:
    """The Software Carbon Intensity, (E x I + M) / R, without M: the service reports no embodied emissions.

    Attributes:
        carbon_g_co2: E x I, the reported grams of CO2; None if nothing was reported.
        requests: Requests that reported carbon.
        left_out: Requests that did not, and have no part in the figures.
        counted_carbon_g_co2: The carbon of the requests that reported carbon and tokens.
        counted_tokens: Their tokens, input and output.
        counted_requests: How many they are.
        runs: By how many runs the carbon is divided.
        simulated: Requests that the sandbox answered; their figures are made up.

    Examples:
        >>> SCI(carbon_g_co2=3.0, requests=2, left_out=0, runs=1).per_request
        1.5
    """

    carbon_g_co2: float | None
    requests: int
    left_out: int
    counted_carbon_g_co2: float | None = None
    counted_tokens: int = 0
    counted_requests: int = 0
    runs: int = 1
    simulated: int = 0

    @property
    def per_request(self) -> float | None:
        """Grams of CO2 per request that reported carbon."""
        return None if self.carbon_g_co2 is None else self.carbon_g_co2 / self.requests

    @property
    def per_1k_tokens(self) -> float | None:
        """Grams of CO2 per 1,000 tokens, input and output; of requests that reported both."""
        known = self.counted_carbon_g_co2
        return known / self.counted_tokens * 1000 if known is not None and self.counted_tokens else None

    @property
    def per_run(self) -> float | None:
        """Grams of CO2 per run; the least that it can be if requests are left out."""
        return None if self.carbon_g_co2 is None else self.carbon_g_co2 / self.runs

    @property
    def notes(self) -> list[str]:
        """What the figures are without, in sentences."""
        said = [_WHY]
        if self.simulated:
            said.append(f"Simulated: the sandbox answered {counted(self.simulated, 'request')}.")
        if self.left_out:
            said.append(f"Left out: {counted(self.left_out, 'request')} that reported no CO₂.")
        return said

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain values, each with its unit in its name, and the notes."""
        return {
            "formula": "(E * I + M) / R",
            "m": "excluded",
            "unit": _UNIT,
            "per_request": self.per_request,
            "per_1k_tokens": self.per_1k_tokens,
            "per_run": self.per_run,
            "requests": self.requests,
            "left_out": self.left_out,
            "tokens": self.counted_tokens,
            "runs": self.runs,
            "simulated": self.simulated,
            "notes": self.notes,
        }

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """Each figure as text: its unit R, the grams, and what it is taken from."""
        requests = counted(self.requests, "request")
        tokens = f"{counted(self.counted_tokens, 'token')} of {counted(self.counted_requests, 'request')}"
        for per, grams, of in (
            ("per request", self.per_request, requests),
            ("per 1,000 tokens", self.per_1k_tokens, tokens),
            ("per run", self.per_run, counted(self.runs, "run")),
        ):
            least = "at least " if per == "per run" and self.left_out and grams is not None else ""
            yield per, UNREPORTED if grams is None else f"{least}{carbon(grams)}", of

    def __str__(self) -> str:
        return "\n".join([*text_table([_HEAD, "", "of"], self.rows(), right=[1], rule="─"), *self.notes])

    def _repr_html_(self) -> str:
        """The HTML that notebooks show."""
        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in self.rows()
        )
        head = f"<tr><th>{_HEAD}</th><th></th><th>of</th></tr>"
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>{notes}"


def sci(sums: Sums, runs: int = 1) -> SCI:
    """The Software Carbon Intensity of the requests of a ledger."""
    check_whole("runs", runs, least=1)
    total = sums.total
    both = Totals()
    for _, cell in sums.keyed():
        # A mean over tokens is one only where the same requests reported both.
        if cell.requests and cell.reported("carbon_g_co2") == cell.with_usage == cell.requests:
            both.merge(cell)
    known = total.reported("carbon_g_co2")
    return SCI(
        carbon_g_co2=total.carbon_g_co2 if known else None,
        requests=known,
        left_out=total.requests - known,
        counted_carbon_g_co2=both.carbon_g_co2,
        counted_tokens=(both.input_tokens or 0) + (both.output_tokens or 0),
        counted_requests=both.requests,
        runs=runs,
        simulated=total.simulated,
    )
