"""Another server that answers instead: chat and embeddings forwarded to anything OpenAI-compatible."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, TypeVar

import httpx
from pydantic_core import from_json

from melious_sandbox.service.errors import ClientGoneError, SandboxError
from melious_sandbox.service.hosts import is_loopback
from melious_sandbox.service.profiles import Profile, Reason
from melious_sandbox.service.responses import COMMENT, DONE, JSON_TYPE, EventsResponse, event, json_bytes

LastChunk = Callable[[list[dict[str, Any]]], dict[str, Any]]
"""Gives what the last chunk of a stream carries besides, from all chunks."""

_Result = TypeVar("_Result")

_DONE_DATA = b"[DONE]"
_OWN_FIELDS = frozenset({"preset", "filters", "mode", "custom_weights"})
_OWN_EXTENSIONS = frozenset({"environment_impact", "billing_cost"})
_REASONS: Mapping[int, Reason] = {
    HTTPStatus.TOO_MANY_REQUESTS: "provider_rate_limit",
    HTTPStatus.REQUEST_TIMEOUT: "upstream_timeout",
    HTTPStatus.GATEWAY_TIMEOUT: "upstream_timeout",
}
_CONNECT_SECONDS = 10.0
_ANSWER_SECONDS = 300.0
_REACH_SECONDS = 3.0


class Upstream:
    """A client of the server behind the sandbox."""

    def __init__(self, url: str, key: str | None, profile: Profile) -> None:
        self._url = httpx.URL(url)
        self._profile = profile
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._client: httpx.AsyncClient | None = None

    async def answer(
        self, path: str, body: Mapping[str, Any], model: str, gone: asyncio.Event
    ) -> dict[str, Any]:
        """Forward a request to ``path`` under the base URL and give the JSON of the answer."""
        response = await self._send(path, body, model, gone, stream=False)
        try:
            found = from_json(response.content)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise SandboxError("provider_error", "The upstream server did not answer with JSON.")
        return _plain(found) | {"model": model}

    async def stream(
        self,
        path: str,
        body: Mapping[str, Any],
        model: str,
        keepalive: float,
        last: LastChunk,
        gone: asyncio.Event,
    ) -> EventsResponse:
        """Forward a request for a stream and give the events of the answer once it has begun."""
        response = await self._send(path, body, model, gone, stream=True)
        _, broken = SandboxError("provider_error").render(self._profile)
        events = _events(response, model, keepalive, last, event(broken), gone)

        async def close() -> None:
            await events.aclose()
            # A generator that never began does not clean up.
            await response.aclose()

        return EventsResponse(events, close=close)

    async def close(self) -> None:
        """Close the connections to the server."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _send(
        self, path: str, body: Mapping[str, Any], model: str, gone: asyncio.Event, *, stream: bool
    ) -> httpx.Response:
        client = self._http()
        base, mark, query = self._url.raw_path.partition(b"?")
        fields = {name: value for name, value in body.items() if name not in _OWN_FIELDS}
        request = client.build_request(
            "POST",
            self._url.copy_with(raw_path=base.rstrip(b"/") + path.encode() + mark + query),
            content=json_bytes(fields | {"model": model}),
            headers={"content-type": JSON_TYPE},
        )
        try:
            response = await _unless(gone, client.send(request, stream=stream))
        except httpx.TimeoutException:
            raise SandboxError("upstream_timeout") from None
        except httpx.HTTPError as error:
            raise SandboxError("provider_error", f"The upstream server failed: {error}") from None
        if not response.is_success:
            raise _refusal(response.status_code, await _rest(response, gone), model)
        return response

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                headers=self._headers,
                timeout=httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS),
                # A proxy could not reach a server on this machine.
                trust_env=not is_loopback(self._url.host),
                # What the server sets for one client must not come back with the request of another.
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            )
        return self._client


def unreachable(url: str) -> str | None:
    """Say why nothing answers at a URL; None if something does, with whatever status."""
    try:
        with httpx.stream("GET", url, timeout=_REACH_SECONDS, trust_env=not is_loopback(httpx.URL(url).host)):
            return None
    except httpx.HTTPError as error:
        return str(error) or type(error).__name__


