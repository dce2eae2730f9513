"""The state of one running sandbox, which every request shares."""

from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from melious.errors import InvalidArgumentError
from melious_sandbox.auth import KeyRing
from melious_sandbox.checks import (
    check_flag,
    check_host,
    check_key,
    check_keys,
    check_names,
    check_number,
    check_seconds,
    check_url,
    check_whole,
    check_word,
    refuse,
)
from melious_sandbox.crowd import Crowd
from melious_sandbox.faults import Faults
from melious_sandbox.limits import UNLIMITED, RateLimiter
from melious_sandbox.prefixes import PrefixCache
from melious_sandbox.profiles import PROFILES, Profile, ProfileName
from melious_sandbox.records import MAX_BYTES_KEPT, RequestLog
from melious_sandbox.replies import Replies

if TYPE_CHECKING:
    from melious_sandbox.upstream import Upstream

_PICTURES_KEPT = 64
_SLOWEST = 1_000.0

DEFAULT_KEY = "sk-mel-sandbox"
MAX_BODY_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a sandbox behaves; the arguments of ``Sandbox``.

    Raises:
        InvalidArgumentError: One of them cannot be used.
    """

    profile: ProfileName = "live"
    api_key: str = DEFAULT_KEY
    host: str = "127.0.0.1"
    port: int = 0
    allowed_hosts: Collection[str] = ()
    keys: Mapping[str, Collection[str]] = field(default_factory=dict)
    rate_limit: int | None = None
    rate_window: float = 60.0
    latency: float = 0.0
    pace: float = 0.0
    stream_delay: float = 0.0
    stream_impact: bool | None = None
    spurious_malformed: bool = False
    keepalive: float = 10.0
    max_requests_kept: int = 10_000
    max_bytes_kept: int = MAX_BYTES_KEPT
    max_body_bytes: int = MAX_BODY_BYTES
    upstream: str | None = None
    upstream_key: str | None = None

    def __post_init__(self) -> None:
        check_word("profile", self.profile, PROFILES)
        check_key("api_key", self.api_key)
        check_host("host", self.host)
        check_whole("port", self.port, 0, 65_535)
        check_names("allowed_hosts", self.allowed_hosts)
        check_keys("keys", self.keys)
        if self.rate_limit is not None:
            check_whole("rate_limit", self.rate_limit, 0)
        check_seconds("rate_window", self.rate_window)
        check_seconds("latency", self.latency)
        check_number("pace", self.pace, _SLOWEST)
        check_seconds("stream_delay", self.stream_delay)
        if self.stream_impact is not None:
            check_flag("stream_impact", self.stream_impact)
        check_flag("spurious_malformed", self.spurious_malformed)
        check_seconds("keepalive", self.keepalive)
        for name in ("rate_window", "keepalive"):
            if not getattr(self, name):
                refuse(name, "more than 0 seconds")
        for name in ("max_requests_kept", "max_bytes_kept", "max_body_bytes"):
            check_whole(name, getattr(self, name), 0)
        if self.upstream is not None:
            check_url("upstream", self.upstream)
        if self.upstream_key is not None:
            check_key("upstream_key", self.upstream_key)
            if self.upstream is None:
                raise InvalidArgumentError("upstream_key needs upstream", param="upstream_key")


class Service:
    """What the routes work with: profile, keys, limits, faults, and what was seen so far."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.profile: Profile = PROFILES[settings.profile]
        self.keys = KeyRing(settings.api_key, settings.keys)
        limit = UNLIMITED if settings.rate_limit is None else settings.rate_limit
        self.limiter = RateLimiter(limit, settings.rate_window)
        self.faults = Faults()
        self.replies = Replies()
        self.requests = RequestLog(settings.max_requests_kept, settings.max_bytes_kept)
        self.prefixes = PrefixCache()
        self.crowd = Crowd(refuses=settings.spurious_malformed)
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
        """Forget requests, faults, replies, counts and caches."""
        self.requests.clear()
        self.faults.clear()
        self.replies.clear()
        self.limiter.reset()
        self.prefixes.clear()
        self.crowd.clear()
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
    from melious_sandbox.upstream import Upstream  # noqa: PLC0415 - brings the whole HTTP client

    return Upstream(settings.upstream, settings.upstream_key, profile)
