"""Every Python block of README.md and of the pages runs on the sandbox, in order, and prints what it shows.

A page's blocks share their names. What a block prints stands below it as ``#> ...``; ``--update-examples`` writes it.
What the sandbox has to answer is scripted in `replies.py`. A block that needs more than the project installs says so:
```` ```python {test="skip" reason="needs Ray"} ````.
"""

import re
import wave
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import document_files
import pytest
from llama_index.core.instrumentation import get_dispatcher
from pytest_examples import CodeExample, EvalExample, find_examples

from melious import otel
from melious.sandbox import Sandbox

from .replies import script

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def python_of(page: Path) -> list[CodeExample]:
    return [example for example in find_examples(str(page)) if example.prefix.startswith("python")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the blocks run, with a recording and a PDF in it."""
    talks = tmp_path / "talks"
    talks.mkdir()
    with wave.open(str(talks / "opening.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(32_000))
    letters = tmp_path / "letters"
    letters.mkdir()
    offer = document_files.pdf("Offer 4711: heat pump, 9 kW, 8,400 EUR", "Valid until 31 March.")
    (letters / "offer.pdf").write_bytes(offer)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def put_back() -> Iterator[None]:
    """Handlers that a page adds to LlamaIndex's dispatcher, and tracing, do not stay."""
    handlers = get_dispatcher().event_handlers
    before = list(handlers)
    yield
    handlers[:] = before
    otel.uninstrument()


# llama-index-core's agents under pydantic 2.14.
@pytest.mark.filterwarnings(
    "ignore::pydantic.PydanticDeprecatedSince20", "ignore::pydantic.PydanticDeprecatedSince211"
)
@pytest.mark.usefixtures("melious_key", "event_loop_closed", "put_back", "folder")
@pytest.mark.parametrize("page", [page for page in PAGES if python_of(page)], ids=name_of)
def test_the_blocks_of_a_page_run_and_print_what_they_show(
    page: Path, eval_example: EvalExample, melious_sandbox: Sandbox
):
    script(name_of(page), melious_sandbox)
    run = eval_example.run_print_update if eval_example.update_examples else eval_example.run_print_check
    eval_example.set_config(line_length=100)
    names: dict = {}
    for example in python_of(page):
        if example.prefix_settings().get("test") == "skip":
            continue
        failure = ""
        try:
            names = run(example, module_globals=names)
        except Exception as error:
            # As text only: pytest 9.2 cannot show the frames that pytest-examples makes up.
            failure = f"{example}: {type(error).__name__}: {error}"
        if failure:
            pytest.fail(failure, pytrace=False)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_block_that_is_not_run_says_why(page: Path):
    for example in python_of(page):
        settings = example.prefix_settings()
        assert set(settings) <= {"test", "reason"}, str(example)
        assert (settings.get("test") == "skip") == bool(settings.get("reason")), str(example)


DIFF = re.compile(r"^ *```diff\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
DIFFS = DIFF.findall((ROOT / "docs" / "migrate.md").read_text("utf-8"))


def after(diff: str) -> str:
    """The new side of a diff."""
    return "".join(line[1:] for line in dedent(diff).splitlines(keepends=True) if line[0] in "+ ")


@pytest.mark.usefixtures("melious_key")
@pytest.mark.parametrize("diff", DIFFS, ids=["LangChain", "LlamaIndex", "embeddings"])
def test_what_a_migration_leads_to_runs(diff: str, melious_sandbox: Sandbox):
    exec(after(diff), {"key": melious_sandbox.api_key})
    assert [request.status for request in melious_sandbox.requests] == [200]
