"""Uploads by derived keys over the wire: what goes on record, what is good once, and what is taken by itself nowhere."""

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from authproxy.authority import NewKey
from authproxy.domain.caveats import Versions
from authproxy.domain.versions import version_pattern
from authproxy.store.driver import sqlite3
from authproxy.web.chores import Chores
from tests.peers.forms import upload
from tests.peers.masters import derived, lifetime, once, with_master
from tests.peers.packages import wheel
from tests.peers.recording import RecordingIndex, Reply, Script, Seen
from tests.peers.wire import Answer
from tests.web.conftest import Running
from tests.web.test_derived_keys import CORE, KEYED, page

pytestmark = pytest.mark.parametrize("running", [KEYED], indirect=True)


@pytest.fixture(autouse=True)
def master(tmp_path: Path) -> None:
    """The master key lies where the configuration says."""
    with_master(tmp_path)


async def posted(running: Running, text: str, version: str = "1.0") -> Answer:
    return await running.ask(upload(wheel("acme-core", version), text))


def record(running: Running) -> list[tuple[str, str | None, str | None]]:
    with closing(sqlite3.connect(running.file.parent / "authproxy.db")) as connection:
        return connection.execute("SELECT outcome, code, derived FROM record ORDER BY id").fetchall()


async def test_the_record_names_the_derived_key(running: Running) -> None:
    """An admitted upload and a refused one, with the caveats in full; of the key itself there is nothing to say."""
    release = await running.key()
    mine = derived(release, lifetime(), CORE, Versions(frozenset({version_pattern("1.*")})))
    assert [
        (await posted(running, text, version)).status
        for text, version in ((mine, "1.0"), (mine, "2.0"), (release, "1.1"))
    ] == [200, 403, 200]
    (stored, _, one), (denied, code, two), (_, _, none) = record(running)
    assert (stored, denied, code, none) == ("stored", "denied", "caveat", None)
    assert one == two
    assert json.loads(one or "")["caveats"][1:] == [[1, ["acme-core"]], [100, ["1.*"]]]
    assert len(json.loads(one or "")["name"]) == 16
    assert mine.rpartition(".")[2] not in str(record(running))


async def test_what_is_good_once_is(running: Running, recording: RecordingIndex) -> None:
    """The second time it is refused before the answer for known bytes, with a sentence; the refusal is on record."""
    mine = derived(await running.key(), *once(7, "acme-core"))
    assert (await posted(running, mine)).status == 200
    again = await posted(running, mine)
    assert (again.status, again.reason) == (
        403, f"derived key {mine[4:17]}.{json.loads(record(running)[0][2] or '')['name']} was good once and has been used: derive a new one"
    )  # fmt: skip
    assert (await posted(running, mine, "1.1")).status == 403
    assert [outcome for outcome, *_ in record(running)] == ["stored", "denied", "denied"]
    assert len(recording.uploads) == 1


async def test_a_file_that_came_past_us_uses_it_up_too(running: Running, recording: RecordingIndex) -> None:
    """The index says that it has the file, and has these very bytes: a success, and the only one."""
    package, there = wheel("acme-core"), False

    def past_us(seen: Seen) -> Script:
        nonlocal there
        if seen.method == "POST":
            there = True
            return Reply(409, b"already exists")
        link = f'<a href="/packages/{package.filename}#sha256={package.sha256}">{package.filename}</a>'
        return Reply(200, link.encode(), (("Content-Type", "text/html"),)) if there else Reply(404)

    recording.answer = past_us
    mine = derived(await running.key(), *once(8, "acme-core"))
    answers = [await posted(running, mine) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 403], answers
    assert [outcome for outcome, *_ in record(running)] == ["refused", "same", "denied"]


async def test_a_key_that_only_derives_is_refused_with_the_line_to_run(running: Running) -> None:
    """For uploads and reads; what is derived from it passes, and it may ask who it is."""
    parts = running.app.parts
    new = NewKey(owner="o", note="", policy="release", derive_only=True)
    _, text = await parts.authority.issue(new, now=parts.now())
    refused = await posted(running, text)
    assert (refused.status, "run authproxy exec -- twine upload dist/*" in refused.reason) == (403, True)
    assert (await running.ask(page(text))).status == 403
    assert (await posted(running, derived(text, lifetime(), CORE))).status == 200
    assert json.loads((await running.ask(page(text, "/-/whoami"))).body)["derive_only"] is True


async def test_the_sweep_is_one_of_the_chores(running: Running) -> None:
    """What has ended by itself is forgotten once an hour."""
    mine = derived(await running.key(), *once(9, "acme-core"))
    assert (await posted(running, mine)).status == 200
    parts = running.app.parts
    for ahead, left in ((0, 1), (300 + 30 + 3600, 0)):
        later = replace(parts, clock=lambda ahead=ahead: parts.clock() + ahead)
        await Chores(lambda later=later: later).round()
        with closing(sqlite3.connect(running.file.parent / "authproxy.db")) as connection:
            assert connection.execute("SELECT count(*) FROM nonces").fetchone() == (left,)
