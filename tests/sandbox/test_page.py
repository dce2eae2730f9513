"""The page at ``/`` over plain HTTP: what it says, what it never says, and what it does not touch."""

import re
import time
from decimal import Decimal
from html.parser import HTMLParser

import httpx
import pytest
from faults.faults_kit import eventually

from melious.impact.units import euro
from melious.routing.countries import name_of
from melious.sandbox import Fault
from melious_sandbox.page import figures
from melious_sandbox.page.rows import row
from melious_sandbox.page.texts import Cleaner
from melious_sandbox.service.impact import Work
from melious_sandbox.service.records import RecordedRequest

CHAT = {"model": "glm-4.7", "messages": [{"role": "user", "content": "What is a lighthouse?"}]}
HOSTILE = "<script>alert(1)</script>\"'&<!--"
VOID = {"meta", "link", "img", "br", "input"}


class Outline(HTMLParser):
    """Reads a page, and refuses one whose tags do not close in order."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.rows, self._open = [], [], []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & set(self._open):
            self.rows[-1][-1] += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def look(sandbox):
    """Open the page without a key; give the answer."""

    def get(path="", **headers):
        return httpx.get(f"{sandbox.page_url}{path}", headers=headers, trust_env=False)

    return get


@pytest.fixture
def rows(look):
    """Give the cells of the table's rows, the newest first."""
    return lambda: Outline(look().text).rows[1:]


def test_a_row_says_what_was_asked_where_it_went_and_what_it_cost(rows, http):
    wish = {"preset": "environment", "filters": {"countries": ["DE", "FR"], "max_carbon_intensity": 200}}
    answer = http.post("/chat/completions", json=CHAT | wish).json()
    ((time, request, route, status, took, tokens, cost, carbon),) = rows()
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}, open the request", time)
    assert request == "chat glm-4.7What is a lighthouse?"
    impact, bill, usage = answer["environment_impact"], answer["billing_cost"], answer["usage"]
    assert route.startswith(f"{impact['provider_id']} {name_of(impact['location'])}")
    for words in ("preset environment", "countries DE FR", "max_carbon_intensity 200"):
        assert words in route
    assert status == "200"
    assert re.fullmatch(r"[\d.]+ (ms|s)", took)
    assert tokens == f"{usage['prompt_tokens']} → {usage['completion_tokens']}"
    assert cost == euro(Decimal(bill["credits"]))
    assert cost.endswith(" µ€")
    assert float(carbon.removesuffix(" mg")) == pytest.approx(impact["carbon_g_co2"] * 1000, rel=0.01)


def test_every_endpoint_has_words_of_its_own(rows, http):
    http.post("/embeddings", json={"model": "bge-m3:eco", "input": ["sea", "sand"]})
    http.post("/rerank", json={"model": "bge-reranker-v2-m3", "query": "sea?", "documents": ["sea", "sand"]})
    http.post("/images/generations", json={"prompt": "a pier", "size": "64x64", "n": 2})
    http.get("/models/glm-4.7")
    http.get("/elsewhere")
    elsewhere, models, images, rerank, embeddings = rows()
    assert embeddings[1] == "embeddings bge-m3:eco2 texts · sea"
    assert rerank[1] == "rerank bge-reranker-v2-m3sea? · 2 documents"
    assert images[1] == "images a pier"
    assert "as flux-schnell" in images[2]
    assert images[5] == "2 images"
    assert models[1] == "models glm-4.7"
    assert elsewhere[1].startswith("GET /v1/elsewhere")
    assert models[2] == elsewhere[2] == models[6] == elsewhere[7] == figures.NOTHING


