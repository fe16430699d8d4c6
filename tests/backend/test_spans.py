"""Steps: who is whose parent, and that nothing happens where nobody has a trace."""

import asyncio

import pytest

from authproxy.backend.spans import CURRENT, Passed, current_trace, onward, step, tell
from authproxy.domain.traces import Trace

TRACE = Trace("a" * 32, "b" * 16, sampled=True)


class Told:
    """A step that keeps what it was told."""

    def __init__(self, name: str = "request") -> None:
        self.trace, self.name = TRACE, name
        self.words: dict[str, str | int] = {}
        self.children: list[Told] = []
        self.ended: bool | None = None

    def child(self, name: str) -> "Told":
        self.children.append(Told(name))
        return self.children[-1]

    def tell(self, **words: str | int) -> None:
        self.words |= words

    def end(self, *, failed: bool = False) -> None:
        self.ended = failed


def test_without_a_trace_nothing_happens() -> None:
    """No header, no id, no step."""
    with step("store admit"):
        tell(action="read")
    assert current_trace() is None
    assert onward(None) == {}


def test_a_trace_that_nobody_records_goes_on_as_it_is() -> None:
    """One step of ours for the whole request, and the header that names it as the parent."""
    span = Passed(TRACE)
    span.tell(action="read")
    span.end(failed=True)
    assert span.child("index read") is span
    assert onward(span) == {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}


def test_a_step_within_a_step() -> None:
    """It is the one that is told, and the one above is again when it has ended."""
    above = Told()
    token = CURRENT.set(above)
    try:
        with step("store admit"):
            tell(answer="ok")
        assert CURRENT.get() is above
        with pytest.raises(OSError, match="gone"), step("store admit"):
            raise OSError("gone")
    finally:
        CURRENT.reset(token)
    assert [(each.name, each.words, each.ended) for each in above.children] == [
        ("store admit", {"answer": "ok"}, False),
        ("store admit", {}, True),
    ]


async def test_requests_beside_each_other_have_their_own() -> None:
    """What one of them is doing is nothing to another."""

    async def one(trace: Trace) -> Trace | None:
        CURRENT.set(Passed(trace))
        await asyncio.sleep(0)
        return current_trace()

    traces = [Trace(f"{number:032x}", "b" * 16, sampled=False) for number in range(1, 9)]
    assert await asyncio.gather(*(asyncio.create_task(one(each)) for each in traces)) == traces
    assert current_trace() is None
