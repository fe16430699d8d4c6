"""Readiness is asked for by many and answered by few questions."""

import asyncio

import pytest

from authproxy.web import readiness
from tests.peers.recording import RecordingIndex, Reply
from tests.web.conftest import Running


async def test_a_recent_answer_serves(running: Running, recording: RecordingIndex) -> None:
    """Whoever asks within seconds of another costs nothing, and hears what that one heard."""
    ready = running.app.parts.readiness
    assert await asyncio.gather(*(ready.missing() for _ in range(10))) == [()] * 10
    recording.answer = lambda _: Reply(401)
    assert await ready.missing() == ()
    assert len(recording.requests) == 1


async def test_an_old_answer_does_not(
    running: Running, recording: RecordingIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What broke is said, and once it is mended, that is said as well."""
    monkeypatch.setattr(readiness, "FRESH", 0)
    ready = running.app.parts.readiness
    recording.answer = lambda _: Reply(401)
    [said] = await ready.missing()
    assert said.startswith("index: proxy is misconfigured")
    recording.answer = lambda _: Reply(404)
    assert await ready.missing() == ()
