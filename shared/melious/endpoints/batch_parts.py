"""The requests of a batch as files on disk, each within the limits of the service."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from melious.endpoints.batch_facts import FACTS, Facts, number_of, text_of
from melious.endpoints.batch_lines import kind_of, line_of, parts_of
from melious.endpoints.batches import MOST_PAIRS, TOKEN, check_metadata
from melious.endpoints.files import MAX_BYTES
from melious.errors import InvalidArgumentError, MeliousError
from melious.errors.checks import check_text, check_whole
from melious.exchange.request import Request
from melious.routing.terms import NO_TERMS, RoutingTerms
from melious.settings.config import ClientConfig

MAX_LINES = 50_000
"""The most lines in one batch of the service: OpenAI's limit. Melious states none."""
DIGEST = "melious_digest"
OUR_PAIRS = 3
"""The pairs of the metadata that are used here: the digest, the facts, and the token of the request."""


@dataclass(frozen=True, slots=True)
class Part:
    """One batch of the service: a file of lines.

    Attributes:
        path: The file.
        lines: How many lines it has.
        digest: Tells apart what is in it.
        facts: What is known of its lines, as text.
    """

    path: Path
    lines: int
    digest: str
    facts: str

    @property
    def pairs(self) -> dict[str, str]:
        """The metadata by which the batch is recognised, and its lines are read."""
        return {DIGEST: self.digest, FACTS: self.facts}


@contextmanager
def on_disk() -> Iterator[None]:
    """Name what a failure to write a temporary file means.

    Raises:
        MeliousError: It failed.
    """
    try:
        yield
    except OSError as error:
        raise MeliousError(
            f"the requests cannot be written to a temporary file: {error.strerror or error}",
            advice="Nothing was sent. Make room, or name another directory with TMPDIR",
        ) from error


class PartsWriter:
    """Checks requests and writes them into files, as many as the limits ask for.

    Args:
        config: The client's settings.
        endpoint: Where the lines go.
        window: How long the batch may take.
        metadata: The caller's.
        directory: Where the files go.
        max_lines: The most lines of a file.
        max_bytes: The most bytes of a file.

    Raises:
        InvalidArgumentError: An argument is wrong.
    """

    def __init__(
        self,
        config: ClientConfig,
        endpoint: str,
        window: str,
        metadata: Mapping[str, str] | None,
        directory: Path,
        max_lines: int,
        max_bytes: int,
    ) -> None:
        self.kind = kind_of(endpoint)
        check_text("completion_window", window)
        check_metadata(metadata, MOST_PAIRS - OUR_PAIRS)
        for name in (DIGEST, FACTS, TOKEN):
            if name in (metadata or {}):
                raise InvalidArgumentError(
                    f"metadata: {name!r} is used here; take another name", param="metadata"
                )
        check_whole("max_lines", max_lines, least=1)
        check_whole("max_bytes", max_bytes, least=1, most=MAX_BYTES)
        self._config = config
        self._endpoint = endpoint
        self._window = window
        self._directory = directory
        self._max_lines = max_lines
        self._max_bytes = max_bytes
        self._names: set[str] = set()
        self._place = 0
        self._ended: list[tuple[Path, str, Facts]] = []
        self._file: IO[bytes] | None = None
        self._lines = self._size = self._first = self._sum = 0
        self._ours = True
        self._digest = hashlib.blake2b()
        self._terms: RoutingTerms | None = None

    def add(self, item: Any) -> None:
        """Check a request and write its line.

        Raises:
            InvalidArgumentError: The request is wrong; its place is named.
        """
        place, self._place = self._place, self._place + 1
        given, body = parts_of(item, place, self._endpoint)
        name = f"request-{place}" if given is None else given
        if name in self._names:
            raise InvalidArgumentError(
                f"requests[{place}]: the id {name!r:.80} was given before; each must be unique",
                param="requests",
            )
        self._names.add(name)
        line, request = line_of(self._config, self.kind, self._endpoint, name, body, place)
        if len(line) > self._max_bytes:
            raise InvalidArgumentError(
                f"requests[{place}]: has {len(line):,} bytes; a batch takes at most {self._max_bytes:,}",
                param="requests",
            )
        self._share(request, place)
        if self._lines >= self._max_lines or self._size + len(line) > self._max_bytes:
            self._end()
        if self._file is None:
            self._begin(place)
        assert self._file is not None  # noqa: S101 - just opened
        with on_disk():
            self._file.write(line)
        self._digest.update(line)
        self._ours &= name == f"request-{place}"
        self._sum += number_of(name)
        self._lines += 1
        self._size += len(line)

    def finish(self) -> list[Part]:
        """End the last file.

        Raises:
            InvalidArgumentError: There was no request, or the metadata cannot hold what they have in common.
        """
        if not self._place:
            raise InvalidArgumentError("requests: must not be empty", param="requests")
        self._end()
        terms = self._terms or NO_TERMS
        return [
            Part(path, facts.lines or 0, digest, replace(facts, terms=terms).to_text())
            for path, digest, facts in self._ended
        ]

    def close(self) -> None:
        """Close the file that is open, if there is one."""
        file, self._file = self._file, None
        if file is not None:
            with on_disk():
                file.close()

    def _begin(self, place: int) -> None:
        rule = self._terms.residency if self._terms is not None else None
        alike = f"{self._endpoint} {self._window} {rule.mode if rule is not None else ''}\n"
        self._digest = hashlib.blake2b(alike.encode(), digest_size=20)
        with on_disk():
            self._file = (self._directory / f"requests-{len(self._ended) + 1}.jsonl").open("wb")
        self._first, self._ours, self._sum = place, True, 0

    def _end(self) -> None:
        if self._file is None:
            return
        path = Path(self._file.name)
        self.close()
        first, ids = (self._first, None) if self._ours else (None, text_of(self._sum))
        facts = Facts(self._lines, NO_TERMS, self.kind.name, first, ids)
        self._ended.append((path, self._digest.hexdigest(), facts))
        self._lines = self._size = 0

    def _share(self, request: Request, place: int) -> None:
        """Keep of the routing what all lines have in common."""
        terms = request.routing
        if self._terms is None:
            self._terms = RoutingTerms(terms.model, terms.preference, (), terms.residency)
            return
        shared = self._terms
        if terms.residency != shared.residency:
            raise InvalidArgumentError(
                f"requests[{place}]: verify_location: needs the same countries in all requests of a batch",
                param="verify_location",
            )
        if terms.model != shared.model or terms.preference != shared.preference:
            self._terms = RoutingTerms(
                shared.model if terms.model == shared.model else "",
                shared.preference if terms.preference == shared.preference else None,
                (),
                shared.residency,
            )
