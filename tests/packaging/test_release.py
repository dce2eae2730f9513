"""One command moves the versions together, and a release starts from a tree that agrees with its tag."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "release.py"
NAMES = sorted(path.name for path in (ROOT / "packaging").iterdir() if path.is_dir())
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LINK = re.compile(r"\]\((?!https?:|#)([^)\s]+)\)")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what a release touches."""
    for name in ("CITATION.cff", "README.md", "CHANGELOG.md", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("packaging", "news"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "notebooks").mkdir()
    for notebook in NOTEBOOKS:
        shutil.copy(notebook, tmp_path / "notebooks")
    version = Path("shared", "melious", "_version.py")
    (tmp_path / version).parent.mkdir(parents=True)
    shutil.copy(ROOT / version, tmp_path / version)
    return tmp_path


def release(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--root", str(tree), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def news(tree: Path, version: str) -> None:
    command = [
        sys.executable,
        "-m",
        "towncrier",
        "build",
        "--yes",
        "--version",
        version,
        "--date",
        "2027-01-31",
    ]
    for arguments in (["init", "--quiet"], ["add", "."]):
        subprocess.run(["git", *arguments], check=True, cwd=tree)
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tree)
    assert done.returncode == 0, done.stderr


def test_one_command_moves_every_version(tree: Path) -> None:
    done = release(tree, "version", "7.8.9rc1")
    assert (done.returncode, done.stderr) == (0, "")
    assert '__version__ = "7.8.9rc1"' in (tree / "shared" / "melious" / "_version.py").read_text()
    assert "\nversion: 7.8.9rc1\n" in (tree / "CITATION.cff").read_text()
    for name in NAMES:
        project = tomllib.loads((tree / "packaging" / name / "pyproject.toml").read_text())["project"]
        (requirement,) = project["dependencies"]
        assert project["version"] == "7.8.9rc1"
        assert requirement.partition("==")[2] == "7.8.9rc1"


@pytest.mark.parametrize("version", ["", "2", "1.2", "1.2.3.4", "1.2.3-beta", "latest"])
def test_a_version_must_look_like_one(tree: Path, version: str) -> None:
    done = release(tree, "version", version)
    assert done.returncode == 2
    assert "must look like 0.2.0" in done.stderr


def test_nothing_moves_where_one_place_states_no_version(tree: Path) -> None:
    (tree / "CITATION.cff").write_text("title: Melious\n")
    before = (tree / "shared" / "melious" / "_version.py").read_text()
    done = release(tree, "version", "7.8.9")
    assert done.returncode == 1
    assert "CITATION.cff" in done.stderr
    assert (tree / "shared" / "melious" / "_version.py").read_text() == before


def test_a_release_has_one_version_and_its_news_in_the_changelog(tree: Path) -> None:
    (tree / "news" / "+lighthouses.added.md").write_text("Pictures of lighthouses.\n")
    refused = release(tree, "check", "v7.8.9")
    assert refused.returncode == 1
    assert "CITATION.cff states" in refused.stderr
    assert str(Path("news", "+lighthouses.added.md")) in refused.stderr
    release(tree, "version", "7.8.9")
    news(tree, "7.8.9")
    accepted = release(tree, "check", "v7.8.9")
    assert (accepted.returncode, accepted.stderr) == (0, "")
    notes = release(tree, "notes", "v7.8.9").stdout
    assert "Pictures of lighthouses." in notes
    assert not re.search("^## ", notes, re.MULTILINE)


def test_a_tag_without_a_section_in_the_changelog_is_refused(tree: Path) -> None:
    for file in (tree / "news").glob("*.md"):
        file.unlink()
    release(tree, "version", "7.8.9")
    done = release(tree, "check", "v7.8.9")
    assert done.returncode == 1
    assert "CHANGELOG.md has no section for 7.8.9" in done.stderr


def test_the_repository_goes_into_metadata_and_links(tree: Path) -> None:
    for address in ("https://github.com/someone/before", "https://github.com/someone/melious"):
        done = release(tree, "repository", address)
        assert (done.returncode, done.stderr) == (0, "")
    for folder in (tree, *(tree / "packaging" / name for name in NAMES)):
        urls = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["urls"]
        assert urls["Homepage"] == "https://melious.ai"
        assert urls["Repository"] == "https://github.com/someone/melious"
        assert urls["Issues"] == "https://github.com/someone/melious/issues"
    assert not LINK.findall((tree / "README.md").read_text())


def test_each_notebook_opens_in_colab_from_the_repository(tree: Path) -> None:
    for address in ("https://github.com/someone/before", "https://github.com/someone/melious"):
        release(tree, "repository", address)
    for before in NOTEBOOKS:
        after = tree / "notebooks" / before.name
        badge, _, rest = "".join(json.loads(after.read_text("utf-8"))["cells"][0]["source"]).partition("\n\n")
        place = f"https://colab.research.google.com/github/someone/melious/blob/main/notebooks/{before.name}"
        assert badge.endswith(f"]({place})")
        assert rest == "".join(json.loads(before.read_text("utf-8"))["cells"][0]["source"])
    release(tree, "repository", "https://example.org/someone/melious")
    for before in NOTEBOOKS:
        assert (tree / "notebooks" / before.name).read_bytes() == before.read_bytes()


@pytest.mark.parametrize("file", ["README.md", "CONTRIBUTING.md", "packaging/README.md"])
def test_relative_links_lead_somewhere(file: str) -> None:
    for target in LINK.findall((ROOT / file).read_text("utf-8")):
        assert (ROOT / file).parent.joinpath(target.partition("#")[0]).exists(), target


@pytest.mark.parametrize("name", NAMES)
def test_links_of_a_page_on_pypi_are_absolute(name: str) -> None:
    assert not LINK.findall((ROOT / "packaging" / name / "README.md").read_text("utf-8"))
