"""The workflows, the container and the templates agree with what they run and publish."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from distributions import CLASSES

from melious import MeliousClient

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PYTHONS = [
    version for one in PROJECT["classifiers"] if re.fullmatch(r"3\.\d+", version := one.rpartition(" :: ")[2])
]
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def read(path: Path) -> dict[Any, Any]:
    return yaml.safe_load(path.read_text("utf-8"))


def jobs(name: str) -> dict[str, Any]:
    return read(GITHUB / "workflows" / f"{name}.yml")["jobs"]


def commands(path: Path) -> str:
    """Give what a workflow runs in shells."""
    steps = [step for job in read(path)["jobs"].values() for step in job["steps"]]
    return "\n".join(step["run"] for step in steps if "run" in step)


@each_workflow
def test_actions_are_pinned_to_commits_with_their_versions(path: Path) -> None:
    used = re.findall(r"uses: (.+)", path.read_text("utf-8"))
    assert [use for use in used if not PINNED.fullmatch(use)] == []


def test_an_action_has_one_version_everywhere() -> None:
    used = re.findall(r"uses: ([^@]+)@(\S+)", "\n".join(path.read_text("utf-8") for path in WORKFLOWS))
    assert len(dict(used)) == len(set(used))


@each_workflow
def test_a_job_may_do_only_what_it_names_and_ends(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] in ({}, {"contents": "read"})
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"] <= 60, name
        assert job.get("permissions", workflow["permissions"]), name


@each_workflow
def test_an_expression_never_reaches_a_shell(path: Path) -> None:
    # Its text would be run as code; variables of the environment are not.
    assert "${{" not in commands(path)


@each_workflow
def test_what_a_workflow_runs_is_there(path: Path) -> None:
    run = commands(path)
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"^make (.+)$", run, re.MULTILINE):
        for name in target.split():
            assert re.search(rf"^{name}:", makefile, re.MULTILINE), name
    for file in re.findall(r"(?:python3? |--file )((?:scripts|docker)/\S+)", run):
        assert (ROOT / file).is_file(), file
    for folder in re.findall(r"\btests(?:/\w+)+(?:\.py)?", run):
        assert (ROOT / folder).exists(), folder


def test_every_python_and_system_is_tested() -> None:
    matrix = jobs("test")["test"]["strategy"]["matrix"]
    assert matrix["python"] == jobs("release")["test"]["strategy"]["matrix"]["python"] == PYTHONS
    assert matrix["system"] == ["ubuntu-latest", "macos-latest", "windows-latest"]


def test_a_release_publishes_every_distribution_and_melious_first() -> None:
    publish = jobs("release")["publish"]
    names = publish["strategy"]["matrix"]["distribution"]
    assert names[0] == "melious"
    assert sorted(names) == sorted(["melious", *CLASSES])
    assert publish["strategy"]["max-parallel"] == 1
    assert publish["needs"] == ["build", "test"]
    assert publish["permissions"] == {"id-token": "write"}


def test_forms_and_settings_of_the_repository_are_yaml() -> None:
    for file in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml"):
        assert read(file), file
    assert read(GITHUB / "dependabot.yml")["version"] == 2
    assert json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text("utf-8"))["name"] == "melious"


def instructions() -> dict[str, list[str]]:
    """Give the arguments of each instruction of the Dockerfile."""
    text = (ROOT / "docker" / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    found: dict[str, list[str]] = {}
    for name, arguments in re.findall(r"^([A-Z]+) (.+)$", text, re.MULTILINE):
        found.setdefault(name, []).append(arguments)
    return found


def test_the_image_copies_what_the_wheel_is_built_from() -> None:
    copied = [one for line in instructions()["COPY"] if "--from" not in line for one in line.split()[:-1]]
    assert [one for one in copied if not (ROOT / one).exists()] == []
    hatch = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]
    packages = {one.split("/")[0] for one in hatch["build"]["targets"]["wheel"]["packages"]}
    assert packages <= set(copied)
    ignored = (ROOT / "docker" / "Dockerfile.dockerignore").read_text("utf-8")
    assert {line[1:] for line in ignored.splitlines() if line.startswith("!")} == set(copied)


def test_the_command_of_the_container_serves_any_host_and_its_health_check_passes() -> None:
    found = instructions()
    entry, arguments = json.loads(found["ENTRYPOINT"][0]), json.loads(found["CMD"][0])
    service = read(ROOT / "docker" / "compose.yaml")["services"]["sandbox"]
    assert service["command"] == ["--key", "${MELIOUS_SANDBOX_KEY:-sk-mel-sandbox}"]
    assert service["ports"] == [f"127.0.0.1:{found['EXPOSE'][0]}:{found['EXPOSE'][0]}"]
    assert entry[0] == "melious"
    run = [sys.executable, "-c", "import sys; from melious.cli import main; sys.exit(main())", *entry[1:]]
    with subprocess.Popen([*run, *arguments, "--port", "0"], stdout=subprocess.PIPE, text=True) as sandbox:
        assert sandbox.stdout is not None
        try:
            said = ""
            while "MELIOUS_BASE_URL=" not in said:
                line = sandbox.stdout.readline()
                assert line, said
                said += line
            port = said.rpartition(":")[2].removesuffix("/v1\n")
            check = json.loads(found["HEALTHCHECK"][0].partition("CMD ")[2])
            healthy = [sys.executable, *check[1:-1], check[-1].replace(found["EXPOSE"][0], port)]
            assert subprocess.run(healthy, check=False).returncode == 0
            url = f"http://127.0.0.1:{port}/v1/models"
            headers = {"host": f"sandbox:{port}", "authorization": "Bearer sk-mel-sandbox"}
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
                assert answer.status == 200
            with MeliousClient(api_key="sk-mel-sandbox", base_url=url.removesuffix("/models")) as client:
                hello = client.chat.create(model="glm-4.7", messages=[{"role": "user", "content": "Hello"}])
            assert hello.text
        finally:
            sandbox.terminate()
            sandbox.communicate()
    assert sandbox.returncode == 0
