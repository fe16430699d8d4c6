"""An upload is broken off where the database is lost for so long that other replicas will take its claim."""

import time

import pytest

from tests.peers.forms import upload
from tests.peers.packages import wheel
from tests.peers.recording import Hang, RecordingIndex, Reply, Seen
from tests.web import test_upload
from tests.web.conftest import Running


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks come quickly."""
    monkeypatch.setattr("authproxy.web.upload.LOOK", 0.01)


@pytest.mark.parametrize(
    ("lost", "broken_off"), [([0.0, 3.0, 7.5], True), ([0.0, 6.9, 0.0], False)], ids=["lost", "back"]
)
async def test_an_upload_is_broken_off_in_time(
    running: Running, recording: RecordingIndex, monkeypatch: pytest.MonkeyPatch, lost: list[float], broken_off: bool
) -> None:
    """The index is slow. Where the database comes back in time, the upload goes on to its end."""
    silence, told = iter(lost), [0.0]

    def lost_for() -> float:
        told[0] = next(silence, told[0])
        return told[0]

    def answer(seen: Seen) -> Hang | Reply:
        if seen.method != "POST":
            return Reply(404)
        if broken_off:
            return Hang()
        time.sleep(0.2)
        return Reply(200)

    recording.answer = answer
    key = await running.key()
    monkeypatch.setattr(running.app.parts.store, "lost_for", lost_for)
    began = time.monotonic()
    answered = await running.ask(upload(wheel("acme-core"), key))
    assert answered.status == (503 if broken_off else 200), answered.text
    assert time.monotonic() - began < 10
    if broken_off:
        assert "lost its database" in answered.text
        assert answered.header("Retry-After") == "5"
    [row] = test_upload.rows(running)
    assert row["outcome"] == ("unknown" if broken_off else "stored")


async def test_with_a_file_nobody_looks(running: Running, recording: RecordingIndex) -> None:
    """Nothing is lost there, and nothing is paid for it."""
    recording.answer = lambda seen: Reply(200 if seen.method == "POST" else 404)
    assert running.app.parts.store.lost_for() is None
    assert (await running.ask(upload(wheel("acme-core"), await running.key()))).status == 200
