"""Performs what an exchange asks for, with blocking calls; nothing is decided here."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Generator, Iterator
from typing import Any, TypeVar

from melious import forks
from melious.exchange.effects import Effect, Notify, ReadBody, ReadSome, Send, Sleep
from melious.exchange.exchange import Exchange, streamed, whole
from melious.exchange.opened import OpenStream, lost, stream_error
from melious.exchange.request import Otherwise, Request, Response
from melious.exchange.retry import Phase
from melious.http._sync import sharing as sync_registry
from melious.http._sync.borrowed import SyncClientAnswer, SyncClientSender
from melious.http._sync.pool import SyncAnswer, SyncPool
from melious.http.callbacks import no_coroutine
from melious.http.driver import DriverBase, LineBase, StreamEnd
from melious.http.frames import CleanInterruption
from melious.settings.config import ClientConfig
from melious.wire.compression import Collected, decoded

T = TypeVar("T")


class SyncDriver(DriverBase):
    """Makes the calls of one client, from any thread."""

    def __init__(self, config: ClientConfig, http_client: Any = None) -> None:
        super().__init__(config, http_client)
        self._injected = None if http_client is None else SyncClientSender(http_client)
        self._lock = forks.new_lock()
        self._hold: sync_registry.SyncHold | None = None
        self._finalizer: weakref.finalize[..., Any] | None = None

    def call(self, request: Request) -> Response:
        """Make a call and give its whole answer.

        Raises:
            MeliousError: The call failed for good.
        """
        line = _Line(self, request)
        try:
            return line.run(whole(request, self.policy(request.endpoint)))
        finally:
            line.close()

    def open(
        self, request: Request, on_end: StreamEnd
    ) -> tuple[OpenStream, Generator[dict[str, Any]], Callable[[], None]]:
        """Make a call whose answer streams; gives how it began, its chunks, and what closes its connection.

        Raises:
            MeliousError: The call failed before its first chunk.
        """
        line = _Line(self, request)
        try:
            opened = line.run(streamed(request, self.policy(request.endpoint)))
        except BaseException:
            line.close()
            raise
        if request.replay is not None:
            line.close()  # the answer is here: its connection is free while it is handed out
        chunks = line.chunks(opened, on_end)
        next(chunks)
        return opened, chunks, line.close

    def sender(self) -> SyncPool | SyncClientSender:
        """What sends: the caller's client, or the pool that this process shares."""
        if self._injected is not None:
            return self._injected
        hold = self._hold
        if hold is None or hold.generation != forks.generation():
            hold = self._take_hold()
        return hold.pool

    def _take_hold(self) -> sync_registry.SyncHold:
        with self._lock:
            hold = self._hold
            if hold is None or hold.generation != forks.generation():
                hold = self._hold = sync_registry.hold(self.envelope.origin)
                self._finalizer = weakref.finalize(self, sync_registry.drop, hold)
                self._finalizer.atexit = False
            return hold

    def close(self) -> None:
        """Give the share in the pool back; a later call takes a new one."""
        with self._lock:
            hold, self._hold = self._hold, None
            if self._finalizer is not None:
                self._finalizer.detach()
        if hold is not None and hold.generation == forks.generation():
            sync_registry.close(hold)


class _Line(LineBase):
    """One call on its way, over blocking I/O."""

    def __init__(self, driver: SyncDriver, request: Request) -> None:
        super().__init__(driver, request)
        self._sender = driver.sender()
        self._answer: SyncAnswer | SyncClientAnswer | None = None
        self._body: Iterator[bytes] = iter(())

    def run(self, plan: Exchange[T]) -> T:
        """Perform what a plan asks for, to its end."""
        result: Any = None
        try:
            with CleanInterruption():
                while True:
                    try:
                        effect = plan.send(result)
                    except StopIteration as done:
                        return done.value  # type: ignore[no-any-return]
                    result = self._perform(effect)
        finally:
            plan.close()

    def _perform(self, effect: Effect) -> Any:
        if isinstance(effect, Send):
            return self._send(effect)
        if isinstance(effect, Sleep):
            self.close()
            return time.sleep(effect.seconds)
        if isinstance(effect, Notify):
            self.close()
            return no_coroutine("on_retry", self.retrying(effect.event))
        if isinstance(effect, Otherwise):
            self.close()
            return self.instead(effect)
        try:
            if isinstance(effect, ReadBody):
                return self._read_all(effect)
            assert isinstance(effect, ReadSome)  # noqa: S101 - there is no other effect
            return self.first(next((data for data in self._body if data), b""))
        except Exception as error:  # noqa: BLE001 - raised on if it is not the transport's
            problem = error
        return self.failed(problem, Phase.ANSWER)

    def _send(self, effect: Send) -> Any:
        self.close()
        answer, error = self._sender.send(self.begin(effect), self.clock)
        if error is not None:
            return self.failed(error, Phase.SENT)
        assert answer is not None  # noqa: S101 - no error, so an answer
        self._answer = answer
        head = self.head(answer.status, answer.headers)
        self._body = decoded(self.decoder, answer) if self.decoder else iter(answer)
        return head

    def _read_all(self, effect: ReadBody) -> bytes:
        collected = Collected(effect.limit, cut=effect.cut)
        for data in self._body:
            if collected.add(data):
                break
        return self.whole(effect, collected)

    def chunks(self, opened: OpenStream, on_end: StreamEnd) -> Generator[dict[str, Any]]:
        """The chunks of an open stream. Once advanced, it owns the connection, whatever happens."""
        with CleanInterruption():
            parser = opened.parser
            complete = False
            try:
                yield {}
                yield from opened.first
                self.clock.until = parser.resume()
                failure: Exception | None = None
                try:
                    if not parser.ended:
                        for data in self._body:
                            chunks = parser.feed(data)
                            if chunks:
                                yield from chunks
                                self.clock.until = parser.resume()
                            if parser.ended:
                                break
                        else:
                            yield from parser.close()
                except Exception as error:  # noqa: BLE001 - raised on if it is not the transport's
                    failure = error
                if failure is not None:
                    yield from lost(opened, self.failed(failure, Phase.ANSWER))
                if parser.done and self._answer is not None:
                    self._drain(self._answer)
                problem = stream_error(opened, time.monotonic())
                if problem is not None:
                    raise problem
                complete = True
            finally:
                self._end(opened, on_end, complete)

    def _end(self, opened: OpenStream, on_end: StreamEnd, complete: bool) -> None:  # noqa: FBT001
        try:
            self.close()
        except BaseException:
            on_end(opened, False)
            raise
        on_end(opened, complete)

    def _drain(self, answer: SyncAnswer | SyncClientAnswer) -> None:
        """Read what is left of an answer that is whole; that it breaks off there is nothing."""
        problem: Exception | None = None
        try:
            answer.drain(self._body)
        except Exception as error:  # noqa: BLE001 - raised on if it is not the transport's
            problem = error
        if problem is not None:
            self.failed(problem, Phase.ANSWER)

    def close(self) -> None:
        """Be done with the answer of the last attempt."""
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.close()
