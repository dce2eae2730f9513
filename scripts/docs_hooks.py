"""What the pages of `docs/` need before they become HTML, and a check of what became of them."""

import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

_FENCE = re.compile(r"^( *```\w+) \{[^}\n]*\}$", re.MULTILINE)
_ELSEWHERE = re.compile(r"\s*(?:https?:)?//", re.IGNORECASE)
_CSS = re.compile(r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^\"')\s]+)", re.IGNORECASE)
_LOADING_LINKS = {"stylesheet", "preload", "prefetch", "modulepreload", "preconnect", "dns-prefetch", "icon"}
_FETCHING = {"mermaid", "md-source"}
"""Classes for whose elements the theme's script loads something: diagrams, facts about a repository."""


def on_page_markdown(markdown: str, **_: object) -> str:
    """Take out what only the tests of the blocks read: ` ```python {test="skip"} `."""
    return _FENCE.sub(r"\1", markdown)


def on_post_build(config: Mapping[str, Any], **_: object) -> None:
    """Fail if reading the pages would fetch anything from elsewhere."""
    site = Path(config["site_dir"])
    found = [
        f"{file.relative_to(site).as_posix()}: {load}"
        for file in _files(site)
        for load in external_loads(file)
    ]
    if found:
        raise SystemExit("\n".join(["the pages load from elsewhere:", *found]))


def _files(site: Path) -> Iterator[Path]:
    return (file for file in sorted(site.rglob("*")) if file.suffix in (".html", ".css"))


def external_loads(file: Path) -> list[str]:
    """What a built page or style sheet makes a browser fetch from another host; links do not count."""
    text = file.read_text("utf-8")
    if file.suffix == ".css":
        return _CSS.findall(text)
    parser = _Loads()
    parser.feed(text)
    return parser.found


class _Loads(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        given = {name: value or "" for name, value in attrs}
        loads = [given.get(name, "") for name in ("src", "srcset", "poster", "data")]
        if tag == "link" and _LOADING_LINKS & set(given.get("rel", "").lower().split()):
            loads.append(given.get("href", ""))
        self.found += [load for load in loads if _ELSEWHERE.match(load)]
        self.found += _CSS.findall(given.get("style", ""))
        self.found += sorted(_FETCHING & set(given.get("class", "").split()))

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.found += _CSS.findall(data)

    def handle_endtag(self, tag: str) -> None:
        self._in_style = self._in_style and tag != "style"
