"""Keeps together what belongs to a release: `python scripts/release.py COMMAND`.

- `version 0.2.0` writes the version into every place that states it.
- `repository https://github.com/OWNER/NAME` puts the address into the metadata of
  every distribution, makes relative links of the README absolute, as PyPI
  shows it outside of the repository, and gives each notebook its "Open in Colab".
- `check v0.2.0` fails unless every place states the version of the tag, and its
  news is in CHANGELOG.md.
- `notes v0.2.0` prints the section of CHANGELOG.md.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

VERSION = re.compile(r"v?(\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?)")
REPOSITORY = re.compile(r"https://[\w.-]+/[\w.-]+/[\w.-]+")


class Place(NamedTuple):
    """Where a version is stated: once in each file, after one text and before another."""

    files: str
    before: str
    after: str

    @property
    def pattern(self) -> re.Pattern[str]:
        """The version between the two, as group 2."""
        return re.compile(rf'({self.before})([^"\n]+)({self.after})', re.MULTILINE)


PLACES = [
    Place("shared/melious/_version.py", '^__version__ = "', '"$'),
    Place("packaging/*/pyproject.toml", '^version = "', '"$'),
    Place("packaging/*/pyproject.toml", r'"melious\[[a-z-]+\]==', '"'),
    Place("CITATION.cff", "^version: ", "$"),
]
PROJECTS = ("pyproject.toml", "packaging/*/pyproject.toml")
LINK = re.compile(r"(!?)(\[[^\]]*\]\()(?!https?:|#|mailto:)([^)\s]+)(?=\))")
COLAB = "https://colab.research.google.com"
URLS = {"Repository": "", "Issues": "/issues", "Changelog": "/blob/HEAD/CHANGELOG.md"}


def files_of(root: Path, *globs: str) -> Iterator[Path]:
    """Give the files, and fail where a glob finds none."""
    for glob in globs:
        files = sorted(root.glob(glob))
        if not files:
            raise SystemExit(f"there is no {glob}")
        yield from files


def versions(root: Path) -> Iterator[tuple[Path, str]]:
    """Give each place that states the version, and what it states."""
    for place in PLACES:
        for file in files_of(root, place.files):
            found = place.pattern.findall(file.read_text("utf-8"))
            if len(found) != 1:
                raise SystemExit(f"{file}: expected one {place.before!r}, found {len(found)}")
            yield file, found[0][1]


def move(root: Path, version: str) -> None:
    """Write the version into every place."""
    list(versions(root))  # fails before anything is written
    for place in PLACES:
        for file in files_of(root, place.files):
            text = file.read_text("utf-8")
            file.write_text(place.pattern.sub(rf"\g<1>{version}\g<3>", text), "utf-8", newline="\n")


def locate(root: Path, repository: str) -> None:
    """Write the address of the repository into the metadata, and into the links of the README."""
    lines = "".join(f'{name} = "{repository}{path}"\n' for name, path in URLS.items())
    for file in files_of(root, *PROJECTS):
        text = re.sub(rf'^({"|".join(URLS)}) = "https:.*"\n', "", file.read_text("utf-8"), flags=re.MULTILINE)
        located = text.replace("[project.urls]\n", f"[project.urls]\n{lines}")
        file.write_text(located, "utf-8", newline="\n")
    readme = root / "README.md"
    absolute = LINK.sub(
        lambda found: f"{found[1]}{found[2]}{repository}/{'raw' if found[1] else 'blob'}/HEAD/{found[3]}",
        readme.read_text("utf-8"),
    )
    readme.write_text(absolute, "utf-8", newline="\n")
    for file in files_of(root, "notebooks/*.ipynb"):
        badge(file, repository)


def badge(file: Path, repository: str) -> None:
    """Put "Open in Colab" on top of a notebook; Colab opens notebooks of GitHub only."""
    notebook = json.loads(file.read_text("utf-8"))
    title = notebook["cells"][0]
    source = re.sub(r"^\[!\[Open in Colab\].*\n+", "", "".join(title["source"]))
    host, _, name = repository.removeprefix("https://").partition("/")
    if host == "github.com":
        place = f"{COLAB}/github/{name}/blob/main/notebooks/{file.name}"
        source = f"[![Open in Colab]({COLAB}/assets/colab-badge.svg)]({place})\n\n{source}"
    title["source"] = source.splitlines(keepends=True)
    text = json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True)
    file.write_text(f"{text}\n", "utf-8", newline="\n")


def notes(root: Path, version: str) -> str:
    """Give the section of the changelog, without its heading."""
    text = (root / "CHANGELOG.md").read_text("utf-8")
    heading = re.compile(rf"^## {re.escape(version)} \(\d\d\d\d-\d\d-\d\d\)\n", re.MULTILINE)
    if heading.search(text) is None:
        raise SystemExit(f"CHANGELOG.md has no section for {version}")
    after = heading.split(text, 1)[1]
    return re.split(r"^## ", after, maxsplit=1, flags=re.MULTILINE)[0].strip()


def check(root: Path, version: str) -> None:
    """Fail unless the tree is the release of this version."""
    wrong = [f"{file.relative_to(root)} states {found}" for file, found in versions(root) if found != version]
    wrong += [f"{file.relative_to(root)} is not in CHANGELOG.md" for file in (root / "news").glob("*.md")]
    if wrong:
        raise SystemExit("\n".join([f"not ready for {version}:", *wrong]))
    notes(root, version)


def _checked(pattern: re.Pattern[str], example: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        found = pattern.fullmatch(text)
        if found is None:
            raise argparse.ArgumentTypeError(f"must look like {example}, not {text!r}")
        return found[found.lastindex or 0]

    return read


def main() -> int:
    """Run the command that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1], help="the checkout")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("version", "check", "notes"):
        commands.add_parser(name).add_argument("value", type=_checked(VERSION, "0.2.0"))
    address = _checked(REPOSITORY, "https://github.com/OWNER/NAME")
    commands.add_parser("repository").add_argument("value", type=address)
    arguments = parser.parse_args()
    root, value = arguments.root, arguments.value
    match arguments.command:
        case "version":
            move(root, value)
        case "repository":
            locate(root, value)
        case "check":
            check(root, value)
        case "notes":
            sys.stdout.write(f"{notes(root, value)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
