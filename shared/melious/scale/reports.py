"""Reports of what workers spent, as text in a column, and the ledger of a whole run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from melious.errors import InvalidArgumentError
from melious.impact import ImpactLedger, Totals
from melious.impact.sums import Key
from melious.impact.times import month_name, month_of

_MONEY = frozenset({"eur", "estimated_eur"})
_COLUMNS = frozenset(item.name for item in fields(Totals))


def report_of(ledger: ImpactLedger) -> str | None:
    """A ledger as JSON, a list of its sums with their key; None if it is empty.

    Examples:
        >>> report_of(ImpactLedger()) is None
        True
    """
    keyed = [
        [[*key.cell, dict(key.tags), month_name(key.month)], _to_json(totals)]
        for key, totals in ledger.keyed()
    ]
    return json.dumps(keyed, separators=(",", ":")) if keyed else None


def ledger_of(reports: Iterable[str | None]) -> ImpactLedger:
    """Add up the reports of a run.

    Args:
        reports: The values of the column that `Embedder(report_column=...)` fills, of all rows;
            missing ones (None, NaN) are skipped.

    Returns:
        A ledger like that of `track_impact`: unreported figures are counted, and never zero.

    Raises:
        InvalidArgumentError: A value is not a report.

    Examples:
        >>> from melious.sandbox import Sandbox
        >>> from melious.scale import Embedder, ledger_of
        >>> with Sandbox() as sandbox:
        ...     embed = Embedder(
        ...         "bge-m3", report_column="spent", api_key=sandbox.api_key, base_url=sandbox.base_url
        ...     )
        ...     done = [embed({"text": ["a heat pump"]}), embed({"text": ["a kettle", "a pot"]})]
        >>> ledger = ledger_of(report for batch in done for report in batch["spent"])
        >>> ledger.total.requests, ledger.total.with_impact
        (2, 2)
    """
    ledger = ImpactLedger()
    for report in reports:
        if isinstance(report, str):
            ledger.add_sums(_read(report))
    return ledger


def _read(report: str) -> list[tuple[Key, Totals]]:
    try:
        return [(_key(*key), _from_json(totals)) for key, totals in json.loads(report)]
    except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise InvalidArgumentError(f"reports: {report[:80]!r} is not a report ({error})") from None


def _key(
    endpoint: str,
    model: str,
    provider: str | None,
    country: str | None,
    routing: str | None,
    tags: Mapping[str, str],
    month: str,
) -> Key:
    cell = (str(endpoint), str(model), provider, country, routing)
    named = tuple(sorted((str(name), str(value)) for name, value in tags.items()))
    return Key(cell, named, month_of(datetime.fromisoformat(f"{month}-01T00:00+00:00")))


def _to_json(totals: Totals) -> dict[str, Any]:
    found = {name: value for name, value in totals.to_dict().items() if value is not None}
    return {name: _plain(value) for name, value in found.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    return {name: str(amount) for name, amount in value.items()} if isinstance(value, dict) else value


def _from_json(found: Mapping[str, Any]) -> Totals:
    totals = Totals()
    for name, value in found.items():
        if name in _MONEY:
            setattr(totals, name, Decimal(value))
        elif name == "charged":
            totals.charged = {balance: Decimal(amount) for balance, amount in value.items()}
        elif name == "partial":
            totals.partial = {figure: int(count) for figure, count in value.items()}
        elif name in _COLUMNS:
            setattr(totals, name, value)
    return totals
