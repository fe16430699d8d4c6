"""`backend.read_back`: a yes of the index counts once it lists the very bytes."""

from dataclasses import replace
from typing import Any

import pytest

from tests.peers.forms import upload
from tests.peers.packages import wheel
from tests.peers.recording import RecordingIndex, Reply, Script, Seen
from tests.web.conftest import Running
from tests.web.ledgers import Index
from tests.web.test_upload import rows

PACKAGE = wheel("acme-core")
LIES: dict[str, dict[str, bytes]] = {
    "nothing": {},
    "half of it": {PACKAGE.filename: PACKAGE.content[:-10]},
    "other bytes": {PACKAGE.filename: wheel("acme-core", payload=b"x").content},
}


class Liar:
    """An index that says 200 to every upload and then has `then`."""

    def __init__(self, then: dict[str, bytes], *, hashes: bool) -> None:
        self._then, self._index = then, Index()
        self._index.hashes = hashes

    def __call__(self, seen: Seen) -> Script:
        if seen.method != "POST":
            return self._index(seen)
        self._index.files = self._then
        return Reply(200)


@pytest.fixture
def restarted(running: Running) -> Any:
    """The running proxy with `read_back` as wanted, which otherwise takes a restart."""

    def restart(wanted: bool) -> Running:
        parts, config = running.app.parts, running.app.parts.config
        running.app.parts = replace(parts, config=replace(config, backend=replace(config.backend, read_back=wanted)))
        return running

    return restart


@pytest.mark.parametrize("hashes", [True, False], ids=["hashes on the page", "no hashes on the page"])
@pytest.mark.parametrize("then", LIES.values(), ids=LIES.keys())
async def test_a_lie_is_found(restarted: Any, recording: RecordingIndex, then: dict[str, bytes], hashes: bool) -> None:
    """The client is told 502, the record that nobody knows, and without `read_back` it is a success (control)."""
    recording.answer = Liar(then, hashes=hashes)
    running = restarted(True)
    answer = await running.ask(upload(PACKAGE, await running.key()))
    assert (answer.status, "does not return the file" in answer.reason) == (502, True), answer
    assert [row["outcome"] for row in rows(running)] == ["unknown"]
    restarted(False)
    assert (await running.ask(upload(wheel("acme-core", "2.0"), await running.key()))).status == 200


@pytest.mark.parametrize("hashes", [True, False], ids=["hashes on the page", "no hashes on the page"])
async def test_the_truth_is_a_success(restarted: Any, recording: RecordingIndex, hashes: bool) -> None:
    """The same answer with the bytes there."""
    recording.answer = Liar({PACKAGE.filename: PACKAGE.content}, hashes=hashes)
    running = restarted(True)
    answer = await running.ask(upload(PACKAGE, await running.key()))
    assert (answer.status, answer.text) == (200, "uploaded\n")
    assert [row["outcome"] for row in rows(running)] == ["stored"]
