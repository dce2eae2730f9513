"""The list on the page: filtered, cleared, and with a chart of what adds up."""

import re
from decimal import Decimal
from html import unescape

import httpx
import pytest
from faults.faults_kit import eventually

from melious.impact.units import euro
from melious.sandbox import Fault
from melious_sandbox.page import figures
from melious_sandbox.page.chart import charts
from melious_sandbox.service.records import Totals

CHAT = {"model": "glm-4.7", "messages": [{"role": "user", "content": "What is a lighthouse?"}]}
CLEARING = {"x-sandbox-page": "clear"}


@pytest.fixture
def listed(sandbox):
    """Filter; give the words of the rows, the newest first, and the line above them."""

    def get(**query):
        page, fed = (
            httpx.get(f"{sandbox.page_url}{path}", params=query, trust_env=False)
            for path in ("", "page/rows")
        )
        rows = [unescape(re.sub(r"<[^>]*>", " ", row["html"])) for row in fed.json()["rows"]]
        caption = re.search(r"<caption>(.*?)</caption>", page.text)[1]
        assert caption == fed.json()["caption"]
        assert page.text.count('<tr id="req_') == len(rows)
        return rows, caption

    return get


@pytest.fixture
def several(sandbox, http):
    http.post("/embeddings", json={"model": "bge-m3:eco", "input": ["Häfen & <b>"]})
    http.post("/chat/completions", json=CHAT)
    http.post("/chat/completions", json=CHAT | {"temperature": 9})
    sandbox.faults.add(Fault(cut_after_bytes=0))
    with pytest.raises(httpx.TransportError):
        http.post("/chat/completions", json=CHAT)
    http.get("/models/glm-4.7")
    assert eventually(lambda: all(request.duration is not None for request in sandbox.requests))


@pytest.mark.usefixtures("several")
@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({}, 5),
        ({"endpoint": "chat"}, 3),
        ({"outcome": "refused"}, 1),
        ({"outcome": "broken off"}, 1),
        ({"outcome": "done", "endpoint": "chat"}, 1),
        ({"text": "GLM-4.7"}, 4),
        ({"text": "sweden"}, 1),
        ({"text": "häfen & <b>"}, 1),
        ({"text": "fault cut_after_bytes"}, 0),
        ({"text": "cut_after_bytes"}, 1),
        ({"text": "req_"}, 0),
        ({"text": "nothing like it"}, 0),
        ({"endpoint": "odd", "outcome": "odd", "more": "x"}, 5),
        ({"text": "  "}, 5),
    ],
)
def test_only_requests_that_match_are_listed(listed, query, count):
    rows, caption = listed(**query)
    assert len(rows) == count
    words = {"endpoint": "chat", "outcome": "done"}
    limits = any(query.get(name, "").strip() in (*words.values(), "refused", "broken off") for name in words)
    limits = limits or bool(query.get("text", "").strip())
    assert (f"{count} of the last 5 requests match" in caption) == limits


def test_the_form_shows_what_is_chosen(sandbox):
    hostile = '"><script>alert(1)</script>'
    page = httpx.get(
        sandbox.page_url,
        params={"endpoint": "rerank", "outcome": "refused", "text": hostile},
        trust_env=False,
    ).text
    assert "<option selected>rerank</option>" in page
    assert "<option selected>refused</option>" in page
    assert 'value="&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"' in page
    for odd in ("?text=%ff%00", "?" + "&".join(f"a{n}=1" for n in range(21)), "?text=" + "x" * 5000):
        assert httpx.get(f"{sandbox.page_url}{odd}", trust_env=False).status_code == 200


def test_a_key_is_not_found_by_its_parts(start_sandbox, client_of):
    sandbox = start_sandbox(api_key="main-key")
    client_of(sandbox).post("/chat/completions", json=CHAT | {"model": "main-key"})
    for text, count in (("main", 0), ("***", 1)):
        fed = httpx.get(f"{sandbox.page_url}page/rows", params={"text": text}, trust_env=False).json()
        assert len(fed["rows"]) == count


def test_clearing_forgets_requests_and_totals_and_nothing_else(sandbox, http):
    http.post("/chat/completions", json=CHAT)
    sandbox.faults.add(Fault(endpoint="rerank", status=503))
    answer = httpx.post(f"{sandbox.page_url}page/clear", headers=CLEARING, trust_env=False)
    assert (answer.status_code, answer.content) == (204, b"")
    assert len(sandbox.requests) == sandbox.requests.totals().requests == 0
    assert len(sandbox.faults) == 1
    fed = httpx.get(f"{sandbox.page_url}page/rows", trust_env=False).json()
    assert (fed["rows"], fed["charts"]) == ([], "")


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", {}, 404),
        ("POST", {"x-sandbox-page": "x"}, 404),
        ("GET", CLEARING, 404),
        (
            "OPTIONS",
            {"origin": "http://localhost:1", "access-control-request-headers": "x-sandbox-page"},
            404,
        ),
        ("POST", CLEARING | {"origin": "http://evil.example"}, 403),
        ("POST", CLEARING | {"host": "evil.example"}, 403),
    ],
)
def test_other_pages_cannot_clear(sandbox, http, method, headers, status):
    """A page of another origin could send the header only if the answer to OPTIONS allowed it."""
    http.post("/chat/completions", json=CHAT)
    answer = httpx.request(method, f"{sandbox.page_url}page/clear", headers=headers, trust_env=False)
    assert answer.status_code == status
    assert not any(name.startswith("access-control") for name in answer.headers)
    assert sandbox.requests[0].body == CHAT


def test_cost_and_carbon_are_drawn_as_they_add_up(sandbox, http):
    for _ in range(3):
        http.post("/chat/completions", json=CHAT)
    assert eventually(lambda: sandbox.requests[-1].duration is not None)
    page = httpx.get(sandbox.page_url, trust_env=False).text
    totals = sandbox.requests.totals()
    for name, total in (("Cost", euro(totals.euros)), ("CO₂", figures.carbon(totals.carbon_g))):
        assert f'aria-label="{name} over 3 requests, {total} in all"' in page
        assert f"{name} <b>{total}</b>" in page
    assert "simulated" in page


def test_a_step_is_as_high_as_what_was_added():
    growth = [
        (1, Totals(euros=Decimal("0.5"), carbon_g=1.0)),
        (2, Totals(euros=Decimal("0.5"), carbon_g=2.0)),
        (4, Totals(euros=Decimal(1), carbon_g=4.0)),
    ]
    cost, carbon = re.findall(r'class="line" d="([^"]*)"', charts(growth))
    assert cost == "M0 60V31.0H150.0V31.0H300.0V2.0H600.0"
    assert carbon == "M0 60V45.5H150.0V31.0H300.0V2.0H600.0"


def test_what_is_not_known_is_not_drawn():
    assert charts([(0, Totals())]) == ""
    assert "Cost" not in charts([(1, Totals(unbilled=1, carbon_g=1.0))])
    assert "Cost <b>1.50 energy</b>" in charts([(1, Totals(energy=Decimal("1.5")))])
