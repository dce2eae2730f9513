"""The page in a real browser, in use: opened by mouse and keyboard, filtered, paused, cleared, copied from."""

import pytest

from melious.sandbox import Fault

pytestmark = pytest.mark.xdist_group("browser")

CHAT = {"model": "glm-4.7", "messages": [{"role": "user", "content": "What is a lighthouse?"}]}
ROWS = "document.querySelectorAll('#rows tr[id^=req_]:not(.opened-row)').length"
OPENED = "document.querySelectorAll('#rows article').length"
STATE = "document.querySelector('#state').innerText"
# The page looks at each of its turns, unless it is paused.
COUNT_TURNS = """window.turns = 0; window.later = setTimeout;
window.setTimeout = (turn, wait) => later(() => { turns += 1; turn(); }, wait)"""
FOCUSED = "(document.activeElement.id || document.activeElement.name || document.activeElement.className)"


@pytest.fixture
def page(tab, sandbox, http):
    """Open a page that lists a chat request and, above it, one for embeddings."""
    http.post("/chat/completions", json=CHAT)
    http.post("/embeddings", json={"model": "bge-m3", "input": ["sea"]})
    tab.open(sandbox.page_url)
    tab.until(f"{STATE} === 'connected'")
    yield tab
    assert tab.complaints() == []


def test_a_click_on_a_row_opens_and_closes_it(page):
    page.value("document.querySelector('#rows tr:last-child .about').click()")
    page.until(f"{OPENED} === 1")
    shown = page.value("document.querySelector('#rows tr:last-child').textContent")
    for words in (
        '"content": "What is a lighthouse?"',
        "200 OK",
        "authorization: Bearer ***",
        "ChatMelious",
        "req_",
    ):
        assert words in shown
    link = "document.querySelector('#rows tr:nth-child(2) .open')"
    assert page.value(f"{link}.ariaExpanded") == "true"
    assert page.value(f"document.getElementById({link}.getAttribute('aria-controls')).tagName") == "TR"
    page.value(f"{link}.click()")
    page.until(f"{OPENED} === 0")
    assert page.value(f"{link}.ariaExpanded") == "false"


def test_an_opened_row_stays_where_it_is_while_others_come(page, http):
    page.value("document.querySelector('#rows tr:last-child .open').click()")
    page.until(f"{OPENED} === 1")
    page.value("window.panel = document.querySelector('.opened-row')")
    page.value("document.querySelector('.opened-row summary').focus()")
    for count in (3, 4):
        http.get("/models")
        page.until(f"{ROWS} === {count}")
    assert page.value("window.panel === document.querySelector('#rows tr:last-child')")
    assert page.value("window.panel.previousElementSibling.innerText.includes('lighthouse')")
    assert page.value("document.activeElement.tagName") == "SUMMARY"


def test_an_opened_row_follows_its_answer(page, sandbox, http):
    sandbox.faults.add(Fault(stall_after_events=2, stall_seconds=600))
    with http.stream("POST", "/chat/completions", json=CHAT | {"stream": True}) as stream:
        parts = stream.iter_raw()
        next(parts)
        page.until(f"{ROWS} === 3")
        page.value("document.querySelector('#rows .open').focus()")
        page.press("Enter")
        page.until(f"{OPENED} === 1")
        assert "in progress" in page.value("document.querySelector('#rows article').innerText")
    page.until("document.querySelector('#rows article').innerText.includes('broken off')")
    assert page.value(FOCUSED) == "open"
    assert page.value("document.activeElement.ariaExpanded") == "true"


def test_the_keyboard_reaches_everything_in_the_order_in_which_it_is_read(page):
    order = []
    for _ in range(8):
        page.press("Tab")
        order.append(page.value(FOCUSED))
    assert order == ["pause", "clear", "endpoint", "outcome", "text", "open", "open", "copy"]
    for _ in range(2):
        page.press("Tab", shift=True)
    page.press("Enter")
    page.until(f"{OPENED} === 1")
    page.press("Tab")
    assert page.value("document.activeElement.ariaLabel") == "Request headers"


