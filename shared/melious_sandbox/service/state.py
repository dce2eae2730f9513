"""The state of one running sandbox, which every request shares."""

from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from melious.errors import InvalidArgumentError
from melious_sandbox.service import checks
from melious_sandbox.service.batches import Batches
from melious_sandbox.service.faults import Faults
from melious_sandbox.service.files import FileStore
from melious_sandbox.service.limits import UNLIMITED, KeyRing, OverlapRefusals, RateLimiter
from melious_sandbox.service.pages import PageCounter
from melious_sandbox.service.prefix_cache import PrefixCache
from melious_sandbox.service.profiles import PROFILES, Profile, ProfileName
from melious_sandbox.service.records import RequestLog
from melious_sandbox.service.replies import Replies

if TYPE_CHECKING:
    from melious_sandbox.service.upstream import Upstream

DEFAULT_KEY = "sk-mel-sandbox"
MAX_BODY_BYTES = 64 * 1024 * 1024

_PICTURES_KEPT = 64
_SLOWEST = 1_000.0
_FASTEST = 1_000_000.0

Count = Annotated[int, checks.whole(0)]
Seconds = Annotated[float, checks.seconds]
PositiveSeconds = Annotated[float, checks.positive_seconds]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The arguments of ``Sandbox``, checked."""

    profile: ProfileName
    api_key: Annotated[str, checks.key]
    host: Annotated[str, checks.host]
    port: Annotated[int, checks.whole(0, 65_535)]
    allowed_hosts: Annotated[Collection[str], checks.hosts]
    keys: Annotated[Mapping[str, Collection[str]], checks.keys]
    rate_limit: Annotated[int | None, checks.whole(0)]
    rate_window: PositiveSeconds
    page_limit: Annotated[int | None, checks.whole(0)]
    latency: Seconds
    pace: Annotated[float, checks.number(_SLOWEST)]
    stream_delay: Seconds
    stream_impact: bool | None
    spurious_malformed: bool
    keepalive: PositiveSeconds
    max_requests_kept: Count
    max_bytes_kept: Count
    max_body_bytes: Count
    batch_pace: Annotated[float | None, checks.number(_FASTEST, " of lines per second", zero=False)]
    upstream: Annotated[str | None, checks.url]
    upstream_key: Annotated[str | None, checks.key]

    def __post_init__(self) -> None:
        checks.check_fields(self)
        if self.upstream_key is not None and self.upstream is None:
            raise InvalidArgumentError("upstream_key needs upstream", param="upstream_key")


class Service:
    """What the routes work with: profile, keys, limits, faults, and what was seen so far."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.profile: Profile = PROFILES[settings.profile]
        self.keys = KeyRing(settings.api_key, settings.keys)
        limit = UNLIMITED if settings.rate_limit is None else settings.rate_limit
        self.limiter = RateLimiter(limit, settings.rate_window)
        self.pages = PageCounter(settings.page_limit)
        self.faults = Faults()
        self.replies = Replies()
        self.requests = RequestLog(settings.max_requests_kept, settings.max_bytes_kept)
        self.prefix_cache = PrefixCache()
        self.overlap = OverlapRefusals(refuses=settings.spurious_malformed)
        self.upstream = _upstream(settings, self.profile)
        self.files = FileStore()
        self.batches = Batches(settings.batch_pace)
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
        self.batches.clear()
        await self.batches.close()
        self.files.clear()
        if self.upstream is not None:
            await self.upstream.close()

    def reset(self) -> None:
        """Forget requests, faults, replies, counts and caches."""
        self.requests.clear()
        self.faults.clear()
        self.replies.clear()
        self.limiter.reset()
        self.pages.reset()
        self.prefix_cache.clear()
        self.overlap.reset()
        self._pictures.clear()
        self.batches.clear()
        self.files.forget()


def without_secrets(url: str | None) -> str:
    """Give a URL without user, password and query; "" for None."""
    if url is None:
        return ""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _upstream(settings: Settings, profile: Profile) -> "Upstream | None":
    if settings.upstream is None:
        return None
    from melious_sandbox.service.upstream import Upstream  # noqa: PLC0415 - brings the whole HTTP client

    return Upstream(settings.upstream, settings.upstream_key, profile)
