"""`melious doctor`: diagnoses the setup, from the key to the scopes."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import textwrap
from contextlib import closing
from importlib import metadata

from melious._version import __version__
from melious.cli.checks import Check, Failed, Noted, Passed, Skipped
from melious.cli.service import ENDPOINTS, Service
from melious.errors import ConfigurationError
from melious.errors.checks import check_one_of
from melious.settings.config import KEY_VARIABLE, URL_VARIABLE, resolve_base_url, resolve_key

_PACKAGES = ("httpx2", "httpx", "pydantic", "aiohttp", "langchain-core", "llama-index-core")
_WIDTH = 100


def run_doctor(options: argparse.Namespace) -> int:
    """Check the setup and print the results; gives the exit status.

    Raises:
        InvalidArgumentError: `--need` names an unknown endpoint.
    """
    for name in options.need:
        check_one_of("--need", name, ENDPOINTS)
    checks = _checks(options)
    well = not any(isinstance(check, Failed) for check in checks)
    if options.json:
        report = {"ok": well, "versions": _versions(), "checks": [check.to_dict() for check in checks]}
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
    else:
        sys.stdout.write("\n".join(_lines(checks, well=well)) + "\n")
    return 0 if well else 1


def _checks(options: argparse.Namespace) -> list[Check]:
    checks = [_key()]
    has_key = not isinstance(checks[0], Failed)
    try:
        base_url = resolve_base_url(options.base_url)
    except ConfigurationError as error:
        return [*checks, Failed("base URL", str(error))]
    checks.append(Passed("base URL", f"{base_url} ({_origin(options.base_url)})", {"base_url": base_url}))
    from melious.cli.reach import reach

    checks += reach(base_url, options.timeout)
    if any(isinstance(check, Failed) for check in checks[2:]):
        return checks
    if not has_key:
        return [*checks, Skipped("service", "not checked: there is no key")]
    with closing(Service(base_url, options.timeout)) as service:
        return [*checks, *service.key_and_limit(), *service.scopes(options.need, ask=not options.no_scopes)]


def _key() -> Check:
    """Where the key comes from, without the key itself."""
    if not os.environ.get(KEY_VARIABLE, "").strip():
        return Failed(
            "key", f"{KEY_VARIABLE} is not set; create a key at https://melious.ai/account/api/keys"
        )
    try:
        key = resolve_key(None)
    except ConfigurationError as error:
        return Failed("key", str(error))
    facts = {"source": KEY_VARIABLE}
    if key[0] in "'\"" or key[-1] in "'\"":
        return Noted("key", f"from {KEY_VARIABLE}; remove the quotes, which are part of it", facts)
    if not key.startswith("sk-mel-"):
        return Noted("key", f"from {KEY_VARIABLE}; it does not start with sk-mel-, as Melious keys do", facts)
    return Passed("key", f"from {KEY_VARIABLE}", facts)


def _origin(argument: str | None) -> str:
    if argument is not None:
        return "--base-url"
    return f"from {URL_VARIABLE}" if os.environ.get(URL_VARIABLE, "").strip() else "the default"


def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {"melious": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def _lines(checks: list[Check], *, well: bool) -> list[str]:
    versions = _versions()
    frameworks = [f"{name} {version or 'not installed'}" for name, version in versions.items()]
    width = max(len(check.name) for check in checks)
    lines = [", ".join(frameworks[:4]), ", ".join(frameworks[4:]), ""]
    for check in checks:
        start = f"{check.mark:4}  {check.name:{width}}  "
        lines += textwrap.wrap(start + check.said, _WIDTH, subsequent_indent=" " * len(start))
    if any(check.name == "chat" and "allowed" in check.facts for check in checks):
        note = "yes: an empty request was refused for its content; no: for the key. Nothing was billed."
        lines += ["", note]
    return [*lines, "", "No problems found." if well else _summary(checks)]


def _summary(checks: list[Check]) -> str:
    failed = [check.name for check in checks if isinstance(check, Failed)]
    return f"Problems found: {', '.join(failed)}."
