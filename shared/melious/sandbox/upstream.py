"""Another server that answers instead: chat and embeddings forwarded to anything OpenAI-compatible."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic_core import from_json

from melious.config import is_loopback
from melious.sandbox.errors import SandboxError
from melious.sandbox.profiles import Profile
from melious.sandbox.replies import DONE, event

LastChunk = Callable[[list[dict[str, Any]]], dict[str, Any]]
"""Gives what the last chunk of a stream carries besides, from all chunks."""

_COMMENT = b": keep-alive\n\n"
_DONE_DATA = b"[DONE]"
_OWN_FIELDS = frozenset({"preset", "filters", "mode", "custom_weights"})
_OWN_EXTENSIONS = frozenset({"environment_impact", "billing_cost"})
_CONNECT_SECONDS = 10.0
_ANSWER_SECONDS = 300.0


class Upstream:
    """A client of the server behind the sandbox.

    Args:
        url: Its base URL, with ``/v1`` where it has one.
        key: Its API key, where it wants one.
        profile: The words for an error inside a stream.
    """

    def __init__(self, url: str, key: str | None, profile: Profile) -> None:
        self._url = url.rstrip("/")
        self._profile = profile
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._client: httpx.AsyncClient | None = None

    async def answer(self, path: str, body: Mapping[str, Any], model: str) -> dict[str, Any]:
        """Forward a request and give the JSON of the answer.

        Raises:
            SandboxError: The server failed or refused.
        """
        try:
            response = await self._http().post(self._url + path, json=_forwarded(body, model))
        except httpx.TimeoutException:
            raise SandboxError("upstream_timeout") from None
        except httpx.HTTPError as error:
            raise SandboxError("provider_error", f"The upstream server failed: {error}") from None
        if not response.is_success:
            raise _refusal(response.status_code, response.content, model)
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
    ) -> AsyncGenerator[bytes]:
        """Forward a request for a stream and give the events of the answer once it has begun.

        Args:
            path: The endpoint's path under the base URL.
            body: The body of the request.
            model: The name of the model that the events carry.
            keepalive: Seconds of silence after which a comment is given.
            last: Gives what the last chunk carries besides, from all chunks.

        Raises:
            SandboxError: The server failed or refused before the first event.
        """
        client = self._http()
        request = client.build_request("POST", self._url + path, json=_forwarded(body, model))
        try:
            response = await client.send(request, stream=True)
        except httpx.TimeoutException:
            raise SandboxError("upstream_timeout") from None
        except httpx.HTTPError as error:
            raise SandboxError("provider_error", f"The upstream server failed: {error}") from None
        if not response.is_success:
            content = await response.aread()
            await response.aclose()
            raise _refusal(response.status_code, content, model)
        _, broken = SandboxError("provider_error").render(self._profile)
        return _events(response, model, keepalive, last, event(broken))

    async def close(self) -> None:
        """Close the connections to the server."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            timeout = httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS)
            # A proxy could not reach a server on this machine.
            here = is_loopback(urlsplit(self._url).hostname or "")
            self._client = httpx.AsyncClient(headers=self._headers, timeout=timeout, trust_env=not here)
        return self._client


def _forwarded(body: Mapping[str, Any], model: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in _OWN_FIELDS} | {"model": model}


def _refusal(status: int, content: bytes, model: str) -> SandboxError:
    """Say the server's refusal in the words of the service."""
    message, code = _message(content)
    match status:
        case HTTPStatus.NOT_FOUND:
            text = message or f"The model '{model}' does not exist."
            return SandboxError("model_not_found", text, param="model")
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return SandboxError("payload_too_large", message)
        case HTTPStatus.TOO_MANY_REQUESTS:
            return SandboxError("provider_rate_limit")
        case HTTPStatus.REQUEST_TIMEOUT | HTTPStatus.GATEWAY_TIMEOUT:
            return SandboxError("upstream_timeout")
        case HTTPStatus.BAD_REQUEST | HTTPStatus.UNPROCESSABLE_ENTITY:
            too_long = code == "context_length_exceeded" or "context length" in (message or "").lower()
            return SandboxError("context_length" if too_long else "malformed", message)
        case _:
            return SandboxError("provider_error")


def _message(content: bytes) -> tuple[str | None, str | None]:
    try:
        error = from_json(content)["error"]
        return (error, None) if isinstance(error, str) else (error.get("message"), error.get("code"))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None, None


async def _events(
    response: httpx.Response, model: str, keepalive: float, last: LastChunk, broken: bytes
) -> AsyncGenerator[bytes]:
    """Give each chunk one step late, so that the last one can carry more."""
    chunks: list[dict[str, Any]] = []
    payloads = _payloads(response)
    step = asyncio.ensure_future(_next(payloads))
    try:
        while True:
            await asyncio.wait({step}, timeout=keepalive)
            if not step.done():
                yield _COMMENT
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
        await asyncio.gather(step, return_exceptions=True)
        await response.aclose()


def _chunk(data: bytes | None, model: str) -> dict[str, Any] | None:
    """Read one event; None where the stream is over: at its end, at an error, at what is no chunk."""
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
    """An answer without impact and bill, which it may carry too, and with the service's word for thoughts."""
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
