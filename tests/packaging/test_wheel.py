"""The wheel, installed as users install it: alone and with each extra, in environments of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from distributions import CLASSES

from melious.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
UV = [sys.executable, "-m", "uv"]
ENVIRONMENT = {**os.environ, "UV_LINK_MODE": "hardlink", "VIRTUAL_ENV": ""}
# nltk, which LlamaIndex needs, refuses data files that are hard links.
COPYING = {**ENVIRONMENT, "UV_LINK_MODE": "copy"}

# All tests of the wheel share one worker, and so one wheel and one environment for each extra.
of_the_wheel = pytest.mark.xdist_group("wheel")


USUAL_PATHS = {
    path.replace(".", "/"): class_name
    for path, class_name in CLASSES.values()
    if path.startswith("llama_index.")
}
"""Where users of LlamaIndex look for an integration, and for which class."""

IN_DEVELOPMENT = (str(ROOT), str(ROOT / "shared"))
"""The folders that an editable installation adds to the path."""

IMPORTS = "\n".join(f"from {path.replace('/', '.')} import {name}" for path, name in USUAL_PATHS.items())
SAME_CLASSES = (
    f"import llama_index.core, llama_index_melious\n{IMPORTS}\n"
    "from llama_index.core.embeddings import MockEmbedding\n"
    "assert Melious is llama_index_melious.Melious\n"
    "assert MeliousEmbedding is llama_index_melious.MeliousEmbedding\n"
    "assert MeliousRerank is llama_index_melious.MeliousRerank\n"
    "print(type(Melious(model='glm-4.7', api_key='k')).__name__)"
)


def run(*command: str, env: dict[str, str] = ENVIRONMENT, **options) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=env, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def wheel_of(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Give the wheel of a distribution: from the folder `--wheels`, or built now."""
    given = pytestconfig.getoption("--wheels")

    @cache
    def wheel_of(name: str) -> Path:
        folder = Path(given).resolve() if given else tmp_path_factory.mktemp("dist")
        if not given:
            project = ROOT if name == "melious" else ROOT / "packaging" / name
            build = [*UV, "build", "--wheel", "--quiet", "--python", sys.executable]
            run(*build, "--out-dir", str(folder), str(project))
        (wheel,) = folder.glob(f"{name.replace('-', '_')}-[0-9]*.whl")
        return wheel

    return wheel_of


@pytest.fixture(scope="session")
def wheel(wheel_of: Callable[[str], Path]) -> Path:
    return wheel_of("melious")


class Installed:
    """An environment with what is asked for and nothing besides; `melious` is always the wheel."""

    def __init__(self, folder: Path, wheel: Path, requirement: str) -> None:
        self.python = folder / "bin" / "python"
        self.environment = COPYING if "llama-index" in requirement else ENVIRONMENT
        run(*UV, "venv", "--quiet", "--python", sys.executable, str(folder))
        constraint = folder / "constraint.txt"
        constraint.write_text(f"melious @ {wheel.as_uri()}\n")
        pip = [*UV, "pip", "install", "--quiet", "--python", str(self.python)]
        install = [*pip, "--constraint", str(constraint), requirement]
        # What `make` has installed lies in uv's cache; only on another machine is the network asked.
        command = [*install, "--offline"]
        offline = subprocess.run(command, check=False, capture_output=True, env=self.environment)
        if offline.returncode:
            run(*install, env=self.environment)

    def says(self, code: str) -> str:
        return run(str(self.python), "-I", "-W", "error", "-c", code, cwd=self.python.parent)

    def import_errors(self, statements: list[str]) -> list[str]:
        code = f"for statement in {statements}:\n    try: exec(statement)\n    except ImportError as error: print(error)\n    else: print('imported')"
        return self.says(code).splitlines()


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory):
    made: dict[str, Installed] = {}

    def install(extra: str = "") -> Installed:
        if extra not in made:
            folder = tmp_path_factory.mktemp("venv") / "env"
            made[extra] = Installed(folder, wheel, f"melious{extra} @ {wheel.as_uri()}")
        return made[extra]

    return install


