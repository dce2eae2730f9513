"""A request opened on the page: what came, what was sent, which attempt it was; never a key, and never without bounds."""

import json
import re
from html import unescape

import httpx
import pytest
from faults.faults_kit import eventually

from melious import MeliousClient
from melious.sandbox import Fault, Reply
from melious_sandbox.page.texts import Cleaner
from melious_sandbox.service.sent import Growth

CHAT = {"model": "glm-4.7", "messages": [{"role": "user", "content": "What is a lighthouse?"}]}
HOSTILE = "<script>alert(1)</script>\"'&<!--"


@pytest.fixture
def opened(sandbox):
    """Open a request's page, the last by default."""

    def get(number=-1, running=sandbox):
        answer = httpx.get(
            f"{running.page_url}page/requests/{running.requests[number].request_id}", trust_env=False
        )
        assert answer.status_code == 200
        return unescape(re.sub(r"<script>.*</script>|<style>.*</style>", "", answer.text, flags=re.DOTALL))

    return get


@pytest.fixture
def client(sandbox):
    with MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url, max_retries=2) as client:
        yield client


def test_both_bodies_and_all_headers_are_shown(opened, http, sandbox):
    answer = http.post("/chat/completions", json=CHAT)
    page = opened()
    assert json.dumps(CHAT, indent=2) in page
    assert json.dumps(answer.json(), indent=2, ensure_ascii=False) in page
    assert "POST /v1/chat/completions\n" in page
    assert "authorization: Bearer ***\n" in page
    assert "\n200 OK\n" in f"\n{page.replace('<code>', chr(10))}"
    for name in ("x-request-id", "x-ratelimit-remaining", "content-length"):
        assert f"{name}: {answer.headers[name]}" in page
    assert f"<code>{sandbox.requests[0].request_id}</code>" in page
    assert "melious, Finland (FI), as <code>glm-4.7</code>" in page
    assert "Simulated figures" in page


def test_attempts_of_one_call_lead_to_each_other(opened, client, sandbox):
    sandbox.faults.add(Fault(code="rate_limit", headers={"retry-after": "0"}), Fault(status=503))
    client.chat.create(**CHAT)
    client.chat.create(**CHAT)
    assert eventually(lambda: all(request.duration is not None for request in sandbox.requests))
    first, second, third, another = (request.request_id for request in sandbox.requests)
    page = opened(1)
    assert re.search(r"<dt>Attempt</dt><dd>2, ", page)
    assert f'<a href="/page/requests/{first}">attempt 1</a> (refused)' in page
    assert f'<a href="/page/requests/{third}">attempt 3</a> (done)' in page
    assert another not in page
    assert "<dt>Attempt</dt><dd>1</dd>" in opened(3), "an equal request is not an attempt of the same call"
    assert httpx.get(sandbox.page_url, trust_env=False).text.count(">attempt ") == 2
    assert second in page


@pytest.mark.parametrize(
    ("header", "shown"), [("1", "2"), ("x", "1"), ("-1", "1"), ("9" * 9, "1"), ("²", "1")]
)
def test_attempts_of_other_clients_are_counted_as_they_say(opened, http, header, shown):
    http.post("/chat/completions", json=CHAT, headers={b"x-stainless-retry-count": header.encode("latin-1")})
    assert f"<dt>Attempt</dt><dd>{shown}</dd>" in opened()


def test_a_refusal_a_fault_and_a_scripted_reply_are_named(opened, http, sandbox):
    http.post("/chat/completions", json=CHAT | {"temperature": 9})
    assert eventually(lambda: sandbox.requests[-1].duration is not None)
    assert re.search(r"<dt>Outcome</dt><dd>refused after [\d.]+ m?s", opened())
    assert re.search(r"<dt>Error</dt><dd>.*temperature", opened())
    http.post("/chat/completions", json=CHAT, headers={"x-sandbox-fault": '{"status":503}'})
    assert '<dt>Fault</dt><dd><code>{"status":503}</code>' in opened()
    sandbox.replies.add(Reply(text="Forty-two."))
    http.post("/chat/completions", json=CHAT)
    assert "<dt>Answer</dt><dd>scripted</dd>" in opened()
    assert '"content": "Forty-two."' in opened()


def test_a_stream_is_shown_event_by_event(opened, http, sandbox):
    sandbox.replies.add(Reply(text="It is a tower with a light on top."))
    http.post("/chat/completions", json=CHAT | {"stream": True})
    page = opened()
    assert page.count('data: {"id":"chatcmpl-') > 5
    assert "data: [DONE]" in page


def test_what_is_not_there_or_cannot_be_shown_is_said(opened, http, sandbox):
    http.get("/models/glm-4.7")
    assert "No body." in opened()
    http.post("/chat/completions", json=CHAT, headers={"authorization": "Bearer wrong"})
    assert "The body was not kept: the request was refused before its body was read." in opened()
    assert "There is no code, because the body was not kept." in opened()
    sandbox.faults.add(Fault(cut_after_bytes=0), Fault(body="{half"))
    with pytest.raises(httpx.TransportError):
        http.post("/chat/completions", json=CHAT)
    assert eventually(lambda: sandbox.requests[-1].duration is not None)
    assert "No answer was kept" in opened()
    http.post("/chat/completions", json=CHAT)
    assert "<code>{half</code>" in opened()
    for depth in (300, 700, 3000):  # how deep decoders go differs between Pythons
        deep = b'{"a":' * depth + b"1" + b"}" * depth
        http.post("/chat/completions", content=deep, headers={"content-type": "application/json"})
        assert "Nested too deeply to be shown." in opened() or opened().count('"a') >= depth
    image = http.post("/images/generations", json={"prompt": "x", "size": "64x64", "response_format": "url"})
    httpx.get(image.json()["data"][0]["url"], trust_env=False)
    assert re.search(r"[\d,]+ bytes of image/png\.", opened())