def test_refusals_and_faults_say_why(rows, sandbox, http):
    sandbox.faults.add(Fault(code="rate_limit", headers={"retry-after": "2"}), Fault(impact="missing"))
    http.post("/chat/completions", json=CHAT)
    http.post("/chat/completions", json=CHAT)
    http.post("/chat/completions", json=CHAT | {"filters": {"countries": ["AQ"]}})
    http.post("/chat/completions", json=CHAT, headers={"authorization": "Bearer sk-mel-wrong"})
    wrong_key, nowhere, damaged, limited = rows()
    assert limited[3] == "429"
    assert "fault code rate_limit, retry-after 2" in limited[1]
    assert damaged[3] == "200"
    assert "fault impact missing" in damaged[1]
    assert nowhere[3] == "503"
    assert "No providers match" in nowhere[1]
    assert wrong_key[3] == "401"


def test_a_stream_that_is_cut_is_broken_off(rows, sandbox, http):
    sandbox.faults.add(Fault(cut_after_events=2), Fault(cut_after_bytes=0))
    for _ in range(2):
        with pytest.raises(httpx.TransportError):
            http.post("/chat/completions", json=CHAT | {"stream": True})
    silent, cut = rows()
    assert (cut[3], silent[3]) == ("200 broken off", "broken off")


def test_figures_that_the_answer_does_not_carry_are_marked(look, http):
    http.post("/chat/completions", json=CHAT)
    assert 'title="computed by the sandbox' not in look().text
    stream = http.post("/chat/completions", json=CHAT | {"stream": True}).text
    assert "environment_impact" not in stream
    assert look().text.count('title="computed by the sandbox') == 2


def test_totals_are_those_of_the_answers(look, sandbox, http):
    answers = [
        http.post("/chat/completions", json=CHAT | {"preset": preset}).json() for preset in ("speed", "price")
    ]
    http.post("/chat/completions", json=CHAT | {"temperature": 9})
    while sandbox.requests[-1].duration is None:  # its end is noted after the client has it
        time.sleep(0.001)
    totals = sandbox.requests.totals()
    assert (totals.requests, totals.failed) == (3, 1)
    assert totals.input_tokens == sum(answer["usage"]["prompt_tokens"] for answer in answers)
    assert totals.output_tokens == sum(answer["usage"]["completion_tokens"] for answer in answers)
    assert totals.euros == sum(Decimal(answer["billing_cost"]["credits"]) for answer in answers)
    carbon = sum(answer["environment_impact"]["carbon_g_co2"] for answer in answers)
    assert totals.carbon_g == pytest.approx(carbon)
    text = look().text
    assert f"<dd>{euro(totals.euros)}</dd>" in text
    assert f"<dd>{figures.carbon(carbon)}</dd>" in text
    assert "1 failed" in text


def test_energy_is_no_money_and_no_bill_is_not_zero(start_sandbox, client_of):
    by_energy, unbilled = start_sandbox("g2"), start_sandbox("g1")
    for sandbox in (by_energy, unbilled):
        client_of(sandbox).post("/chat/completions", json=CHAT)
    page = httpx.get(by_energy.page_url, trust_env=False).text
    assert re.search(r'data-name="Cost">[\d.]+ energy<', page)
    assert by_energy.requests.totals().euros == 0
    page = httpx.get(unbilled.page_url, trust_env=False).text
    assert f'data-name="Cost"><span class="none">{figures.NOTHING}<' in page
    assert f"<dt>Cost</dt><dd>{figures.NOTHING}</dd>" in page
    assert "<dt>CO₂</dt><dd>0 " not in page


def test_what_a_client_sends_is_escaped(look, http):
    http.post("/chat/completions", json=CHAT | {"model": HOSTILE})
    http.post(
        "/chat/completions", json={"model": "glm-4.7", "messages": [{"role": "user", "content": HOSTILE}]}
    )
    http.post("/chat/completions", json=CHAT | {"preset": HOSTILE, "filters": {HOSTILE: [HOSTILE]}})
    http.post("/chat/completions", json=CHAT | {"model": {HOSTILE: 1}, "messages": HOSTILE, "tools": HOSTILE})
    http.post("/rerank", json={"model": HOSTILE, "query": [HOSTILE], "documents": {HOSTILE: HOSTILE}})
    http.post("/audio/transcriptions", data={"model": HOSTILE}, files={"file": (HOSTILE, b"x", HOSTILE)})
    http.get(f"/models/{HOSTILE}")
    http.request("GET", f"/{HOSTILE}")
    page = look().text
    outline = Outline(page)
    assert len(outline.all("script")) == 1
    assert len(outline.rows) == 9
    assert page.count("alert(1)") == page.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 8
    fed = look("page/rows").json()
    assert all("<script" not in row["html"] for row in fed["rows"])