async def _rest(refused: httpx.Response, gone: asyncio.Event) -> bytes:
    """Read the body of a refusal and close it; b"" where it breaks off, for its status says enough."""
    try:
        return await _unless(gone, refused.aread())
    except httpx.HTTPError:
        return b""
    finally:
        await refused.aclose()


async def _unless(gone: asyncio.Event, work: Coroutine[Any, Any, _Result]) -> _Result:
    """Wait for a response or its body; raise ClientGoneError once the client has disconnected."""
    request = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(gone.wait())
    try:
        await asyncio.wait({request, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not request.done():
            raise ClientGoneError
        return request.result()
    finally:
        request.cancel()
        leaving.cancel()
        await asyncio.gather(request, leaving, return_exceptions=True)


def _refusal(status: int, content: bytes, model: str) -> SandboxError:
    """Translate the server's refusal into one of the service."""
    message, code = _message(content)
    if status == HTTPStatus.NOT_FOUND:
        text = message or f"The model '{model}' does not exist."
        return SandboxError("model_not_found", text, param="model")
    if status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY):
        too_long = code == "context_length_exceeded" or "context length" in (message or "").lower()
        return SandboxError("context_length" if too_long else "malformed", message)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return SandboxError("payload_too_large", message)
    return SandboxError(_REASONS.get(status, "provider_error"))


def _message(content: bytes) -> tuple[str | None, str | None]:
    try:
        error = from_json(content)["error"]
        found = (error, None) if isinstance(error, str) else (error.get("message"), error.get("code"))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None, None
    message, code = (text if isinstance(text, str) else None for text in found)
    return message, code


async def _events(
    response: httpx.Response,
    model: str,
    keepalive: float,
    last: LastChunk,
    broken: bytes,
    gone: asyncio.Event,
) -> AsyncGenerator[bytes]:
    """Give each chunk one step late, so that the last one can carry more."""
    chunks: list[dict[str, Any]] = []
    payloads = _payloads(response)
    step = asyncio.ensure_future(_next(payloads))
    leaving = asyncio.ensure_future(gone.wait())
    try:
        while True:
            await asyncio.wait({step, leaving}, timeout=keepalive, return_when=asyncio.FIRST_COMPLETED)
            if gone.is_set():
                return
            if not step.done():
                yield COMMENT
                continue
            chunk = _chunk(step.result(), model)
            if chunk is not None:
                if chunks:
                    yield event(chunks[-1])
                chunks.append(chunk)
                step = asyncio.ensure_future(_next(payloads))
                continue
            done = step.result() == _DONE_DATA
            if chunks:
                yield event(chunks[-1] | last(chunks) if done else chunks[-1])
            yield DONE if done else broken
            return
    finally:
        step.cancel()
        leaving.cancel()
        await asyncio.gather(step, leaving, return_exceptions=True)
        await response.aclose()


def _chunk(data: bytes | None, model: str) -> dict[str, Any] | None:
    """Read one event; None where the stream is over, at its end, at an error or at anything but a chunk."""
    if data is None or data == _DONE_DATA:
        return None
    try:
        chunk = from_json(data)
    except ValueError:
        return None
    if not isinstance(chunk, dict) or "error" in chunk:
        return None
    return _plain(chunk) | ({"model": model} if "choices" in chunk else {})


def _plain(answer: Mapping[str, Any]) -> dict[str, Any]:
    """An answer without impact and bill, and with the service's name for the thinking."""
    plain = {name: value for name, value in answer.items() if name not in _OWN_EXTENSIONS}
    choices = plain.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        for name in ("message", "delta"):
            part = choice.get(name) if isinstance(choice, dict) else None
            # Ollama and newer versions of vLLM.
            if isinstance(part, dict) and "reasoning" in part:
                part.setdefault("reasoning_content", part.pop("reasoning"))
    return plain


async def _next(payloads: AsyncIterator[bytes]) -> bytes | None:
    """Give the next event's data, or None where the stream ends or breaks."""
    try:
        return await anext(payloads)
    except (StopAsyncIteration, httpx.HTTPError):
        return None


async def _payloads(response: httpx.Response) -> AsyncIterator[bytes]:
    """Give the data of each event; OpenAI-compatible servers write it on one line."""
    rest = b""
    async for part in response.aiter_bytes():
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield line.removeprefix(b"data:").strip()
