"""The state of one call's batches: which is sent next, and what ends the call.

The runner performs what a `BatchRun` decides, with threads or with tasks. After a failure nothing further is
sent, requests under way end and are counted, and the first error is raised.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from concurrent.futures import CancelledError
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from melious.answers.results import Result
from melious.clients.record import UsageRecorder
from melious.errors import APIStatusError, MeliousError

if TYPE_CHECKING:
    from melious.endpoints.splitting import Batch, BatchPlan
    from melious.exchange.request import Request, Response

R = TypeVar("R", bound=Result)


@dataclass(frozen=True, slots=True, eq=False)
class Sending:
    """A batch under way: its request, and the record of its call."""

    batch: Batch
    request: Request
    record: UsageRecorder


class BatchRun(Generic[R]):
    """One call under way. All its methods are called in one thread or task.

    Attributes:
        plan: Decides about each batch.
        at_a_time: The most batches under way; 1 means the caller's own thread or task.
    """

    def __init__(self, plan: BatchPlan[R]) -> None:
        self.plan = plan
        self.at_a_time = 1
        self._waiting: deque[Batch] = deque()
        self._under_way: set[Sending] = set()
        self._failure: BaseException | None = None

    def start(self, batches: Iterable[Batch]) -> None:
        """Take batches to send. Splitting them does not raise the number of concurrent requests."""
        self._waiting.extend(batches)
        self.at_a_time = max(1, min(self.plan.max_concurrency, len(self._waiting)))

    def next(self) -> Sending | None:
        """Start the next batch, if one may be sent now."""
        if self._failure is not None or not self._waiting or len(self._under_way) >= self.at_a_time:
            return None
        batch = self._waiting.popleft()
        try:
            request = self.plan.request(batch, partial(self._ends, batch))
        except Exception as error:  # noqa: BLE001 - raised once what is under way has ended
            self.fail(error)
            return None
        sending = Sending(batch, request, UsageRecorder(request).begin())
        self._under_way.add(sending)
        return sending

    def _ends(self, batch: Batch, error: MeliousError | None) -> bool:
        """Whether a batch must not be retried: the call has failed, or other batches can replace it."""
        if self._failure is not None:
            return True
        return isinstance(error, APIStatusError) and self.plan.can_replace(batch, error)

    def ended(self, sending: Sending, answer: Response | BaseException) -> Result | None:
        """Take the answer or the error of a batch and report it.

        Returns:
            The answer for `on_answer`, if there is one.
        """
        self._under_way.discard(sending)
        try:
            outcome = self.plan.outcome(sending.batch, answer)
        except BaseException as error:
            sending.record.failed(error)
            raise
        if outcome.answer is not None:
            sending.record.answered(outcome.answer)
            return outcome.answer
        assert outcome.error is not None  # noqa: S101 - there is no answer
        sending.record.failed(outcome.error)
        if outcome.replacements:
            self._waiting.extendleft(reversed(outcome.replacements))
        else:
            self.fail(outcome.error)
        return None

    def progress(self) -> object:
        """Call `on_progress`, unless the call has failed; see `BatchPlan.progress`."""
        return None if self._failure is not None else self.plan.progress()

    def fail(self, error: BaseException) -> None:
        """Let the call fail; only the first error counts."""
        if self._failure is None:
            self._failure = error
            self._waiting.clear()

    def check(self) -> None:
        """Raise the error of the call, if it has failed."""
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Report what is still under way as failed, and release what other calls may wait for."""
        for sending in self._under_way:
            sending.record.failed(self._failure or CancelledError())
        self._under_way.clear()
        self.plan.release()
