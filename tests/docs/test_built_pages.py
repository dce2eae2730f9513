"""The check that reading the built pages fetches nothing from elsewhere."""

from pathlib import Path

import pytest

from scripts.docs_hooks import external_loads, on_page_markdown, on_post_build

LOADING = [
    '<script src="https://cdn.example/x.js"></script>',
    '<img src="//cdn.example/x.png">',
    '<link rel="stylesheet" href="https://fonts.example/css">',
    '<link rel="preconnect" href="https://fonts.example">',
    '<iframe src="https://video.example"></iframe>',
    '<p style="background: url(https://cdn.example/x.png)">',
    "<style>@import 'https://fonts.example/css';</style>",
    '<pre class="mermaid">graph LR</pre>',
]
HARMLESS = [
    '<a href="https://melious.ai">Melious</a>',
    '<link rel="canonical" href="https://docs.example/">',
    '<script src="assets/x.js"></script>',
    '<img src="data:image/png;base64,AAAA">',
    "<code>url(https://cdn.example/x.png)</code>",
]


@pytest.mark.parametrize("html", LOADING)
def test_what_a_browser_would_fetch_ends_the_build(html: str, tmp_path: Path):
    page = tmp_path / "guide" / "index.html"
    page.parent.mkdir()
    page.write_text(html, "utf-8")
    with pytest.raises(SystemExit, match=r"guide/index\.html: "):
        on_post_build({"site_dir": str(tmp_path)})


@pytest.mark.parametrize("html", HARMLESS)
def test_links_and_files_of_the_site_are_allowed(html: str, tmp_path: Path):
    page = tmp_path / "index.html"
    page.write_text(html, "utf-8")
    assert external_loads(page) == []
    on_post_build({"site_dir": str(tmp_path)})


def test_a_style_sheet_is_looked_at_too(tmp_path: Path):
    sheet = tmp_path / "main.css"
    sheet.write_text("@font-face { src: url('https://fonts.example/x.woff2') }", "utf-8")
    assert external_loads(sheet) == ["https://fonts.example/x.woff2"]


def test_settings_of_blocks_are_not_shown():
    assert on_page_markdown('```python {test="skip" reason="needs Ray"}\nx\n```') == "```python\nx\n```"
