"""Readiness is asked for by many and answered by few questions."""

import asyncio
import json
import resource
import signal
from dataclasses import replace

import pytest
from sqlalchemy import update

from authproxy.store.tables import secrets
from authproxy.web import readiness
from authproxy.web.readiness import Trouble
from tests.peers.recording import Hang, RecordingIndex, Reply
from tests.peers.wire import get
from tests.web.conftest import Running


async def asked(running: Running) -> tuple[Trouble, ...]:
    return await running.app.parts.readiness.troubles(running.app.parts.config)


async def test_a_recent_answer_serves(running: Running, recording: RecordingIndex) -> None:
    """Whoever asks within seconds of another costs nothing, and hears what that one heard."""
    assert await asyncio.gather(*(asked(running) for _ in range(10))) == [()] * 10
    recording.answer = lambda _: Reply(401)
    assert await asked(running) == ()
    assert len(recording.requests) == 1


async def test_an_old_answer_does_not(
    running: Running, recording: RecordingIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What broke is said, and once it is mended, that is said as well."""
    monkeypatch.setattr(readiness, "FRESH", 0)
    recording.answer = lambda _: Reply(401)
    [said] = await asked(running)
    assert str(said).startswith("index: proxy is misconfigured")
    recording.answer = lambda _: Reply(404)
    assert await asked(running) == ()


async def test_a_spool_that_cannot_be_written_to_is_missing(
    running: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Gone, or full: what is wrong is in the log, and no path is told to strangers."""
    monkeypatch.setattr(readiness, "FRESH", 0)
    running.app.parts.config.state_directory.rmdir()
    [trouble] = await asked(running)
    assert (trouble.what, trouble.why, trouble.remark) == ("spool", readiness.NO_ROOM, False)
    assert [record.trouble for record in caplog.records] == ["No such file or directory"]
    running.app.parts.config.state_directory.mkdir()
    assert await asked(running) == ()
    real, limit = readiness.TRIED, resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (real - 1, limit[1]))  # what write(2) says then is EFBIG, as ENOSPC
    try:
        [trouble] = await asked(running)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, ignored)
    assert trouble.what == "spool"


async def test_little_room_is_a_remark(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small uploads pass, so it is ready; the largest would not."""
    monkeypatch.setattr(readiness, "FRESH", 0)
    parts = running.app.parts
    limits = replace(parts.config.limits, max_upload=1 << 60)
    running.app.parts = replace(parts, config=replace(parts.config, limits=limits))
    [trouble] = await asked(running)
    assert (trouble.what, trouble.remark) == ("spool", True)
    answer = await running.ask(get("/-/readyz"))
    assert answer.status == 200
    assert answer.text.startswith("ready\nremark: spool: ")
    assert answer.text.endswith(" MiB are left, and one upload may have 1073741824 GiB\n")


async def test_keys_that_are_sealed_and_no_master_key_are_a_remark(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any there is nothing to remark: to have none is the operator's choice."""
    monkeypatch.setattr(readiness, "FRESH", 0)
    assert await asked(running) == ()
    await running.key()
    store = running.app.parts.store
    await store._worker.write(lambda connection: connection.execute(update(secrets).values(mac=b"sealed")))
    assert await asked(running) == (), "asked once"
    running.app.parts.readiness._sealed = None
    [trouble] = await asked(running)
    assert (trouble.what, trouble.remark) == ("master-key", True)


async def test_an_index_that_hangs_is_no_index(
    running: Running, recording: RecordingIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks gets an answer before their own patience ends."""
    monkeypatch.setattr(readiness, "PATIENCE", 0.2)
    recording.answer = lambda _: Hang()
    [trouble] = await asked(running)
    assert (trouble.what, trouble.why) == ("index", "it has not answered for 0 seconds")


async def test_as_json(running: Running, recording: RecordingIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same to whoever reads with a program; both pages, well and not."""
    monkeypatch.setattr(readiness, "FRESH", 0)

    async def page(path: str) -> tuple[int, object]:
        answer = await running.ask(get(path, [("Accept", "application/json")]))
        assert (answer.header("Content-Type"), answer.header("Cache-Control")) == ("application/json", "no-store")
        return answer.status, json.loads(answer.body)

    assert await page("/-/healthz") == (200, {"well": True})
    assert await page("/-/readyz") == (200, {"ready": True, "missing": [], "remarks": []})
    recording.answer = lambda _: Reply(401)
    status, said = await page("/-/readyz")
    assert (status, said["ready"], [each["what"] for each in said["missing"]]) == (503, False, ["index"])
    assert said["missing"][0]["why"].startswith("proxy is misconfigured")
