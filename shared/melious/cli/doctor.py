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

from melious._terminal import Paint, terminal_width
from melious._version import __version__
from melious.cli.checks import Check, Failed, Noted, Passed, Skipped
from melious.cli.service import ENDPOINTS, Service
from melious.cli.words import in_shell_words, no_key
from melious.errors import ConfigurationError
from melious.errors.checks import check_one_of
from melious.impact import ImpactLedger
from melious.settings.config import KEY_VARIABLE, URL_VARIABLE, resolve_base_url, resolve_key

_PACKAGES = ("httpx2", "httpx", "pydantic", "aiohttp", "langchain-core", "llama-index-core")
_WIDTH = 100
_UNBROKEN = "\N{NO-BREAK SPACE}"
_RECEIPT = 50
"""The least width of a receipt."""


def run_doctor(options: argparse.Namespace) -> int:
    """Check the setup and print the results; gives the exit status.

    Raises:
        InvalidArgumentError: `--need` names an unknown endpoint.
    """
    for name in options.need:
        check_one_of("--need", name, ENDPOINTS)
    checks, receipt = _checks(options)
    well = not any(isinstance(check, Failed) for check in checks)
    if options.json:
        report = {"ok": well, "versions": _versions(), "checks": [check.to_dict() for check in checks]}
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
    else:
        sys.stdout.write("\n".join(_lines(checks, receipt, well=well)) + "\n")
    return 0 if well else 1


def _checks(options: argparse.Namespace) -> tuple[list[Check], ImpactLedger | None]:
    """The checks, and the receipt of the request that was tried, if any."""
    checks = [_key()]
    has_key = not isinstance(checks[0], Failed)
    insecure = options.allow_insecure_http
    try:
        base_url = resolve_base_url(options.base_url, allow_insecure_http=insecure)
    except ConfigurationError as error:
        return [*checks, Failed("base URL", in_shell_words(error))], None
    checks.append(Passed("base URL", f"{base_url} ({_origin(options.base_url)})", {"base_url": base_url}))
    from melious.cli.reach import reach

    checks += reach(base_url, options.timeout)
    if any(isinstance(check, Failed) for check in checks[2:]):
        return checks, None
    if not has_key:
        return [*checks, Skipped("service", "not checked: there is no key")], None
    with closing(Service(base_url, options.timeout, allow_insecure_http=insecure)) as service:
        checks += service.key_and_limit()
        checks += service.scopes(options.need, ask=not options.no_scopes)
    if options.model_to_try is None:
        if not any(check.facts.get("out_of_money") for check in checks):
            checks.append(Skipped("balance", "not checked: --try sends a small request, which is billed"))
        return checks, None
    if any(isinstance(check, Failed) for check in checks):
        return [*checks, Skipped("request", "not sent, because of the problems above")], None
    from melious.cli.trial import try_request

    check, receipt = try_request(base_url, options.model_to_try, allow_insecure_http=insecure)
    return [*checks, check], receipt


def _key() -> Check:
    """Where the key comes from, without the key itself."""
    if not os.environ.get(KEY_VARIABLE, "").strip():
        return Failed("key", no_key())
    try:
        key = resolve_key(None)
    except ConfigurationError as error:
        return Failed("key", in_shell_words(error))
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


def _lines(checks: list[Check], receipt: ImpactLedger | None, *, well: bool) -> list[str]:
    limit = terminal_width(_WIDTH)
    paint = Paint(sys.stdout)
    frameworks = [f"{name} {version or 'not installed'}" for name, version in _versions().items()]
    lines = []
    for some in (frameworks[:4], frameworks[4:]):
        unbroken = ", ".join(each.replace(" ", _UNBROKEN) for each in some)
        lines += [paint(line.replace(_UNBROKEN, " "), "dim") for line in textwrap.wrap(unbroken, limit)]
    lines.append("")
    width = max(len(check.name) for check in checks)
    for check in checks:
        start = f"{check.mark:4}  {check.name:{width}}  "
        first, *rest = textwrap.wrap(
            start + check.said, limit, subsequent_indent=" " * len(start), break_on_hyphens=False
        )
        lines += [paint(first[:4], *check.style) + first[4:], *rest]
    if any(check.name == "chat" and "allowed" in check.facts for check in checks):
        note = (
            "yes: a request for nothing passed, or was refused for its content; no: refused for the key. "
            "These were not billed."
        )
        lines += ["", *textwrap.wrap(note, limit)]
    if receipt is not None and receipt.total.requests:
        lines += [
            "",
            paint("The receipt of the request", "bold"),
            *receipt.summary(width=max(limit, _RECEIPT)).splitlines(),
        ]
    said = paint("No problems found.", "green") if well else paint(_summary(checks), "red", "bold")
    return [*lines, "", said]


def _summary(checks: list[Check]) -> str:
    failed = [check.name for check in checks if isinstance(check, Failed)]
    return f"Problems found: {', '.join(failed)}."
