"""The page in a real browser: it follows what comes, runs nothing that a client sent, asks nobody else."""

import pytest
from looks import CUT_OFF, LOW_CONTRAST, NAMELESS, corner_and_darkest

from melious.sandbox import Fault

pytestmark = pytest.mark.xdist_group("browser")

CHAT = {"model": "glm-4.7", "messages": [{"role": "user", "content": "What is a lighthouse?"}]}
ROWS = "document.querySelectorAll('#rows tr').length"
HOSTILE = "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"


def text_of(tab, selector):
    return tab.value(f"document.querySelector({selector!r}).innerText")


def test_requests_show_up_as_they_come(tab, sandbox, http):
    tab.open(sandbox.page_url)
    assert "No requests yet" in text_of(tab, "caption")
    assert not tab.value("document.querySelector('thead').checkVisibility()")
    tab.until("document.querySelector('#state').innerText === 'connected'")
    tab.value("window.same = true")
    http.post("/chat/completions", json=CHAT | {"model": "glm-4.7:eco", "filters": {"countries": ["SE"]}})
    tab.until(f"{ROWS} === 1")
    row = text_of(tab, "#rows tr")
    for seen in (
        "glm-4.7:eco",
        "What is a lighthouse?",
        "berget",
        "Sweden",
        "countries SE",
        "200",
        "µ€",
        " mg",
    ):
        assert seen in row
    http.post("/embeddings", json={"model": "bge-m3", "input": ["one", "two"]})
    tab.until(f"{ROWS} === 2")
    assert "bge-m3" in text_of(tab, "#rows tr:first-child")
    assert text_of(tab, "#totals dd").startswith("2")
    assert tab.value("window.same"), "the page was loaded anew"
    assert tab.complaints() == []
    assert all(url.startswith((sandbox.page_url, "data:")) for url in tab.asked_for())
    assert len(sandbox.requests) == 2


def test_a_row_changes_when_its_answer_ends_and_the_others_stay(tab, sandbox, http):
    http.post("/chat/completions", json=CHAT)
    tab.open(sandbox.page_url)
    http.post("/chat/completions", json=CHAT)
    tab.until(f"{ROWS} === 2")
    tab.value("window.old = document.querySelector('#rows tr:last-child')")
    sandbox.faults.add(Fault(stall_after_events=2, stall_seconds=600))
    with http.stream("POST", "/chat/completions", json=CHAT | {"stream": True}) as stream:
        parts = stream.iter_raw()
        next(parts)
        tab.until("document.querySelector('#rows tr').innerText.includes('200 in progress')")
    tab.until("document.querySelector('#rows tr').innerText.includes('200 broken off')")
    assert "stall_after_events 2" in text_of(tab, "#rows tr")
    assert tab.value("window.old === document.querySelector('#rows tr:last-child')")


def test_what_a_client_sends_stays_text(tab, sandbox, http):
    http.post("/chat/completions", json=CHAT | {"model": HOSTILE})
    http.post("/chat/completions", json=CHAT | {"messages": [{"role": "user", "content": HOSTILE}]})
    http.post("/chat/completions", json=CHAT | {"preset": HOSTILE, "filters": {HOSTILE: HOSTILE}})
    http.get(f"/{HOSTILE}")
    tab.open(sandbox.page_url)
    http.post("/embeddings", json={"model": HOSTILE, "input": HOSTILE})
    tab.until(f"{ROWS} === 5")
    assert tab.value("document.title") == "Melious sandbox"
    assert tab.value("document.querySelectorAll('main img, main script, #rows script').length") == 0
    assert text_of(tab, "#rows .model").startswith("</script><script>")
    assert tab.complaints() == []


def test_a_sandbox_that_goes_away_is_named_and_its_return_is_seen(tab, start_sandbox, client_of):
    sandbox = start_sandbox()
    port = int(sandbox.base_url.rpartition(":")[2].removesuffix("/v1"))
    client_of(sandbox).post("/chat/completions", json=CHAT)
    tab.open(sandbox.page_url)
    sandbox.stop()
    tab.until("document.querySelector('#state').innerText === 'the sandbox is not there'")
    assert tab.value(ROWS) == 1
    start_sandbox(port=port)
    tab.until("document.querySelector('#state').innerText === 'connected'")
    tab.until(f"{ROWS} === 0")


def test_without_scripts_the_page_loads_itself_anew(tab, sandbox, http):
    tab.scripts(on=False)
    http.post("/chat/completions", json=CHAT)
    tab.open(sandbox.page_url)
    assert "What is a lighthouse?" in text_of(tab, "#rows")
    assert tab.value("document.querySelector('meta[http-equiv=refresh]').content") == "5"
    assert "new every 5 seconds" in text_of(tab, "#state")


@pytest.mark.parametrize("width", [320, 768, 1000, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_the_window_and_can_be_read(tab, start_sandbox, client_of, tmp_path, width, scheme):
    sandbox = start_sandbox("g2")
    http = client_of(sandbox)
    tab.size(width, 900)
    tab.scheme(scheme)
    for number in range(30):
        wish = {"preset": "environment", "filters": {"countries": ["DE", "FR"], "max_carbon_intensity": 200}}
        http.post("/chat/completions", json=CHAT | wish | {"model": "x" * 90 if number % 3 else "glm-4.7"})
    tab.open(sandbox.page_url)
    assert tab.value(ROWS) == 30
    tab.value("document.querySelector('#rows tr:last-child .open').click()")
    tab.until("document.querySelectorAll('#rows article').length === 1")
    tab.value("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert tab.value("document.documentElement.scrollWidth") <= width
    assert tab.value(CUT_OFF) == []
    assert tab.value(LOW_CONTRAST) == []
    assert tab.value(NAMELESS) == []
    ground, ink = corner_and_darkest(tab.screenshot(tmp_path / "page.png"))
    assert (ground > 200) == (scheme == "light")
    assert abs(ground - ink) > 100, "nothing was painted"