def test_typing_filters_and_the_address_keeps_it(page, http):
    page.value("document.querySelector('[name=text]').focus()")
    for sign in "bge":
        page.press(sign)
    page.until(f"{ROWS} === 1")
    assert page.value("location.search") == "?text=bge"
    assert "1 of the last 2 requests match" in page.value("document.querySelector('caption').innerText")
    http.post("/embeddings", json={"model": "bge-m3", "input": ["sand"]})
    http.post("/chat/completions", json=CHAT)
    page.until("document.querySelector('caption').innerText.startsWith('2 of the last 4')")
    assert page.value(ROWS) == 2
    page.call("Page.reload")
    page.until(f"document.readyState === 'complete' && {ROWS} === 2")
    assert page.value("document.querySelector('[name=text]').value") == "bge"
    page.value("document.querySelector('[name=text]').value = ''")
    page.value("document.querySelector('[name=endpoint]').value = 'chat'")
    page.value("document.querySelector('form').dispatchEvent(new Event('input'))")
    page.until(f"{ROWS} === 2 && location.search === '?endpoint=chat'")


def test_paused_it_waits_and_then_catches_up(page, sandbox, http):
    page.value("document.querySelector('#pause').click()")
    page.until(f"{STATE} === 'paused'")
    assert page.value("document.querySelector('#pause').ariaPressed") == "true"
    page.value(COUNT_TURNS)
    page.messages.clear()
    http.get("/models")
    page.until("window.turns > 2")
    assert page.asked_for() == []
    assert page.value(ROWS) == 2
    page.value("document.querySelector('#pause').click()")
    page.until(f"{ROWS} === 3 && {STATE} === 'connected'")


def test_clear_empties_the_list_and_says_so(page, sandbox):
    page.value("document.querySelector('#clear').click()")
    page.until(f"{ROWS} === 0 && document.querySelector('caption').innerText.includes('No requests yet')")
    assert page.value("document.querySelector('#said').textContent") == "Requests and totals cleared"
    assert page.value("document.querySelector('#totals dd').innerText") == "0"
    assert page.value("document.querySelectorAll('svg').length") == 0
    assert len(sandbox.requests) == 0


def test_new_requests_are_said_politely(page, http):
    http.get("/models")
    page.until("document.querySelector('#said').textContent === '1 new request'")
    assert page.value("document.querySelector('#said').role") == "status"
    assert page.value("document.querySelector('#state').role") == "status"


def test_code_can_be_copied(page, sandbox):
    page.call(
        "Browser.grantPermissions", origin=sandbox.page_url.rstrip("/"), permissions=["clipboardReadWrite"]
    )
    page.value("document.querySelector('.start button.copy').click()")
    page.until("document.querySelector('#said').textContent.length > 0")
    said = page.value("document.querySelector('#said').textContent")
    lines = f"export MELIOUS_BASE_URL={sandbox.base_url}\nread -rs MELIOUS_API_KEY && export MELIOUS_API_KEY"
    if said == "Copied":
        assert page.value("navigator.clipboard.readText()") == lines
    else:
        assert said == "Selected: copy it by hand"
        assert page.value("getSelection().toString()") == lines


def test_without_scripts_a_row_leads_to_a_page_of_its_own_and_the_form_works(tab, sandbox, http):
    tab.scripts(on=False)
    http.post("/chat/completions", json=CHAT)
    http.get("/models")
    tab.open(f"{sandbox.page_url}?endpoint=chat")
    assert tab.value(ROWS) == 1
    assert not tab.value("document.querySelector('#pause').checkVisibility()")
    assert tab.value("document.querySelector('form noscript button, form button') !== null")
    tab.open(tab.value("document.querySelector('#rows .open').href"))
    assert '"content": "What is a lighthouse?"' in tab.value("document.querySelector('article').innerText")
    assert tab.value("document.querySelector('main a').pathname") == "/"
