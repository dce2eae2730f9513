"""The page as HTML: every text from outside is escaped, and nothing is loaded from elsewhere."""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from importlib.resources import files

from melious_sandbox.page import figures
from melious_sandbox.page.rows import Row
from melious_sandbox.records import Totals

_STYLE = files(__package__).joinpath("style.css").read_text("utf-8")
_SCRIPT = files(__package__).joinpath("live.js").read_text("utf-8")
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Cpath fill='%23178a5a' d='M2 14C2 6 7 2 14 2c0 7-4 11-10 10l5-5-6 5z'/%3E%3C/svg%3E"
)
_COLUMNS = ("Time", "Request", "Route", "Status", "Took", "Tokens", "Cost", "CO₂")
_OPEN = ("going on", "broken off")
_UNTOLD = "computed by the sandbox, but not sent to your client"


def _hash_of(text: str) -> str:
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"


CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src {_hash_of(_STYLE)}; script-src {_hash_of(_SCRIPT)}; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class Scene:
    """What the page says of the sandbox itself.

    Attributes:
        host: Host and port as the browser names them.
        profile: The generation it speaks like.
        upstream: The address of the server that answers instead, "" without one.
        models: How many models of each kind there are.
    """

    host: str
    profile: str
    upstream: str
    models: Mapping[str, int]


def page(scene: Scene, version: str, rows: list[Row], totals: Totals) -> str:
    """Write the whole page."""
    base_url = f"http://{scene.host}/v1"
    upstream = f'<span class="badge">answers from {escape(scene.upstream)}</span>' if scene.upstream else ""
    answers = (
        f"Chat and embeddings are answered by {escape(scene.upstream)}, everything else by the sandbox; "
        "providers and figures are made up here."
        if scene.upstream
        else "Nothing in it is a language model: answers, providers and figures are made up here from the "
        "request alone, and nothing is sent anywhere."
    )
    models = ", ".join(f"{count} {escape(kind.removesuffix('s'))}" for kind, count in scene.models.items())
    return f"""<!doctype html>
<html lang="en" data-version="{escape(version)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Melious sandbox</title>
<link rel="icon" href="{_ICON}">
<noscript><meta http-equiv="refresh" content="5"></noscript>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>Melious sandbox</h1>
<span class="badge">profile {escape(scene.profile)}</span>{upstream}
<p id="state" role="status"><noscript>new every 5 seconds</noscript></p>
</header>
<main>
<section aria-label="Totals"><dl id="totals">{totals_of(totals)}</dl></section>
<table>
<caption>{caption_of(len(rows), totals.requests)}</caption>
<thead><tr>{"".join(f'<th scope="col">{name}</th>' for name in _COLUMNS)}</tr></thead>
<tbody id="rows">{"".join(map(row, rows))}</tbody>
</table>
<section class="start">
<h2>Connect your code</h2>
<pre tabindex="0"><code>export MELIOUS_BASE_URL={escape(base_url)}
export MELIOUS_API_KEY=…   # the key that was given to the sandbox; this page never shows it

curl {escape(base_url)}/chat/completions \\
  -H "authorization: Bearer $MELIOUS_API_KEY" -H "content-type: application/json" \\
  -d '{{"model":"glm-4.7:eco","messages":[{{"role":"user","content":"What is a lighthouse?"}}]}}'</code></pre>
<p>It serves {models} models. {answers}
<span class="untold">Figures like this</span> were computed by the sandbox but not sent to your client.</p>
</section>
</main>
<script>{_SCRIPT}</script>
</body>
</html>
"""


def caption_of(shown: int, seen: int) -> str:
    """Write the line above the table."""
    if not seen:
        return "No requests yet; they show up here as they come."
    if shown < seen:
        return f"The last {shown:,} of {seen:,} requests, the newest first"
    return "Requests, the newest first"


def totals_of(totals: Totals) -> str:
    """Write the sums."""
    failed = f"{totals.failed:,} failed" if totals.failed else ""
    paid = [figures.euros(totals.euros)] if totals.euros or not (totals.energy or totals.unbilled) else []
    paid += [f"{figures.significant(totals.energy)} energy"] if totals.energy else []
    cells: Iterable[tuple[str, str, str]] = (
        ("Requests", f"{totals.requests:,}", failed),
        ("Tokens read", f"{totals.input_tokens:,}", ""),
        ("Tokens written", f"{totals.output_tokens:,}", ""),
        ("Cost", " + ".join(paid) or figures.NOTHING, ""),
        ("CO₂", figures.carbon(totals.carbon_g), ""),
        ("Electricity", figures.energy(totals.energy_kwh), ""),
        ("Water", figures.water(totals.water_l), ""),
    )
    return "".join(
        f"<div><dt>{name}</dt><dd>{value}{f'<small>{more}</small>' if more else ''}</dd></div>"
        for name, value, more in cells
    )


def row(said: Row) -> str:
    """Write one row of the table."""
    clock = f"{said.received:%H:%M:%S}<small>.{said.received.microsecond // 1000:03}</small>"
    model = f'<b class="model">{escape(said.model)}</b>' if said.model else ""
    endpoint = f'<span class="endpoint">{escape(said.endpoint)}</span>'
    chips = "".join(f'<span class="chip">{escape(trait)}</span>' for trait in said.traits)
    about = f'<p class="about"><bdi>{escape(said.about)}</bdi></p>' if said.about else ""
    wishes = "".join(f'<span class="chip wish">{escape(wish)}</span>' for wish in said.wishes)
    provider = (
        f'<b>{escape(said.provider)}</b> <span class="country">{escape(said.country)}</span>'
        if said.provider
        else f'<span class="none">{figures.NOTHING}</span>'
    )
    served_as = f'<p class="about">as {escape(said.served_as)}</p>' if said.served_as else ""
    error = f'<p class="error"><bdi>{escape(said.error)}</bdi></p>' if said.error else ""
    fault = f'<p class="fault"><b>fault</b> <bdi>{escape(said.fault)}</bdi></p>' if said.fault else ""
    ending = f" {said.outcome}" if said.status.isdecimal() and said.outcome in _OPEN else ""
    cached = f"<small>{said.cached:,} cached</small>" if said.cached else ""
    kind = said.outcome.replace(" ", "-")
    return (
        f'<tr id="{escape(said.id)}" class="{kind}">'
        f'<th scope="row"><time datetime="{said.received.isoformat()}">{clock}</time></th>'
        f'<td class="request">{endpoint} {model}{chips}{about}{error}{fault}</td>'
        f'<td class="route">{provider}{served_as}{wishes}</td>'
        f'<td class="status"><span class="mark">{said.status}{ending}</span></td>'
        f'<td class="figure" data-name="Took">{said.took}</td>'
        f'<td class="figure" data-name="Tokens">{said.tokens}{cached}</td>'
        f'<td class="figure" data-name="Cost">{_figure(said.cost, told=said.cost_told)}</td>'
        f'<td class="figure" data-name="CO₂">{_figure(said.carbon, told=said.carbon_told)}</td></tr>'
    )


def _figure(text: str, *, told: bool) -> str:
    if text == figures.NOTHING:
        return f'<span class="none">{text}</span>'
    return text if told else f'<span class="untold" title="{_UNTOLD}">{text}</span>'
