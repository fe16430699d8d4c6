"""Whoever uploads with something that ends reads so in the answer, and the upload passes all the same."""

from dataclasses import replace

import pytest

from authproxy.authority import NewKey, Rotated
from authproxy.domain.endings import DAY
from tests.peers.forms import upload
from tests.peers.packages import wheel
from tests.peers.recording import RecordingIndex
from tests.peers.wire import Answer
from tests.web.conftest import Running
from tests.web.test_upload import rows

SPEC = NewKey(owner="ci@acme.test", note="", policy="release")


async def sent(running: Running, key: str, version: str = "1.0") -> Answer:
    return await running.ask(upload(wheel("acme-core", version), key))


@pytest.mark.parametrize(
    ("days", "said"), [(40, None), (29, "in 28 days"), (5, "in 4 days"), (1, "in less than a day")]
)
async def test_a_key_that_ends_says_so(
    running: Running, recording: RecordingIndex, days: int, said: str | None
) -> None:
    """In the reason phrase for twine and in the body for uv; the operator finds it on record."""
    now = running.app.parts.now()
    authority = running.app.parts.authority
    record, key = await authority.issue(replace(SPEC, expires=now + days * DAY - 60), now=now - 90 * DAY)
    answer = await sent(running, key)
    assert answer.status == 200
    [row] = rows(running)
    if said is None:
        assert (answer.text, row["reason"]) == ("uploaded\n", None)
        return
    assert f"uploaded; key {record.id} expires on " in answer.reason
    assert said in answer.reason
    assert answer.text == answer.reason + "\n"
    assert said in row["reason"]
    assert key not in str(rows(running))


async def test_the_old_secret_of_a_rotation_says_so(running: Running, recording: RecordingIndex) -> None:
    """To those who still use it, and to nobody else."""
    parts = running.app.parts
    record, old = await parts.authority.issue(SPEC, now=parts.now())
    done = await parts.authority.rotate(record.id, 7 * DAY, now=parts.now())
    assert isinstance(done, Rotated)
    by_old, by_new = await sent(running, old), await sent(running, done.text, "2.0")
    assert "and a new one exists: use that" in by_old.reason
    assert (by_old.status, by_new.status, by_new.text) == (200, 200, "uploaded\n")