def test_long_bodies_are_cut_and_say_so(opened, http):
    http.post("/embeddings", json={"model": "bge-m3", "input": ["x" * 3000, *("word" for _ in range(2000))]})
    page = opened()
    assert "… (cut: 3,000 characters)" in page
    assert "x" * 1001 not in page
    assert re.search(r"The first 16,000 of [\d,]+ characters\.", page)
    assert re.search(r"The first 32,768 of [\d,]+ bytes\.", page)
    assert "There is no code, because the body is too long." in page
    assert len(page) < 200_000


def test_the_last_answers_are_kept_and_no_more(opened, start_sandbox, client_of):
    sandbox = start_sandbox()
    http = client_of(sandbox)
    for _ in range(102):
        http.get("/models/glm-4.7")
    kept = [request.answer is not None for request in sandbox.requests]
    assert kept == [False] * 2 + [True] * 100
    assert "No answer was kept" in opened(0, sandbox)
    sandbox.requests.clear()
    small = start_sandbox(max_bytes_kept=1_600_000)
    client_of(small).get("/models")
    assert len(small.requests[0].answer.body) == 1000
    assert small.requests[0].answer.size > 1000


def test_texts_of_clients_and_of_the_server_behind_are_escaped(http, sandbox):
    sandbox.replies.add(Reply(text=HOSTILE))
    body = {"model": "glm-4.7", "messages": [{"role": HOSTILE, "content": HOSTILE}], HOSTILE: HOSTILE}
    http.post("/chat/completions", json=body | {"messages": CHAT["messages"]}, headers={"x-y": HOSTILE})
    http.post("/chat/completions", json=body)
    http.get(f"/models/{HOSTILE}?{HOSTILE}={HOSTILE}")
    http.post("/audio/transcriptions", data={HOSTILE: HOSTILE}, files={"file": (HOSTILE, b"x", "audio/wav")})
    for request in sandbox.requests:
        page = httpx.get(f"{sandbox.page_url}page/requests/{request.request_id}", trust_env=False).text
        assert page.count("<script") == 1
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)" in page
        assert "<!--" not in page


def test_keys_are_never_shown(start_sandbox, client_of):
    odd = 'odd"k\\ey+1'
    sandbox = start_sandbox(
        api_key="main-key", keys={odd: ["*"]}, upstream_key="behind-key", upstream="http://127.0.0.1:1"
    )
    http = client_of(sandbox)
    secrets = ("main-key", odd, json.dumps(odd)[1:-1], "behind-key", "sk-mel-anothers", "odd%22k%5Cey%2B1")
    for secret in secrets:
        message = {"role": "user", "content": f"{'x' * 900} {secret}"}
        reply = Reply(text=f"your key is {secret}").to_header()
        headers = {"x-api-key": secret, "x-other": f"k={secret}", "x-sandbox-reply": reply}
        body = {"model": "glm-4.7", "messages": [message], secret: {secret: [secret]}}
        http.post(f"/chat/completions?key={secret}", json=body, headers=headers)
        http.post(f"/chat/completions?key={secret}", json=body | {"stream": True}, headers=headers)
        http.get(f"/{secret}", headers={"cookie": secret})
    for request in sandbox.requests:
        page = httpx.get(f"{sandbox.page_url}page/requests/{request.request_id}", trust_env=False).text
        assert "***" in page
        assert [secret for secret in secrets if secret in page or secret in unescape(page)] == []


def test_a_key_that_a_stream_spells_out_is_not_shown(opened, start_sandbox, client_of):
    sandbox = start_sandbox(api_key="main-key")
    for pieces in (("ma", "in-", "key!"), ("sk-m", "el-12", "345")):
        sandbox.replies.add(Reply(chunks=pieces))
        client_of(sandbox).post("/chat/completions", json=CHAT | {"stream": True})
        page = opened(-1, sandbox)
        assert "Not shown, because its events spell out a key." in page
        assert pieces[1] not in page


@pytest.mark.parametrize("cut", range(1, 20))
def test_half_a_key_at_the_cut_is_not_shown(cut):
    clean = Cleaner(["main-secret-key"])
    shown = clean.beginning(("words " * 5 + "main-secret-key and more")[: 30 + cut])
    assert "main" not in shown
    assert shown.startswith("words words")


def test_a_request_that_is_not_there_is_a_request_to_nowhere(sandbox):
    answer = httpx.get(f"{sandbox.page_url}page/requests/req_1", trust_env=False)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert httpx.post(f"{sandbox.page_url}page/requests/req_1", trust_env=False).status_code == 404


def test_growth_stays_small_and_keeps_its_shape():
    growth = Growth()
    for number in range(1, 100_001):
        if growth.is_due():
            growth.add(number)
    assert growth.count == 100_000
    assert 120 <= len(growth.points) <= 240
    assert all(count == value for count, value in growth.points)
    steps = {later[0] - earlier[0] for earlier, later in zip(growth.points, growth.points[1:], strict=False)}
    assert len(steps) == 1
