"""The files beside this one are read by both type checkers, as an editor reads the code of users.

What is right passes. A line that is wrong carries an `ignore` for each checker, and an `ignore` that is not
needed is an error: so a mistake that a checker no longer finds fails here.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# Static, and so run by `make lint`, whose cache mypy then uses.
pytestmark = pytest.mark.exhaustive

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FILES = sorted(str(file.relative_to(ROOT)) for file in HERE.glob("use_*.py"))


def run(*command: str) -> str:
    """Run a checker of this interpreter over this source tree; give what it printed."""
    bin_folder = Path(sys.executable).parent
    environment = os.environ | {
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "MYPYPATH": f"{ROOT / 'shared'}{os.pathsep}{ROOT}",
    }
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    assert not done.stderr
    return done.stdout


def test_mypy_agrees():
    assert run(sys.executable, "-m", "mypy", "--no-error-summary", *FILES) == ""


def test_basedpyright_agrees():
    checked = json.loads(run("basedpyright", "--outputjson", "--project", str(HERE)))
    assert checked["summary"]["filesAnalyzed"] >= len(FILES)
    found = [
        (Path(each["file"]).name, each["range"]["start"]["line"] + 1, each["message"])
        for each in checked["generalDiagnostics"]
    ]
    assert found == []
