"""An option that is added in the three places that CONTRIBUTING names is one of every client and class."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import melious

SHARED = Path(melious.__file__).parents[1]
ROOT = Path(__file__).parents[2]
PLACES = {
    "options.py": [
        (
            "OPTIONS: tuple[Option, ...] = (\n",
            '    Option("patience", "client", "Seconds of patience; 9 by default.", check_seconds, 9.0),\n',
        ),
        ("    api_key: str | SecretStr | None\n", "    patience: float\n"),
    ],
    "config.py": [("    deadline: float | None = 600.0\n", "    patience: float = 9.0\n")],
    "fields.py": [("    max_retries: int =", '    patience: float = option_field("patience")\n')],
}
USE = """
import langchain_melious as langchain
import llama_index_melious as llama_index
import melious
from melious import AsyncMeliousClient, MeliousClient, MeliousError

assert melious.__file__.startswith({folder!r}), melious.__file__
CLASSES = [
    langchain.ChatMelious, langchain.MeliousEmbeddings, langchain.MeliousRerank,
    langchain.MeliousImageGenerator, langchain.MeliousAudioParser,
    llama_index.Melious, llama_index.MeliousEmbedding, llama_index.MeliousRerank,
    llama_index.MeliousToolSpec, llama_index.MeliousAudioReader,
]


def error(kind, **arguments):
    try:
        kind(api_key="sk-mel-x", **arguments)
    except MeliousError as error:
        return str(error)
    raise AssertionError(kind)


for kind in (MeliousClient, AsyncMeliousClient):
    assert kind(api_key="sk-mel-x").config.patience == 9.0
    assert kind(api_key="sk-mel-x", patience=3).config.patience == 3
    assert kind(api_key="sk-mel-x").with_options(patience=4).config.patience == 4
wrong = error(MeliousClient, patience="long")
for kind in CLASSES:
    assert kind.model_fields["patience"].description == "Seconds of patience; 9 by default."
    made = kind(model="m", api_key="sk-mel-x", patience=5)
    client = made._sync_client() if hasattr(made, "_sync_client") else made._client()
    assert client.config.patience == 5, kind
    assert error(kind, model="m", patience="long") == wrong, kind
print("taken by", len(CLASSES))
"""


def test_three_places_make_an_option(tmp_path: Path) -> None:
    for package in (SHARED / "melious", ROOT / "langchain_melious", ROOT / "llama_index_melious"):
        # What is compiled goes along; another process may be writing it, under other names.
        shutil.copytree(package, tmp_path / package.name, ignore=shutil.ignore_patterns("*.pyc.*"))
    for name, lines in PLACES.items():
        file = tmp_path / "melious/settings" / name
        text = file.read_text(encoding="utf-8")
        for before, line in lines:
            assert text.count(before) == 1, (name, before)
            new = line + before if before.endswith("=") else before + line
            text = text.replace(before, new)
        file.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", USE.format(folder=str(tmp_path))],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "taken by 10", done.stderr


def test_contributing_names_the_places() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition("## A new option\n")[2].partition("\n## ")[0]
    assert [
        line[4:].split("`")[0] for line in section.splitlines() if line[:2] in ("1.", "2.", "3.", "4.")
    ] == [*PLACES]
