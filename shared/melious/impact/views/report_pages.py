"""A report as Markdown and as HTML."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from melious._figures import UNREPORTED, counted, figure
from melious.impact.totals import DIMENSIONS, Totals
from melious.impact.units import Unit, Units
from melious.impact.views import html as ledger_html
from melious.impact.views import markdown as ledger_markdown
from melious.impact.views.report_facts import ACCOUNTING, METHOD, SCOPE, ReportLike
from melious.impact.views.sections import Column, Section, estimated_columns, label

_NOT_TAGGED = "not tagged"


def markdown(report: ReportLike) -> str:
    """The heading, the total, a table for each dimension, notes and method."""
    parts = [f"# {ledger_markdown.escaped(_title(report))}", *map(ledger_markdown.escaped, _head(report))]
    parts += [f"*{ledger_markdown.escaped(note)}*" for note in report.notes]
    lines = ["| | total | reported by |", "| --- | ---: | ---: |"]
    lines += [f"| {' | '.join(map(ledger_markdown.escaped, row))} |" for row in _totals(report.total)]
    parts.append("\n".join(lines))
    for section in _sections(report):
        parts += [f"## {section.title.capitalize()}", "\n".join(ledger_markdown.table(section))]
    sci = [f"| {' | '.join(row)} |" for row in report.sci.rows()]
    parts += ["## SCI, M excluded", "\n".join(["| per | | of |", "| --- | ---: | --- |", *sci])]
    parts += [ledger_markdown.escaped(note) for note in report.sci.notes]
    parts += ["## Method", "\n".join(f"* {ledger_markdown.escaped(said)}" for said in METHOD)]
    return "\n\n".join(parts) + "\n"


def html(report: ReportLike) -> str:
    """The same as a fragment of HTML."""
    parts = ['<div class="melious-ledger">', f"<style>{ledger_html.STYLE}</style>"]
    parts += [f"<p>{escape(line)}</p>" for line in (*_head(report), *report.notes)]
    parts.append(_plain_table(("", "total", "reported by"), _totals(report.total)))
    carbon = Units.of(report.total).carbon[0]
    for section in _sections(report):
        parts += ledger_html.table(section, carbon, lambda sums: sums.carbon_g_co2)
    parts.append(_plain_table(("SCI, M excluded", "", "of"), report.sci.rows()))
    parts += [f"<p>{escape(note)}</p>" for note in report.sci.notes]
    parts += ["<p><b>Method</b></p>", *(f"<p>{escape(said)}</p>" for said in METHOD), "</div>"]
    return "\n".join(parts)


def page(report: ReportLike) -> str:
    """The same as a page of its own."""
    return ledger_html.page_of(html(report), _title(report))


def _title(report: ReportLike) -> str:
    return f"{report.title} (simulated)" if report.total.simulated else report.title


def _head(report: ReportLike) -> Iterator[str]:
    yield f"Period: {report.period}"
    yield f"GHG Protocol: {SCOPE}, {ACCOUNTING}. Figures are estimates of the service."


def _totals(total: Totals) -> Iterator[tuple[str, str, str]]:
    units = Units.of(total)
    failed = f", and {total.failed:,} failed" if total.failed else ""
    yield "requests", f"{total.requests:,}{failed}", ""
    for name, field, unit in (
        ("energy", "energy_kwh", units.energy),
        (f"CO₂, {ACCOUNTING}", "carbon_g_co2", units.carbon),
        ("water", "water_liters", units.water),
    ):
        yield name, _with_unit(getattr(total, field), unit), _share(total, field)
    grid = total.grid_g_per_kwh
    yield "grid: CO₂ ÷ energy", UNREPORTED if grid is None else f"{figure(grid)} g CO₂/kWh", ""
    cost = UNREPORTED if total.eur is None else f"{units.amount(total.eur)} {units.money[0]}"
    yield "cost", cost, _share(total, "eur")


def _with_unit(value: float | None, unit: Unit) -> str:
    return UNREPORTED if value is None else f"{figure(value, unit[1])} {unit[0]}"


def _share(sums: Totals, field: str) -> str:
    """How many requests reported a figure; all of them are 100%, and nothing less is."""
    reported, requests = sums.reported(field), sums.requests
    if not requests:
        return UNREPORTED
    percent = reported * 100 // requests
    shown = "<1%" if reported and not percent else f"{percent}%"
    return f"{reported:,} of {counted(requests, 'request')} ({shown})"


def _sections(report: ReportLike) -> Iterator[Section]:
    columns = _columns(report.total)
    for table, sums in report.tables().items():
        if sums:
            rows = tuple((_name(table, name), each) for name, each in sums.items())
            yield Section(f"by {table}", columns, rows)
    if report.total.estimated:
        by_month = tuple((month, sums) for month, sums in report.sums.by_month().items() if sums.estimated)
        yield Section("estimated, by month", estimated_columns(Units.of(report.total)), by_month)


def _columns(total: Totals) -> tuple[Column, ...]:
    units = Units.of(total)
    return (
        Column("requests", lambda sums: f"{sums.requests:,}"),
        Column("reported CO₂", _short_share),
        Column(units.energy[0], lambda sums: figure(sums.energy_kwh, units.energy[1])),
        Column(units.carbon[0], lambda sums: figure(sums.carbon_g_co2, units.carbon[1])),
        Column("g CO₂/kWh", lambda sums: figure(sums.grid_g_per_kwh)),
        Column(units.water[0], lambda sums: figure(sums.water_liters, units.water[1])),
        Column(units.money[0], lambda sums: units.amount(sums.eur)),
    )


def _short_share(sums: Totals) -> str:
    return f"{sums.reported('carbon_g_co2'):,} of {sums.requests:,}"


def _name(table: str, name: str | None) -> str:
    if table in DIMENSIONS:
        return label(next(each for each in DIMENSIONS if each == table), name)
    return name or _NOT_TAGGED


def _plain_table(head: tuple[str, ...], rows: Iterator[tuple[str, str, str]]) -> str:
    first = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{first}</tr></thead><tbody>{body}</tbody></table>"
