"""`python -m benchmarks.page FILE ...`: writes the tables of docs/comparison.md from the JSON of runs.

A file is what `python -m benchmarks --json` or `python -m benchmarks.growth --json`
wrote. Of several files with the same panel the last counts. Only the sections
for which a file has figures are written anew, each between the comments that
name it; the rest of the page is left as it is.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.growth.plot import draw
from benchmarks.growth.tables import RULE, figure

PAGE = Path(__file__).parents[1] / "docs" / "comparison.md"
_PICTURE = "images/growth.svg"
_SECTION = "<!-- {name}: python -m benchmarks.page -->\n"
_END = "<!-- end -->"

_CORE = ("httpx", "httpx2", "MeliousClient", "MeliousClient, aiohttp", "openai")
_LANGCHAIN = (
    "httpx",
    "httpx2",
    "langchain-core, bare POST",
    "MeliousClient",
    "langchain_melious",
    "langchain_melious, aiohttp",
    "langchain_melious, normalize",
    "langchain-mistralai",
    "langchain-openai",
    "langchain-cohere",
    "langchain-voyageai",
)
_LLAMA_INDEX = (
    "httpx",
    "httpx2",
    "llama-index-core, bare POST",
    "MeliousClient",
    "llama_index_melious",
    "llama_index_melious, aiohttp",
    "llama_index_melious, normalize",
    "llama-index MistralAI",
    "llama-index OpenAILike",
    "OpenAILikeEmbedding",
    "llama-index CohereRerank",
    "llama-index JinaRerank",
)
_OURS = ("MeliousClient", "langchain_melious", "llama_index_melious")


def sections(runs: Sequence[Mapping[str, Any]], picture: Path) -> dict[str, str]:
    """The sections of the page for which there are figures.

    Args:
        runs: What the files hold.
        picture: Where to draw how the cost grows.
    """
    found: dict[str, str] = {}
    panels: dict[str, Mapping[str, Any]] = {}
    for run in runs:
        if "panels" in run:
            panels |= {panel["title"]: panel for panel in run["panels"]}
            found["growth"] = f"{_where(run)}\n\n{_growth([*panels.values()])}"
            continue
        for name, begins, columns in (
            ("langchain", ("LangChain",), _LANGCHAIN),
            ("llama_index", ("LlamaIndex",), _LLAMA_INDEX),
            ("core", ("request", "streamed", "embeddings", "rerank", "import", "construction"), _CORE),
        ):
            rows = _rows(run["tables"], begins, columns)
            if rows:
                section = name if run["library"] == "httpx2" else f"{name} on {run['library']}"
                found[section] = f"{_where(run)}\n\n{rows}"
    if panels:
        draw([*panels.values()], picture)
    return found


def _where(run: Mapping[str, Any]) -> str:
    versions = [one for one in run["versions"].split(", ") if not one.endswith(" -")]
    return f"Measured on {run['date']}: {run['machine']}. With {', '.join(versions)}."


def _rows(tables: Mapping[str, Mapping[str, Any]], begins: tuple[str, ...], columns: Sequence[str]) -> str:
    """What was measured, a row each, with those columns in which there is a figure."""
    found = {title: table for title, table in tables.items() if title.startswith(begins)}
    columns = [one for one in columns if any(one in table["figures"] for table in found.values())]
    rows = [
        [
            f"{title}, {table['unit'].replace('us', 'µs')}",
            *(_cell(one, table["figures"][one]) if one in table["figures"] else "" for one in columns),
        ]
        for title, table in found.items()
        if any(one.startswith(_OURS) for one in table["figures"])
    ]
    return _table(["CPU time", *columns], rows) if rows else ""


def _cell(name: str, number: float) -> str:
    return f"**{figure(number)}**" if name.startswith(_OURS) else figure(number)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _growth(panels: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for panel in panels:
        unit = panel["unit"].replace("us", "µs")
        unit = f"{unit} a {panel['piece']}" if panel["law"] == "linear" else unit
        for name, curve in panel["curves"].items():
            (smallest, _), *_, (largest, _) = curve["points"]
            last, growth = curve["level"][-1][1], curve["growth"]
            rows.append(
                [
                    panel["title"],
                    name,
                    f"{smallest:,} to {largest:,}",
                    f"{figure(curve['usual'])} {unit}",
                    f"{figure(last)} {unit}",
                    "" if growth is None else f"{growth:.2f}",
                    curve["verdict"],
                ]
            )
    left_out = [f"{panel['title']}: left out {panel['left_out']}." for panel in panels if panel["left_out"]]
    picture = f"![Cost by size, one panel for each kind of work]({_PICTURE})"
    head = ["Work", "By", "Size", "Usually", "At the largest", "Growth", "Verdict"]
    return "\n\n".join([RULE, picture, _table(head, rows), *left_out])


def written(page: str, found: Mapping[str, str]) -> str:
    """The page with these sections in the place of its own.

    Raises:
        ValueError: The page has no place for one of them.
    """
    for name, text in found.items():
        begin = _SECTION.format(name=name)
        place = re.compile(f"{re.escape(begin)}.*?{re.escape(_END)}", re.DOTALL)
        if not place.search(page):
            raise ValueError(f"the page has no section {name!r}")
        page = place.sub(lambda _, text=text, begin=begin: f"{begin}\n{text}\n\n{_END}", page)
    return page


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="what runs wrote with --json")
    parser.add_argument("--page", type=Path, default=PAGE, help="docs/comparison.md by default")
    options = parser.parse_args()
    runs = [json.loads(file.read_text(encoding="utf-8")) for file in options.files]
    picture = options.page.parent / _PICTURE
    picture.parent.mkdir(exist_ok=True)
    page = written(options.page.read_text(encoding="utf-8"), sections(runs, picture))
    options.page.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
