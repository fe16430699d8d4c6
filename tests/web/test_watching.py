"""Readiness as a metric."""

import asyncio

import pytest

from authproxy.web import readiness, watching
from authproxy.web.watching import look, watched
from tests.peers.recording import RecordingIndex, Reply
from tests.web.conftest import Running


async def test_what_is_missing_is_shown_and_what_is_mended_too(
    running: Running, recording: RecordingIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One for each of the three, and never a sentence as a label."""
    monkeypatch.setattr(readiness, "FRESH", 0)
    parts = running.app.parts

    def shown() -> list[float | None]:
        value = parts.metrics.registry.get_sample_value
        return [value("authproxy_not_ready", {"what": what}) for what in ("store", "spool", "index")]

    recording.answer = lambda _: Reply(401)
    await look(parts)
    assert shown() == [0, 0, 1]
    recording.answer = lambda _: Reply(404)
    await look(parts)
    assert shown() == [0, 0, 0]
    await parts.store.close()
    await look(parts)
    assert shown() == [1, 0, 0]


async def test_it_goes_on_whatever_happens(
    running: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A defect is a line in the log, and the next look comes."""
    monkeypatch.setattr(watching, "PERIOD", 0.01)
    looks: list[int] = []

    async def broken(parts: object) -> None:
        looks.append(1)
        raise RuntimeError("a defect")

    monkeypatch.setattr(watching, "look", broken)
    async with watched(lambda: running.app.parts):
        while len(looks) < 3:
            await asyncio.sleep(0.01)
    assert "readiness could not be asked for" in caplog.text
