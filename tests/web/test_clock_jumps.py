"""A clock that jumps by a day or by ten years, either way, and back: nothing is damaged, and nobody stays locked out."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from authproxy.authority import NewKey
from authproxy.store import Sound
from tests.peers.forms import upload
from tests.peers.packages import wheel
from tests.peers.recording import RecordingIndex
from tests.web.conftest import Running
from tests.web.test_upload import rows

DAY = 86_400
JUMPS = {"a day back": -DAY, "an hour back": -3_600, "a day on": DAY, "ten years back": -3_650 * DAY}


@pytest.fixture
def jump(running: Running) -> Callable[[int], None]:
    """Set the clock of a running proxy so many seconds off."""
    usual = running.app.parts.clock

    def set_off(seconds: int) -> None:
        running.app.parts = replace(running.app.parts, clock=lambda: usual() + seconds)

    return set_off


async def told(running: Running, key: str, version: str) -> int:
    return (await running.ask(upload(wheel("acme-core", version), key))).status


@pytest.mark.parametrize("seconds", JUMPS.values(), ids=JUMPS.keys())
async def test_uploads_go_on_and_the_record_holds(
    running: Running, recording: RecordingIndex, jump: Callable[[int], None], seconds: int
) -> None:
    """Before, during and after; the record's chain does not depend on the clock."""
    key = await running.key()
    statuses = []
    for number, off in enumerate((0, seconds, 0, -seconds if seconds < -DAY else seconds, 0)):
        jump(min(off, DAY))
        statuses.append(await told(running, key, f"1.{number}"))
    assert statuses == [200] * 5
    assert isinstance(await running.app.parts.store.record.verify(), Sound)
    assert {row["outcome"] for row in rows(running)} == {"stored"}


async def test_a_key_that_has_expired_by_a_jump_lives_again(
    running: Running, recording: RecordingIndex, jump: Callable[[int], None]
) -> None:
    """Ten years on it has expired, and that is not written down: once the clock is right it works as before."""
    new = NewKey(owner="ci@acme.test", note="", policy="release", expires=running.app.parts.now() + DAY)
    _, key = await running.app.parts.authority.issue(new, now=running.app.parts.now())
    assert await told(running, key, "1.0") == 200
    jump(3_650 * DAY)
    assert await told(running, key, "1.1") == 401
    jump(0)
    assert await told(running, key, "1.2") == 200


@pytest.mark.parametrize("running", [{"throttle": {"failures": 2, "window": "1m"}}], indirect=True)
async def test_nobody_stays_locked_out_because_the_clock_went_back(
    running: Running, recording: RecordingIndex, jump: Callable[[int], None]
) -> None:
    """Failures that were counted in what is now the future hold an address up for a window, and not for ten years."""
    key = await running.key()
    wrong = key[:-10] + ("A" if key[-10] != "A" else "B") + key[-9:]
    jump(3_650 * DAY)
    for _ in range(5):
        assert (await running.ask(upload(wheel("acme-core"), wrong))).status in {401, 429}
    jump(0)
    answer = await running.ask(upload(wheel("acme-core", "1.0"), key))
    if answer.status == 429:  # counted as of now: a minute at most
        assert int(answer.header("retry-after") or "0") <= 60
    jump(61)
    assert await told(running, key, "1.1") == 200
