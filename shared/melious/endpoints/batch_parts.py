"""The requests of a batch as files on disk, each within the limits of the service."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from melious.answers.batches import Batch
from melious.endpoints.batch_lines import kind_of, line_of, parts_of
from melious.endpoints.batches import MOST_PAIRS, check_metadata
from melious.endpoints.files import MAX_BYTES
from melious.errors import InvalidArgumentError
from melious.errors.checks import check_text, check_whole
from melious.exchange.request import Request
from melious.routing.residency import ResidencyRule
from melious.routing.terms import NO_TERMS, RoutingTerms
from melious.settings.config import ClientConfig

MAX_LINES = 50_000
"""The most lines in one batch of the service: OpenAI's limit. Melious states none."""
DIGEST, FACTS = "melious_digest", "melious"
OUR_PAIRS = 3
"""The pairs of the metadata that are used here: the digest, the facts, and the token of the request."""
_LONGEST_FACTS = 512


@dataclass(frozen=True, slots=True)
class Facts:
    """What the metadata of a batch says about its lines, so that another process can read them.

    Attributes:
        lines: How many there are; None if it is not known.
        terms: The model, the routing and the countries that all lines share.
    """

    lines: int | None = None
    terms: RoutingTerms = NO_TERMS

    @classmethod
    def of(cls, batch: Batch) -> Facts:
        """Read the metadata of a batch; what is not there is not known."""
        try:
            found = json.loads(batch.metadata.get(FACTS) or "{}")
        except (TypeError, ValueError):
            found = {}
        if not isinstance(found, dict):
            found = {}
        lines, countries = found.get("lines"), found.get("countries")
        rule = None
        if isinstance(countries, list) and found.get("verify") in ("warn", "raise"):
            rule = ResidencyRule.of(found["verify"], {"countries": countries})
        model, routing = found.get("model"), found.get("routing")
        return cls(
            lines if isinstance(lines, int) else None,
            RoutingTerms(
                model if isinstance(model, str) else "",
                routing if isinstance(routing, str) else None,
                (),
                rule,
            ),
        )

    def to_text(self) -> str:
        """The facts as a value of the metadata."""
        terms = self.terms
        found: dict[str, Any] = {"lines": self.lines}
        if terms.residency is not None:
            found |= {"verify": terms.residency.mode, "countries": list(terms.residency.countries)}
        if terms.preference:
            found["routing"] = terms.preference
        whole = found | ({"model": terms.model} if terms.model else {})
        text = json.dumps(whole, separators=(",", ":"))
        return text if len(text) <= _LONGEST_FACTS else json.dumps(found, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Part:
    """One batch of the service: a file of lines.

    Attributes:
        path: The file.
        lines: How many lines it has.
        digest: Tells apart what is in it.
    """

    path: Path
    lines: int
    digest: str


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
        self._parts: list[Part] = []
        self._file: IO[bytes] | None = None
        self._lines = self._size = 0
        self._digest = hashlib.blake2b()
        self._terms: RoutingTerms | None = None

    @property
    def terms(self) -> RoutingTerms:
        """The model, the routing and the countries that all lines share."""
        return self._terms or NO_TERMS

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
            self._begin()
        assert self._file is not None  # noqa: S101 - just opened
        self._file.write(line)
        self._digest.update(line)
        self._lines += 1
        self._size += len(line)

    def finish(self) -> list[Part]:
        """End the last file.

        Raises:
            InvalidArgumentError: There was no request.
        """
        if not self._place:
            raise InvalidArgumentError("requests: must not be empty", param="requests")
        self._end()
        return self._parts

    def close(self) -> None:
        """Close the file that is open, if there is one."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin(self) -> None:
        self._digest = hashlib.blake2b(f"{self._endpoint} {self._window}\n".encode(), digest_size=20)
        self._file = (self._directory / f"requests-{len(self._parts) + 1}.jsonl").open("wb")

    def _end(self) -> None:
        if self._file is None:
            return
        path = Path(self._file.name)
        self.close()
        self._parts.append(Part(path, self._lines, self._digest.hexdigest()))
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