@pytest.mark.parametrize(
    "body",
    [b"[1,2]", b'"\\ud800"', b"\xff\xfe", b"[" * 5000, b'{"model":"\\ud800","messages":[3,{"content":[1,{"type":"x"}]}]}',
     b'{"model":null,"filters":"DE","input":[[1]],"custom_weights":[]}'],
)  # fmt: skip
@pytest.mark.parametrize("path", ["chat/completions", "embeddings", "rerank", "images/generations"])
def test_strange_bodies_are_shown_too(look, http, path, body):
    http.post(f"/{path}", content=body, headers={"content-type": "application/json"})
    assert look().status_code == 200
    assert len(look("page/rows").json()["rows"]) == 1


def test_keys_are_never_shown(start_sandbox, client_of):
    keys = {"other-key+1": ["*"]}
    upstream = "http://user:password@127.0.0.1:1/v1?token=abc"
    sandbox = start_sandbox(api_key="main-key", keys=keys, upstream=upstream, upstream_key="behind-key")
    http = client_of(sandbox)
    secrets = ("main-key", "other-key+1", "behind-key", "sk-mel-anothers", "password", "token=abc")
    for secret in secrets[:4]:
        body = {"model": secret, "messages": [{"role": "user", "content": f"{'x' * 130} {secret}"}]}
        http.post("/chat/completions", json=body | {"preset": secret}, headers={"x-api-key": secret})
        http.get(f"/{secret}?key={secret}")
    for path in ("", "page/rows"):
        page = httpx.get(f"{sandbox.page_url}{path}", trust_env=False).text
        assert "***" in page
        assert [secret for secret in secrets if secret in page] == []


def test_it_asks_for_no_key_and_leaves_no_trace(look, sandbox, http):
    assert look().status_code == look("page/rows").status_code == 200
    assert httpx.head(sandbox.page_url, trust_env=False).status_code == 200
    assert len(sandbox.requests) == 0
    assert "No requests yet" in look().text
    limited = http.get("/models").headers["x-ratelimit-remaining"]
    look()
    assert int(http.get("/models").headers["x-ratelimit-remaining"]) == int(limited) - 1
    sandbox.faults.add(Fault(status=503))
    assert look().status_code == 200
    assert len(sandbox.faults) == 1


def test_other_methods_are_requests_to_nowhere(sandbox):
    answer = httpx.post(sandbox.page_url, json=CHAT, trust_env=False)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert sandbox.requests[0].path == "/"


def test_nothing_comes_from_elsewhere(look):
    answer = look()
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    outline = Outline(answer.text)
    assert all(link["href"].startswith("data:") for link in outline.all("link"))
    assert not any("src" in attributes or "style" in attributes for _, attributes in outline.tags)
    assert not re.search(r"https?://(?!127\.0\.0\.1|www\.w3\.org/2000/svg)", answer.text)


def test_the_table_can_be_read_aloud(look, http):
    http.post("/chat/completions", json=CHAT)
    outline = Outline(look().text)
    scopes = [attributes.get("scope") for attributes in outline.all("th")]
    assert scopes == ["col"] * 8 + ["row"]
    assert len(outline.all("caption")) == len(outline.all("h1")) == len(outline.all("main")) == 1
    assert outline.all("html")[0]["lang"] == "en"


