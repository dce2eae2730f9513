"""The sandbox as an object: starts and stops the server, and gives access to what it does and saw."""

import secrets
from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Self

from melious_sandbox.app import build_app
from melious_sandbox.server.listener import Listener
from melious_sandbox.service.batches import Batches
from melious_sandbox.service.checks import known_arguments
from melious_sandbox.service.faults import Faults
from melious_sandbox.service.hosts import reachable
from melious_sandbox.service.profiles import ProfileName
from melious_sandbox.service.records import MAX_BYTES_KEPT, RequestLog
from melious_sandbox.service.replies import Replies
from melious_sandbox.service.state import DEFAULT_KEY, MAX_BODY_BYTES, Service, Settings


def random_key() -> str:
    """Make up a key."""
    return f"sk-mel-{secrets.token_hex(16)}"


@known_arguments
class Sandbox:
    """A local server that speaks the wire of Melious, without a key or a network.

    It runs in a thread of its own. Answers are computed from the request, so the same request gets the same
    answer; nothing in it is a language model. A page at ``page_url`` shows the requests as they come.

    Args:
        profile: The generation of the service to speak like: ``live``, ``g1`` or ``g2``.
        api_key: The key that may do everything. None: ``sk-mel-sandbox``, or with ``upstream`` a random one.
        host: Address to bind. Bound to this machine, as by default, requests that name another host, or come
            from a web page of another, get 403. Whoever can reach the address sees the page, with all
            requests and answers.
        port: Port to bind; 0 takes a free one.
        allowed_hosts: Further hosts that requests may name, without a port, such as ``host.docker.internal``.
            Bound to another address every host may be named, unless some are given here: then only these and
            this machine.
        keys: Further keys, each with its scopes (``inference.chat``, ``kit.*``, ``*``; none means all).
        rate_limit: Requests per window, 0 or more; None for a limit too high to be met.
        rate_window: Length of the rate-limit window in seconds.
        page_limit: How many pages of documents may be converted until ``reset``, 0 or more; further ones get
            the error of a used-up day. None for no limit, as keys have none.
        latency: Seconds before each answer.
        pace: How slowly chat answers are written: at 1 by each provider's own tokens per second, so that
            routing shows in the time; at 0.5 twice as fast, at 0 at once.
        stream_delay: Seconds between two events of a stream.
        stream_impact: Whether the last chunk of a stream carries impact and bill; None leaves it to the
            profile.
        spurious_malformed: Whether every second chat request that overlaps with another gets the 400
            "malformed" that the live service gives under concurrency; sent again, it passes.
        keepalive: Seconds of silence in a stream after which a comment line is sent.
        max_requests_kept: How many requests ``requests`` keeps.
        max_bytes_kept: How much memory they may take, in bytes, 64 MiB by default. Beyond it the oldest lose
            their bodies; one body may take a sixteenth of it. For the page, the first 32 KiB of the last 100
            answers are kept besides, which together take at most a sixteenth of it.
        max_body_bytes: How large the body of a request may be, in bytes, 64 MiB by default; a larger one gets
            413. Without a valid key, at most 64 KiB are read, and dropped.
        batch_pace: Lines per second of each batch; None runs them at once. ``batches`` holds them and lets
            them go on.
        upstream: Base URL of an OpenAI-compatible server that answers chat and embeddings instead, such as
            ``http://127.0.0.1:11434/v1`` (Ollama), ``:8000/v1`` (vLLM) or ``:8080/v1`` (llama.cpp). It gets
            the model's name without the flavor, and may have models that the catalogue does not know.
            Everything else stays the sandbox's; impact and bill are computed from the server's token counts,
            or from the sandbox's own where it gives none.
        upstream_key: Key for that server, if it wants one.

    Raises:
        InvalidArgumentError: An argument is unknown or cannot be used; a ``ValueError`` too.

    Examples:
        >>> import urllib.request
        >>> with Sandbox() as sandbox:
        ...     request = urllib.request.Request(
        ...         f"{sandbox.base_url}/models", headers={"authorization": f"Bearer {sandbox.api_key}"}
        ...     )
        ...     status = urllib.request.urlopen(request).status
        ...     seen = sandbox.requests[0].path
        >>> status, seen
        (200, '/v1/models')
    """

    def __init__(
        self,
        profile: ProfileName = "live",
        *,
        api_key: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        allowed_hosts: Collection[str] = (),
        keys: Mapping[str, Collection[str]] | None = None,
        rate_limit: int | None = None,
        rate_window: float = 60.0,
        page_limit: int | None = None,
        latency: float = 0.0,
        pace: float = 0.0,
        stream_delay: float = 0.0,
        stream_impact: bool | None = None,
        spurious_malformed: bool = False,
        keepalive: float = 10.0,
        max_requests_kept: int = 10_000,
        max_bytes_kept: int = MAX_BYTES_KEPT,
        max_body_bytes: int = MAX_BODY_BYTES,
        batch_pace: float | None = None,
        upstream: str | None = None,
        upstream_key: str | None = None,
    ) -> None:
        self._settings = Settings(
            profile=profile,
            api_key=(random_key() if upstream else DEFAULT_KEY) if api_key is None else api_key,
            host=host,
            port=port,
            allowed_hosts=allowed_hosts,
            keys={} if keys is None else keys,
            rate_limit=rate_limit,
            rate_window=rate_window,
            page_limit=page_limit,
            latency=latency,
            pace=pace,
            stream_delay=stream_delay,
            stream_impact=stream_impact,
            spurious_malformed=spurious_malformed,
            keepalive=keepalive,
            max_requests_kept=max_requests_kept,
            max_bytes_kept=max_bytes_kept,
            max_body_bytes=max_body_bytes,
            batch_pace=batch_pace,
            upstream=upstream,
            upstream_key=upstream_key,
        )
        self._service = Service(self._settings)
        self._listener: Listener | None = None

    @property
    def profile(self) -> ProfileName:
        """The generation that the sandbox speaks."""
        return self._settings.profile

    @property
    def api_key(self) -> str:
        """The key that may do everything."""
        return self._settings.api_key

    @property
    def base_url(self) -> str:
        """The base URL for clients on this machine, ``http://127.0.0.1:PORT/v1``."""
        host = reachable(self._settings.host)
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self._running().port}/v1"

    @property
    def page_url(self) -> str:
        """The address of the page that shows the requests, for a browser; it wants no key."""
        return self.base_url.removesuffix("v1")

    @property
    def requests(self) -> RequestLog:
        """The requests seen so far, oldest first."""
        return self._service.requests

    @property
    def faults(self) -> Faults:
        """The faults that wait for requests; ``add`` some, or ``clear`` them."""
        return self._service.faults

    @property
    def replies(self) -> Replies:
        """The scripted replies that wait for requests; ``add`` some, or ``clear`` them."""
        return self._service.replies

    @property
    def batches(self) -> Batches:
        """The batches; ``hold`` them, let them ``step`` on, ``release`` or ``expire`` them."""
        return self._service.batches

    @property
    def open_connections(self) -> int:
        """How many connections clients hold right now."""
        return self._running().open_connections

    def start(self) -> Self:
        """Start the server; returns once it takes requests.

        Raises:
            OSError: The address is taken, or does not belong to this machine.
        """
        if self._listener is None:
            settings = self._settings
            listener = Listener(build_app(self._service), settings.host, settings.port, self._service.close)
            listener.start()
            self._listener = listener
        return self

    def stop(self) -> None:
        """Stop the server, drop its connections and end its thread; a second call does nothing."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.stop()

    def reset(self) -> None:
        """Forget requests, waiting faults and replies, batches, the rate limit's counts, the prefix cache."""
        self._service.reset()

    def _running(self) -> Listener:
        if self._listener is None:
            raise RuntimeError("the sandbox is not running; use it in a with block, or call start()")
        return self._listener

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        where = "stopped" if self._listener is None else self.base_url
        return f"<Sandbox {self.profile} {where}>"
