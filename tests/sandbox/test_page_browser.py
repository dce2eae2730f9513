"""The page in a real browser: it follows what comes, runs nothing that a client sent, asks nobody else."""

import struct
import zlib

import browser as chromium
import pytest

from melious.sandbox import Fault

_PATH = chromium.find()
pytestmark = [
    pytest.mark.skipif(_PATH is None, reason="there is no browser: apt-get install chromium"),
    pytest.mark.xdist_group("browser"),
]

CHAT = {"model": "glm-4.7", "messages": [{"role": "user", "content": "What is a lighthouse?"}]}
ROWS = "document.querySelectorAll('#rows tr').length"
HOSTILE = "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"


@pytest.fixture(scope="module")
def _browser():
    running = chromium.Browser(_PATH)
    yield running
    running.close()


@pytest.fixture
def tab(_browser):
    _browser.size(1280, 900)
    _browser.scheme("light")
    _browser.scripts(on=True)
    yield _browser
    _browser.open("data:text/html,<p>")


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


@pytest.mark.parametrize("width", [360, 768, 1000, 1280])
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
    assert tab.value("document.documentElement.scrollWidth") <= width
    assert tab.value(ROWS) == 30
    assert tab.value(_CUT_OFF) == []
    assert tab.value(_LOW_CONTRAST) == []
    ground, ink = corner_and_darkest(tab.screenshot(tmp_path / "page.png"))
    assert (ground > 200) == (scheme == "light")
    assert abs(ground - ink) > 100, "nothing was painted"


# Cells whose text does not fit in.
_CUT_OFF = """[...document.querySelectorAll("#totals div, #rows th, #rows td")]
  .filter((cell) => cell.scrollWidth > cell.clientWidth + 1).map((cell) => cell.innerText)"""

# Texts whose colours are nearer to each other than 4.5 to 1.
_LOW_CONTRAST = """(() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = numbers(colour).slice(0, 3).map((n) => n / 255)
      .map((n) => n <= 0.03928 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (numbers(colour)[3] !== 0) return colour;
    }
    return "rgb(255,255,255)";
  };
  const poor = [];
  for (const e of document.querySelectorAll("body *")) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
    if (["SCRIPT", "STYLE", "NOSCRIPT"].includes(e.tagName)) continue;
    const [a, b] = [light(getComputedStyle(e).color), light(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${e.tagName}.${e.className} ${ratio.toFixed(2)}`);
  }
  return poor;
})()"""


def corner_and_darkest(png):
    """Brightness of the top left pixel, and of the pixel that differs most from it, in a PNG of a page."""
    width, height, _, kind = struct.unpack(">IIBB", png[16:26])
    size = {2: 3, 6: 4}[kind]
    data, place = b"", 8
    while place < len(png):
        length = int.from_bytes(png[place : place + 4], "big")
        if png[place + 4 : place + 8] == b"IDAT":
            data += png[place + 8 : place + 8 + length]
        place += 12 + length
    raw, stride = zlib.decompress(data), width * size
    line, brightness = bytearray(stride), []
    for row in range(min(height, 60)):
        start = row * (stride + 1)
        line = unfiltered(raw[start], raw[start + 1 : start + 1 + stride], line, size)
        brightness += [line[x] for x in range(0, stride, size)]
    ground = brightness[0]
    return ground, max(brightness, key=lambda value: abs(value - ground))


def unfiltered(kind, data, above, size):
    line = bytearray(data)
    for x in range(len(line)):
        left = line[x - size] if x >= size else 0
        corner = above[x - size] if x >= size else 0
        up = above[x]
        guess = left + up - corner
        nearest = min((left, up, corner), key=lambda value: abs(guess - value))
        line[x] = (line[x] + (0, left, up, (left + up) // 2, nearest)[kind]) & 255
    return line
