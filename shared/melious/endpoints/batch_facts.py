"""What the metadata of a batch says about its lines, so that another process can read their results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from melious._figures import whole_count
from melious.answers.batches import Batch
from melious.errors import InvalidArgumentError
from melious.routing.residency import ResidencyRule
from melious.routing.terms import NO_TERMS, RoutingTerms

FACTS = "melious"
"""The name of the pair."""
_LONGEST_FACTS = 512


@dataclass(frozen=True, slots=True)
class Facts:
    """What the metadata of a batch says about its lines, so that another process can read them.

    Attributes:
        lines: How many there are; None if it is not known.
        terms: The model, the routing and the countries that all lines share.
        endpoint: The name of their endpoint: `chat`, `embeddings`, ...
        first: The place of the first request, if all ids were made here: `request-7`, `request-8`, ...
        ids: The sum of the ids, if some are the caller's own.
    """

    lines: int | None = None
    terms: RoutingTerms = NO_TERMS
    endpoint: str | None = None
    first: int | None = None
    ids: str | None = None

    @classmethod
    def of(cls, batch: Batch, rule: ResidencyRule | None = None) -> Facts:
        """Read the metadata of a batch; what is not there is not known.

        Args:
            batch: The batch.
            rule: The countries, where the metadata has no facts of ours.
        """
        try:
            found = json.loads(batch.metadata.get(FACTS) or "{}")
        except (TypeError, ValueError):
            found = {}
        if not isinstance(found, dict):
            found = {}
        texts = {name: value for name, value in found.items() if isinstance(value, str)}
        rule = None if found else rule
        if texts.get("verify") in ("warn", "raise"):
            countries = [country for country in texts.get("countries", "").split(",") if country]
            rule = ResidencyRule.of(texts["verify"], {"countries": countries})
        return cls(
            whole_count(found.get("lines")),
            RoutingTerms(texts.get("model", ""), texts.get("routing"), (), rule),
            texts.get("endpoint"),
            whole_count(found.get("first")),
            texts.get("ids"),
        )

    def to_text(self) -> str:
        """The facts as a value of the metadata; of a model and a routing without end there is no fact.

        Raises:
            InvalidArgumentError: There are too many countries.
        """
        terms, rule = self.terms, self.terms.residency
        found: dict[str, Any] = {
            "lines": self.lines,
            "endpoint": self.endpoint,
            "first": self.first,
            "ids": self.ids,
        }
        if rule is not None:
            found |= {"verify": rule.mode, "countries": ",".join(rule.countries)}
        for names in (("routing", "model"), ("routing",), ()):
            more = {"routing": terms.preference, "model": terms.model}
            whole = found | {name: more[name] for name in names}
            known = {name: value for name, value in whole.items() if value not in (None, "")}
            text = json.dumps(known, separators=(",", ":"))
            if len(text) <= _LONGEST_FACTS:
                return text
        raise InvalidArgumentError(
            "verify_location: a batch cannot keep as many countries as the filters name; leave some out, or "
            "turn it off with verify_location='off'",
            param="verify_location",
        )


def sum_of(ids: Iterable[str]) -> str:
    """Tell whether ids are the same, whatever their order.

    Examples:
        >>> sum_of(["a", "b"]) == sum_of(["b", "a"]), sum_of(["a", "b"]) == sum_of(["a", "c"])
        (True, False)
    """
    total = 0
    for name in ids:
        total += number_of(name)
    return text_of(total)


def number_of(name: str) -> int:
    """An id as a number, for a sum of ids."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(digest.digest(), "big")


def text_of(total: int) -> str:
    """A sum of ids as text."""
    return f"{total % 2**64:x}"
