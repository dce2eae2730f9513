"""The state of one running sandbox, which every request shares."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from melious.sandbox.auth import KeyRing
from melious.sandbox.faults import Faults
from melious.sandbox.limits import UNLIMITED, RateLimiter
from melious.sandbox.prefixes import PrefixCache
from melious.sandbox.profiles import PROFILES, Profile, ProfileName
from melious.sandbox.records import RequestLog

if TYPE_CHECKING:
    from melious.sandbox.upstream import Upstream

_PICTURES_KEPT = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a sandbox behaves; the arguments of ``Sandbox``."""

    profile: ProfileName = "live"
    api_key: str = "sk-mel-sandbox"
    keys: Mapping[str, Iterable[str]] = field(default_factory=dict)
    rate_limit: int | None = None
    rate_window: float = 60.0
    latency: float = 0.0
    pace: float = 0.0
    stream_delay: float = 0.0
    stream_impact: bool | None = None
    keepalive: float = 10.0
    max_requests_kept: int = 10_000
    upstream: str | None = None
    upstream_key: str | None = None


class Service:
    """What the routes work with: profile, keys, limits, faults, and what was seen so far."""

    def __init__(self, settings: Settings) -> None:
        if settings.profile not in PROFILES:
            raise ValueError(f"unknown profile {settings.profile!r}; one of {', '.join(PROFILES)}")
        self.settings = settings
        self.profile: Profile = PROFILES[settings.profile]
        self.keys = KeyRing(settings.api_key, settings.keys)
        limit = UNLIMITED if settings.rate_limit is None else settings.rate_limit
        self.limiter = RateLimiter(limit, settings.rate_window)
        self.faults = Faults()
        self.requests = RequestLog(settings.max_requests_kept)
        self.prefixes = PrefixCache()
        self.upstream = _upstream(settings, self.profile)
        self._pictures: OrderedDict[str, bytes] = OrderedDict()

    @property
    def stream_impact(self) -> bool:
        """Whether the last chunk of a stream carries impact and bill."""
        asked = self.settings.stream_impact
        return self.profile.stream_impact if asked is None else asked

    def keep_picture(self, name: str, png: bytes) -> None:
        """Keep an image for a while, so that its URL can be fetched."""
        self._pictures[name] = png
        while len(self._pictures) > _PICTURES_KEPT:
            self._pictures.popitem(last=False)

    def picture(self, name: str) -> bytes | None:
        """Give a kept image."""
        return self._pictures.get(name)

    async def close(self) -> None:
        """Let go of what the server's event loop holds."""
        if self.upstream is not None:
            await self.upstream.close()

    def reset(self) -> None:
        """Forget requests, faults, counts and caches."""
        self.requests.clear()
        self.faults.clear()
        self.limiter.reset()
        self.prefixes.clear()
        self._pictures.clear()


def without_secrets(url: str | None) -> str:
    """Give a URL without user, password and query; "" for None."""
    if url is None:
        return ""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _upstream(settings: Settings, profile: Profile) -> "Upstream | None":
    if settings.upstream is None:
        return None
    from melious.sandbox.upstream import Upstream  # noqa: PLC0415 - brings the whole HTTP client

    return Upstream(settings.upstream, settings.upstream_key, profile)
