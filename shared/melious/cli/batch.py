"""`melious batch`: requests in a file of JSON lines, submitted, watched and read."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, Any

from melious import BatchJob, BatchResult, MeliousClient
from melious.cli.files import check_writable
from melious.clients.progress import line_of
from melious.endpoints.batch_lines import CHAT
from melious.errors import InvalidArgumentError, MeliousError


def run_batch(options: argparse.Namespace) -> int:
    """Run a command about batches; gives the exit status: 1 if a request failed.

    Raises:
        MeliousError: It cannot be done.
    """
    _check_out(options)
    with MeliousClient(base_url=options.base_url, allow_insecure_http=options.allow_insecure_http) as client:
        if options.action == "submit":
            job = _submitted(client, options)
            sys.stdout.write(f"{job.id}\n")
            sys.stdout.flush()
            if not options.wait:
                return 0
            job.wait(progress=True)
            return _write_results(job, options.out) if options.out else _tell(job, ended=True)
        job = client.batches.resume(options.id)
        if options.action == "cancel":
            return _tell(job.cancel())
        if options.action == "status":
            return _tell(job)
        if not job.done:
            if not options.wait:
                raise MeliousError(
                    f"{job.id} has not ended: {_state(job)}", advice="Add --wait to wait for it"
                )
            job.wait(progress=True)
        return _write_results(job, options.out)


def _submitted(client: MeliousClient, options: argparse.Namespace) -> BatchJob:
    with _opened(options.file) as file:
        lines = _Requests(file, options.file)
        first = next(lines, None)
        given = () if first is None else (first,)
        endpoint = options.endpoint or (isinstance(first, dict) and first.get("url")) or CHAT
        try:
            return client.batches.submit(chain(given, lines), endpoint=endpoint, reuse=not options.again)
        except InvalidArgumentError as error:
            raise lines.placed(error) from error.__cause__


def _check_out(options: argparse.Namespace) -> None:
    """Fail before anything is sent where the results could not be written."""
    out = getattr(options, "out", None)
    if out is None:
        return
    if options.action == "submit" and not options.wait:
        raise InvalidArgumentError("--out: there are no results to write without --wait")
    check_writable("--out", out)


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    if path == "-":
        yield sys.stdin.buffer
        return
    try:
        with Path(path).open("rb") as file:
            yield file
    except OSError as error:
        raise InvalidArgumentError(f"{path}: cannot be read: {error.strerror}") from error


class _Requests(Iterator[dict[str, Any]]):
    """The requests of a file, which are taken, and checked, one at a time."""

    def __init__(self, file: IO[bytes], path: str) -> None:
        self._lines = enumerate(file, start=1)
        self._path = "standard input" if path == "-" else path
        self._number = 0

    def __next__(self) -> dict[str, Any]:
        while True:
            self._number, line = next(self._lines)
            if line.strip():
                break
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise InvalidArgumentError(f"{self._path}: line {self._number} is not a JSON object")
        return found

    def placed(self, error: InvalidArgumentError) -> InvalidArgumentError:
        """The error with the line of the file, where it is about the request that was taken last."""
        message, count = re.subn(
            r"^requests\[\d+\]: ", lambda _: f"{self._path}: line {self._number}: ", error.message
        )
        if not count:
            message = re.sub(r"^requests: ", lambda _: f"{self._path}: ", error.message)
        return InvalidArgumentError(message, param=error.param, advice=error.advice or None)


def _state(job: BatchJob) -> str:
    return line_of(job.status, job.counts)


def _tell(job: BatchJob, *, ended: bool = False) -> int:
    """Say how far it is; where it has ended, status 1 says that requests failed."""
    sys.stdout.write(f"{job.id}: {_state(job)}\n")
    failed = bool(job.counts.failed) or not all(batch.succeeded for batch in job.batches)
    return int(ended and failed)


def _write_results(job: BatchJob, path: str | None) -> int:
    """Write a line for each request, to a file that is there once it is whole."""
    if path is None:
        failed = _write(job, sys.stdout)
    else:
        part = Path(f"{path}.part")
        try:
            with part.open("w", encoding="utf-8") as out:
                failed = _write(job, out)
            part.replace(path)
        except OSError as error:
            raise InvalidArgumentError(f"--out: {path} cannot be written: {error.strerror}") from error
    if failed:
        sys.stderr.write(f"{failed:,} requests failed\n" if failed > 1 else "1 request failed\n")
    return int(failed > 0)


def _write(job: BatchJob, out: IO[str]) -> int:
    failed = 0
    for result in job:
        failed += result.error is not None
        out.write(json.dumps(_line(result)) + "\n")
    return failed


def _line(result: BatchResult) -> dict[str, Any]:
    error = result.error
    if error is None:
        return {"custom_id": result.custom_id, "answer": result.answer.raw, "error": None}
    about = {
        "class": type(error).__name__,
        "message": error.message,
        "status_code": error.status_code,
        "code": error.code,
        "request_id": error.request_id,
    }
    return {"custom_id": result.custom_id, "answer": None, "error": about}