def test_the_feed_answers_only_news(look, sandbox, http):
    first = look("page/rows")
    version = first.headers["etag"]
    unchanged = look("page/rows", **{"if-none-match": version})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    http.get("/models")
    changed = look("page/rows", **{"if-none-match": version})
    assert [row["id"] for row in changed.json()["rows"]] == [sandbox.requests[0].request_id]
    sandbox.reset()
    assert look("page/rows", **{"if-none-match": changed.headers["etag"]}).json()["rows"] == []


def test_only_the_last_requests_are_shown_but_all_are_counted(look, start_sandbox, client_of):
    sandbox = start_sandbox(max_requests_kept=120)
    http = client_of(sandbox)
    for _ in range(130):
        http.get("/models/glm-4.7")
    page = httpx.get(sandbox.page_url, trust_env=False).text
    assert page.count('<tr id="req_') == 100
    assert "The last 100 of 130 requests" in page
    assert len(sandbox.requests) == 120


def test_a_name_that_is_made_to_point_here_sees_nothing(look):
    assert look(host="evil.example").status_code == 403
    assert (
        look(host="evil.example:80").status_code
        == look("page/rows", host="127.0.0.1.evil.example").status_code
        == 403
    )
    for name in ("localhost:9000", "[::1]:80", "127.0.0.1", "sandbox.localhost"):
        assert look(host=name).status_code == 200


def test_records_tell_the_same(sandbox, http):
    http.post("/chat/completions", json=CHAT | {"model": "glm-4.7:eco"})
    request = sandbox.requests[0]
    assert (request.served.model, request.served.provider, request.served.country) == (
        "glm-4.7",
        "berget",
        "SE",
    )
    assert request.served.told == {"environment_impact", "billing_cost"}
    assert eventually(lambda: request.duration is not None)  # its end is noted after the client has it
    assert request.duration > 0
    sandbox.faults.add(Fault(status=503))
    http.post("/chat/completions", json=CHAT)
    assert sandbox.requests[1].fault.status == 503
    assert sandbox.requests[1].served is None


def test_forgetting_while_a_request_is_open(start_sandbox, client_of):
    sandbox = start_sandbox()
    sandbox.faults.add(Fault(stall_after_events=2, stall_seconds=600))
    with client_of(sandbox).stream("POST", "/chat/completions", json=CHAT | {"stream": True}) as stream:
        parts = stream.iter_raw()
        next(parts)
        sandbox.reset()
    client_of(sandbox).get("/models")
    assert sandbox.requests.totals().requests == 1
    assert sandbox.requests.totals().output_tokens == 0


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\n\tb  c", "a b c"),
        ("ab\u202ecd\x00", "ab\ufffdcd\ufffd"),
        ("👩\u200d🔬 é 漢", "👩\u200d🔬 é 漢"),
        ("my secret.key!", "my ***!"),
        ("secret.key2", "***"),
        ("x" * 21, "x" * 19 + "…"),
    ],
)
def test_texts_are_made_fit(text, shown):
    assert Cleaner(["secret.key", "secret.key2", ""])(text, 20) == shown


def test_a_key_is_not_cut_in_half():
    request = RecordedRequest(
        "POST",
        "/v1/chat/completions",
        "",
        "chat",
        {},
        CHAT | {"model": "m" * 75 + "sk-mel-abcdef"},
        "r",
        1,
        0.0,
    )
    assert f">{'m' * 75}***<" in row(request, Cleaner([]))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (figures.significant(1e-14), "0.0000000000"),
        (figures.significant(999.9), "1,000"),
        (figures.significant(Decimal("0.1")), "0.100"),
        (figures.bill(None), figures.NOTHING),
        (figures.bill({"credits": "0", "energy": "1.5", "paid_with": "energy"}), "1.50 energy"),
        (figures.carbon(0), "0 mg"),
        (figures.water(0.0002), "200 µl"),
        (figures.energy(1.5), "1.50 kWh"),
        (figures.work(Work(audio_seconds=3.21)), "3.2 s of sound"),
        (figures.work(Work(images=1)), "1 image"),
        (figures.seconds(59.96), "60 s"),
    ],
)
def test_figures(written, expected):
    assert written == expected
