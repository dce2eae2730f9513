"""Every public class is typed throughout."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.exhaustive  # static, and so run by `make lint`


def basedpyright(*arguments: str) -> dict[str, Any]:
    """Run the checker on this interpreter's packages, as an editor would."""
    here = Path(sys.executable).parent
    command = [str(here / "basedpyright"), "--outputjson", *arguments]
    environment = os.environ | {"PATH": f"{here}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    return json.loads(done.stdout)


@pytest.mark.parametrize("package", ["langchain_melious", "llama_index_melious"])
def test_the_public_classes_are_typed(package: str) -> None:
    completeness = basedpyright("--ignoreexternal", "--verifytypes", package)["typeCompleteness"]
    vague = [symbol["name"] for symbol in completeness["symbols"] if not symbol["isTypeKnown"]]
    assert completeness["exportedSymbolCounts"]["withKnownType"] > 50
    assert not vague
