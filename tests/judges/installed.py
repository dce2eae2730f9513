"""What of others is installed here. What is not is skipped, with the reason."""

import sys
from importlib import metadata
from pathlib import Path

import pytest

LITELLM = Path(sys.prefix).parent / "litellm"
"""The environment of the litellm proxy, beside this one."""


def require(distribution: str) -> metadata.Distribution:
    """The distribution, or a skip."""
    found = next(metadata.distributions(name=distribution), None)
    if found is None:
        pytest.skip(f"{distribution} is not installed")
    return found
