"""One exchange with the index: how long it took, how it ended, and whose trace it belongs to.

Of a read the answer's head is its end: what comes behind it goes at the pace of whoever reads it. Of an upload it is
the whole answer. This room knows nothing of what was asked.
"""

import time
from asyncio import CancelledError
from collections.abc import Callable
from enum import StrEnum
from types import TracebackType
from typing import Final, Self

from authproxy.backend.spans import CURRENT, Span, onward


class Kind(StrEnum):
    """What is exchanged."""

    READ = "read"
    CHANGE = "change"  # a delete, a push, a setting
    UPLOAD = "upload"


class Result(StrEnum):
    """How it ended."""

    ANSWERED = "answered"  # whatever the index said, short of a failure of its own
    ERROR = "error"  # a status of 500 or more
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"  # no connection, or one that broke off
    GIVEN_UP = "given-up"  # by the client, before an answer came


# Called with what it was, how it ended, and how many seconds it took.
Observe = Callable[[Kind, Result, float], object]

_SERVER_ERROR: Final = 500


def nobody(_kind: Kind, _result: Result, _seconds: float) -> None:
    """Count nothing: the command line asks the index without a listener for metrics."""


class Exchange:
    """One exchange, as a context. Set `status` when the answer has come."""

    __slots__ = ("_kind", "_observe", "_span", "_started", "status")

    def __init__(self, kind: Kind, observe: Observe) -> None:
        self._kind = kind
        self._observe = observe
        self._span: Span | None = None
        self._started = 0.0
        self.status = 0

    def __enter__(self) -> Self:
        current = CURRENT.get()
        if current is not None:
            self._span = current.child(f"index {self._kind}")
        self._started = time.perf_counter()
        return self

    @property
    def headers(self) -> dict[str, str]:
        """What the index is told besides."""
        return onward(self._span)

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        result = self._result(exc)
        self._observe(self._kind, result, time.perf_counter() - self._started)
        if self._span is not None:
            self._span.tell(result=result, status=self.status)
            self._span.end(failed=result is not Result.ANSWERED)

    def _result(self, exc: BaseException | None) -> Result:
        if exc is None:
            return Result.ERROR if self.status >= _SERVER_ERROR else Result.ANSWERED
        if isinstance(exc, TimeoutError):
            return Result.TIMEOUT
        return Result.GIVEN_UP if isinstance(exc, CancelledError | GeneratorExit) else Result.UNREACHABLE
