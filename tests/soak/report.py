"""The table of a run, and whether it was sound."""

from typing import Any

from .callers import MEGABYTE, Sizes, Tally

SLACK_MB, SLACK_SHARE = 12.0, 0.15
ZERO = (
    "lost",
    "sent again after delivery",
    "stream sent again after its first chunk",
    "after the end of the call",
    "more than 1 + max_retries",
    "more than the caller was told",
)


def table(
    tally: Tally, counts: dict[str, Any], sizes: tuple[Sizes, Sizes, Sizes, Sizes], seconds: float
) -> tuple[str, bool]:
    """The run as a table for people, and whether everything was as it should be."""
    start, warm, end, closed = sizes
    errors = ", ".join(f"{count} {name}" for name, count in tally.errors.most_common())
    rows = [
        ("calls", f"{tally.calls:,} in {seconds:.0f} s", True),
        (
            "requests",
            f"{counts.get('requests', 0):,}, of them {counts.get('faults', 0):,} with a fault",
            True,
        ),
        ("ok", f"{tally.ok:,}", tally.ok > 0),
        ("typed errors", f"{tally.errors.total():,} ({errors})", True),
        ("anything else", f"{tally.raw.total():,}", not tally.raw),
        ("foreign or wrong answers", f"{len(tally.foreign):,}", not tally.foreign),
        *((name, f"{counts.get(name, 0):,}", not counts.get(name)) for name in ZERO),
        ("open files", _path(start.files, end.files, closed.files), closed.files <= start.files),
        ("tasks", _path(start.tasks, end.tasks, closed.tasks), max(end.tasks, closed.tasks) <= start.tasks),
        ("threads", _path(start.threads, end.threads, closed.threads), closed.threads <= start.threads),
        (
            "MB of memory",
            f"{start.rss:.0f} at the start, {warm.rss:.0f} warm, {end.rss:.0f} at the end",
            end.rss - warm.rss <= max(SLACK_MB, SLACK_SHARE * warm.rss),
        ),
        ("MB of the server", f"{counts.get('pages', 0) * 4096 / MEGABYTE:.0f}", True),
    ]
    lines = [f"{'' if good else 'BAD':4}{name:42}{value}" for name, value, good in rows]
    lines += [f"    {what}: {count}" for what, count in tally.raw.most_common(10)]
    lines += [f"    {what}" for what in tally.foreign[:10]]
    notes = sorted(counts.get("notes", {}).items(), key=lambda note: -note[1])
    lines += [f"    {count:4} {what}" for what, count in notes[:15]]
    return "\n".join(lines), all(good for _, _, good in rows)


def _path(start: int, end: int, closed: int) -> str:
    return f"{start} at the start, {end} at the end, {closed} with all closed"
