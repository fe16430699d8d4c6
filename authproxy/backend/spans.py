"""The step that is being taken for the request that is being answered: what a log line and the index are told of it.

A step is ambient, since it is nobody's argument: whoever writes a line, or a request to the index, on behalf of a
client finds it here. Nothing is decided by it. Whether steps are recorded anywhere is not known here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Protocol

from authproxy.domain.traces import Trace, write_trace

HEADER: Final = "traceparent"


class Span(Protocol):
    """One step, its beginning told and its end not yet."""

    @property
    def trace(self) -> Trace:
        """Where it stands."""
        ...

    def child(self, name: str) -> "Span":
        """Begin a step within this one. `name` is a word of ours."""
        ...

    def tell(self, **words: str | int) -> None:
        """Add what is known of it by now: words of ours, and numbers."""
        ...

    def end(self, *, failed: bool = False) -> None:
        """End it."""
        ...


@dataclass(frozen=True, slots=True)
class Passed:
    """The one step of a request that nobody records: the client's trace goes on to the log and to the index."""

    trace: Trace

    def child(self, name: str) -> "Passed":  # noqa: ARG002
        """Be the parent of whatever comes."""
        return self

    def tell(self, **words: str | int) -> None:
        """Do nothing: nobody records it."""

    def end(self, *, failed: bool = False) -> None:
        """Do nothing."""


CURRENT: Final[ContextVar[Span | None]] = ContextVar("authproxy.span", default=None)


def current_trace() -> Trace | None:
    """Return the trace of the request that is being answered, if it has one."""
    span = CURRENT.get()
    return None if span is None else span.trace


def tell(**words: str | int) -> None:
    """Add what is known by now to the step that is being taken, where there is one."""
    span = CURRENT.get()
    if span is not None:
        span.tell(**words)


def onward(span: Span | None) -> dict[str, str]:
    """The one header by which the index learns whose step its own are. We write it; a client's never passes."""
    return {} if span is None else {HEADER: write_trace(span.trace)}


@contextmanager
def step(name: str) -> Iterator[None]:
    """Take a step of the request that is being answered. `name` is a word of ours."""
    above = CURRENT.get()
    if above is None:
        yield
        return
    span = above.child(name)
    token = CURRENT.set(span)
    failed = True
    try:
        yield
        failed = False
    finally:
        CURRENT.reset(token)
        span.end(failed=failed)