@of_the_wheel
def test_the_wheel_holds_typed_packages_and_their_data(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"melious", "melious_sandbox", "langchain_melious", "llama_index_melious", "llama_index"}
    for package in (*tops - {"llama_index"}, *USUAL_PATHS):
        assert f"{package}/py.typed" in names
    assert "melious/catalogue/models.json" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


@of_the_wheel
def test_in_llama_index_s_namespace_the_wheel_holds_only_its_own(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("llama_index/")}
    assert names == {f"{path}/{file}" for path in USUAL_PATHS for file in ("__init__.py", "py.typed")}


@pytest.mark.exhaustive
def test_the_usual_paths_work_where_the_project_is_installed_for_development(tmp_path: Path) -> None:
    # LlamaIndex lies in site-packages then, and this project in its checkout.
    code = f"import sys; sys.path = [path for path in sys.path if path not in ('', {str(ROOT)!r})]"
    code += f"; sys.path.append({str(ROOT)!r})\n{SAME_CLASSES}"
    assert run(sys.executable, "-W", "error", "-c", code, cwd=tmp_path).strip() == "Melious"


@of_the_wheel
def test_the_usual_paths_work_from_the_wheel_in_a_folder_of_its_own(wheel: Path, tmp_path: Path) -> None:
    """As with `pip install --target`: LlamaIndex's namespace lies in two folders."""
    run(*UV, "pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path / "apart"), str(wheel))
    ours = str(tmp_path / "apart")
    code = (
        f"import sys; sys.path = [{ours!r}, *(path for path in sys.path if path not in {IN_DEVELOPMENT})]\n"
        f"{SAME_CLASSES}\nprint(llama_index_melious.__file__)"
    )
    assert run(sys.executable, "-W", "error", "-c", code, cwd=tmp_path).split() == [
        "Melious",
        str(tmp_path / "apart" / "llama_index_melious" / "__init__.py"),
    ]


@of_the_wheel
@pytest.mark.exhaustive
def test_the_usual_paths_work_from_the_wheel_beside_llama_index(installed) -> None:
    environment = installed("[llama-index]")
    assert environment.says(SAME_CLASSES).strip() == "Melious"
    assert environment.says("import llama_index; print(llama_index.__file__)").strip() == "None"


@of_the_wheel
def test_alone_it_brings_the_core_and_names_the_extras(installed) -> None:
    alone = installed()
    assert alone.says("import melious; print(melious.MeliousClient(api_key='sk-mel-x'))").startswith(
        "MeliousClient("
    )
    needed = {
        "import langchain_melious": "langchain",
        "from langchain_melious import ChatMelious": "langchain",
        "from langchain_melious.chat.model import ChatMelious": "langchain",
        "import llama_index_melious": "llama-index",
        "from llama_index_melious import Melious": "llama-index",
        "from llama_index_melious.llm.model import Melious": "llama-index",
        **dict.fromkeys(IMPORTS.splitlines(), "llama-index"),
        "import melious.sandbox": "sandbox",
    }
    for error, extra in zip(alone.import_errors(list(needed)), needed.values(), strict=True):
        assert f"melious[{extra}]" in error
    refused = alone.says(
        "import melious, asyncio\n"
        "client = melious.AsyncMeliousClient(api_key='k', base_url='http://127.0.0.1:9/v1', async_transport='aiohttp')\n"
        "async def main():\n"
        "    try: await client.models.list()\n"
        "    except melious.ConfigurationError as error: print(error)\n"
        "asyncio.run(main())"
    )
    assert "melious[aiohttp]" in refused


@of_the_wheel
@pytest.mark.parametrize("extra", ["", pytest.param("[httpx2]", marks=pytest.mark.exhaustive)])
def test_alone_it_sends_its_first_request(extra: str, installed, sandbox: Sandbox) -> None:
    environment = installed(extra)
    said = environment.says(
        "import asyncio\n"
        "from melious import AsyncMeliousClient, MeliousClient\n"
        f"place = {{'api_key': {sandbox.api_key!r}, 'base_url': {sandbox.base_url!r}}}\n"
        "ask = {'model': 'llama-3.1-8b-instruct', 'messages': [{'role': 'user', 'content': 'Hello'}]}\n"
        "async def main():\n"
        "    async with AsyncMeliousClient(**place) as client:\n"
        "        print(bool((await client.chat.create(**ask)).text))\n"
        "with MeliousClient(**place) as client:\n"
        "    print(bool(client.chat.create(**ask).text), any(client.chat.stream(**ask)))\n"
        "asyncio.run(main())"
    )
    assert said.split() == ["True", "True", "True"]
    library = "httpx2" if extra else "httpx"
    assert {request.headers["user-agent"].split("(")[1].split("/")[0] for request in sandbox.requests} == {
        library
    }


@of_the_wheel
@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("extra", "statement", "absent"),
    [
        (
            "[langchain]",
            "from langchain_melious import ChatMelious, MeliousEmbeddings, MeliousRerank",
            "llama_index.core",
        ),
        (
            "[llama-index]",
            "from llama_index_melious import Melious, MeliousEmbedding, MeliousRerank",
            "langchain_core",
        ),
        ("[sandbox]", "from melious.sandbox import Sandbox", "langchain_core"),
        ("[aiohttp]", "import aiohttp, yarl, melious.clients._sync.client", "starlette"),
        ("[httpx2]", "import httpx2, httpcore2, melious.clients._sync.client", "starlette"),
        ("[socks]", "import socksio, melious.clients._sync.client", "aiohttp"),
    ],
)
def test_an_extra_brings_what_it_names_and_no_more(
    installed, extra: str, statement: str, absent: str
) -> None:
    environment = installed(extra)
    code = f"import importlib.util\n{statement}\nprint(importlib.util.find_spec('{absent}'))"
    assert environment.says(code).strip() == "None"


