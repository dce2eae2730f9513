"""A ledger as a self-contained HTML fragment, for light and dark themes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape

from melious._figures import UNREPORTED, counted, figure, tokens
from melious.impact.totals import Totals
from melious.impact.units import Units
from melious.impact.views.sections import Section, charges, estimated_section, notes, sections
from melious.impact.views.source import LedgerLike

_DARK = "--ink:#e8ebe9;--soft:#9aa5a0;--line:#3a423e;--card:#1f2623;--bar:#2f6f52;--guess:#8a6d1f;"
STYLE = f"""
.melious-ledger{{--ink:#1c2320;--soft:#5d6b64;--line:#d5dcd8;--card:#f3f6f4;--bar:#bfe3cf;--guess:#f3e2ae;
 color:var(--ink);font:13px/1.45 system-ui,-apple-system,"Segoe UI",sans-serif;max-width:64rem;
 container-type:inline-size}}
@media (prefers-color-scheme:dark){{.melious-ledger{{{_DARK}}}}}
[data-jp-theme-light="true"] .melious-ledger,body.vscode-light .melious-ledger{{
 --ink:#1c2320;--soft:#5d6b64;--line:#d5dcd8;--card:#f3f6f4;--bar:#bfe3cf;--guess:#f3e2ae}}
[data-jp-theme-light="false"] .melious-ledger,body.vscode-dark .melious-ledger{{{_DARK}}}
.melious-ledger .tiles{{display:grid;grid-template-columns:repeat(auto-fill,minmax(8rem,1fr));
 gap:8px;margin:4px 0 10px}}
.melious-ledger .tile{{background:var(--card);border:1px solid var(--line);border-radius:8px;
 padding:8px 10px}}
.melious-ledger .tile b{{display:block;font-size:17px;font-weight:650;white-space:nowrap;
 font-variant-numeric:tabular-nums}}
.melious-ledger .tile span{{color:var(--soft);font-size:12px}}
.melious-ledger p{{margin:2px 0;color:var(--soft)}}
.melious-ledger table{{border-collapse:collapse;margin:12px 0 4px;width:100%;background:none}}
.melious-ledger th,.melious-ledger td{{padding:3px 6px;text-align:right;border:0;
 border-bottom:1px solid var(--line);font-variant-numeric:tabular-nums;white-space:nowrap;
 color:var(--ink);background:none}}
.melious-ledger th{{color:var(--soft);font-weight:600}}
.melious-ledger th:first-child{{color:var(--ink)}}
.melious-ledger th:first-child,.melious-ledger td:first-child{{text-align:left;white-space:normal;
 overflow-wrap:anywhere;min-width:9rem}}
.melious-ledger td.bar{{background:linear-gradient(to left,var(--bar) var(--share),transparent var(--share))}}
.melious-ledger .estimated td.bar{{background:linear-gradient(to left,var(--guess) var(--share),
 transparent var(--share))}}
.melious-ledger .none{{color:var(--soft)}}
@container (max-width:45rem){{
.melious-ledger table,.melious-ledger thead,.melious-ledger tbody,.melious-ledger tr{{display:block}}
.melious-ledger thead th:not(:first-child){{display:none}}
.melious-ledger thead th:first-child{{display:block}}
.melious-ledger tbody tr{{padding:6px 0;border-bottom:1px solid var(--line)}}
.melious-ledger td{{display:flex;justify-content:space-between;gap:1rem;border:0;padding:1px 6px}}
.melious-ledger td:first-child{{font-weight:600}}
.melious-ledger td:not(:first-child)::before{{content:attr(data-label);color:var(--soft)}}
.melious-ledger td:empty{{display:none}}
}}
""".strip()


def html(ledger: LedgerLike) -> str:
    """The total as tiles, and tables by dimension; estimates in a separate table."""
    total = ledger.total
    units = Units.of(total)
    estimates = estimated_section(ledger)
    parts = [
        '<div class="melious-ledger">',
        f"<style>{STYLE}</style>",
        '<div class="tiles">',
        *_tiles(total, units),
        "</div>",
        *(f"<p>{escape(note)}</p>" for note in notes(ledger)),
    ]
    for section in sections(ledger):
        parts += table(section, units.carbon[0], lambda sums: sums.carbon_g_co2)
    if estimates:
        carbon = f"~{units.carbon[0]}"
        parts += table(estimates, carbon, lambda sums: sums.estimated_carbon_g_co2, kind="estimated")
    parts.append("</div>")
    return "\n".join(parts)


def page(ledger: LedgerLike, title: str) -> str:
    """The fragment as a page of its own."""
    return page_of(html(ledger), title)


def page_of(fragment: str, title: str) -> str:
    """A fragment as a page of its own, under its title."""
    return f"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<style>
body{{margin:0 auto;padding:1.2rem;max-width:66rem;background:Canvas;color:CanvasText}}
h1{{font:650 22px/1.3 system-ui,-apple-system,"Segoe UI",sans-serif;margin:0 0 .6rem}}
</style>
</head>
<body>
<h1>{escape(title)}</h1>
{fragment}
</body>
</html>
"""


def _tiles(total: Totals, units: Units) -> Iterator[str]:
    count, _, word = counted(total.requests, "request").partition(" ")
    yield _tile(count, word)
    if not total.requests:
        return
    if total.failed:
        yield _tile(f"{total.failed:,}", "failed")
    read = f"{tokens(total.input_tokens)} → {tokens(total.output_tokens)}" if total.with_usage else UNREPORTED
    details = [
        f"{tokens(count)} {name}"
        for name, count in (("cached", total.cached_tokens), ("reasoning", total.reasoning_tokens))
        if count
    ]
    yield _tile(read, f"tokens in → out{' · ' if details else ''}{', '.join(details)}")
    for value, (unit, factor), name in (
        (total.energy_kwh, units.energy, "energy"),
        (total.carbon_g_co2, units.carbon, "carbon"),
        (total.water_liters, units.water, "water"),
    ):
        yield _tile(
            *(
                (UNREPORTED, f"{name} not reported")
                if value is None
                else (f"{figure(value, factor)} {unit}", name)
            )
        )
    if total.eur is None:
        yield _tile(UNREPORTED, charges(total) or "cost not reported")
    else:
        yield _tile(
            f"{units.amount(total.eur)} {units.money[0]}",
            f"paid with {charges(total)}" if total.charged else "cost",
        )


def _tile(figure_: str, name: str) -> str:
    return f'<div class="tile"><b>{escape(figure_)}</b><span>{escape(name)}</span></div>'


def table(
    section: Section, barred: str, size: Callable[[Totals], float | None], kind: str = "reported"
) -> Iterator[str]:
    """A table; the column `barred` has bars, scaled to its largest value."""
    most = max((size(sums) or 0.0 for _, sums in section.rows), default=0.0)
    yield f'<table class="{kind}"><thead><tr><th scope="col">{escape(section.title)}</th>'
    yield "".join(f'<th scope="col">{escape(column.header)}</th>' for column in section.columns)
    yield "</tr></thead><tbody>"
    for name, sums in section.rows:
        cells = [f"<td>{escape(name)}</td>"]
        for column in section.columns:
            shown, share = column.show(sums), (size(sums) or 0.0) / most if most else 0.0
            marks = f' data-label="{escape(column.header)}"'
            if column.header == barred and share:
                marks += f' class="bar" style="--share:{share:.1%}"'
            elif shown == UNREPORTED:
                marks += ' class="none"'
            cells.append(f"<td{marks}>{escape(shown)}</td>")
        yield f"<tr>{''.join(cells)}</tr>"
    yield "</tbody></table>"