@of_the_wheel
def test_the_sandbox_serves_from_the_wheel(installed) -> None:
    answered = installed("[sandbox]").says(
        "from melious import MeliousClient\n"
        "from melious.sandbox import Sandbox\n"
        "with Sandbox() as sandbox, MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url) as client:\n"
        "    vectors = client.embeddings.create(model='bge-m3', input=['one', 'two']).embeddings\n"
        "    print(len(vectors), len(vectors[0]))"
    )
    assert answered.split() == ["2", "1024"]


@of_the_wheel
def test_the_command_is_there_and_says_what_the_demo_needs(installed) -> None:
    command = installed().python.with_name("melious")
    assert "demo" in run(str(command), "--help")
    done = subprocess.run(
        [str(command), "demo"], check=False, capture_output=True, text=True, env=ENVIRONMENT
    )
    assert done.returncode == 2
    assert "melious[" in done.stderr
    assert "Traceback" not in done.stderr


@of_the_wheel
@pytest.mark.parametrize(
    ("name", "path", "class_name"),
    [
        pytest.param(
            name, path, class_name, marks=[] if name == "langchain-melious" else pytest.mark.exhaustive
        )
        for name, (path, class_name) in CLASSES.items()
    ],
)
def test_a_name_that_people_type_brings_its_class(
    name: str, path: str, class_name: str, wheel_of: Callable[[str], Path], tmp_path: Path
) -> None:
    distribution = wheel_of(name)
    assert all(".dist-info/" in file for file in zipfile.ZipFile(distribution).namelist())
    fresh = Installed(tmp_path / "env", wheel_of("melious"), f"{name} @ {distribution.as_uri()}")
    file = f"sys.modules[{class_name}.__module__].__file__"
    imported = fresh.says(f"import sys\nfrom {path} import {class_name}\nprint({file})")
    assert Path(imported.strip()).is_relative_to(tmp_path / "env")
    # Uninstalling the name takes nothing from the package, which others may need.
    run(*UV, "pip", "uninstall", "--quiet", "--python", str(fresh.python), name)
    found = fresh.says(f"import importlib.util\nprint(importlib.util.find_spec({path!r}) is not None)")
    assert found.strip() == "True"
