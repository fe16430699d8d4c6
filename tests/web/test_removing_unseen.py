"""A delete whose end nobody saw, and what goes on beside a delete: no name comes free for other bytes by it."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from signal import SIGKILL

import pytest

from authproxy.config import load
from authproxy.store.driver import sqlite3
from tests.peers import wire
from tests.peers.forms import body_of, parts_of, post
from tests.peers.packages import Package, wheel
from tests.peers.proxy import installation, served
from tests.peers.recording import Hang, Raw, RecordingIndex, Reply, Script, Seen
from tests.web.conftest import Running
from tests.web.test_removing import KEYS, SETTINGS, Index, deleting, with_keys
from tests.web.test_upload import rows

OLD = wheel("acme-core", "1.0")
OTHER = wheel("acme-core", "1.0", payload=b"other")
STAYS = wheel("acme-core", "2.0")


class Failing(Index):
    """An index that fails in places. `down`: it lists nothing; `mute`: uploads and deletes happen, and nothing is said."""

    def __init__(self, *packages: Package) -> None:
        super().__init__(*packages)
        self.down = self.mute = self.deaf = False

    def __call__(self, seen: Seen) -> Script:
        if seen.method == "GET" and self.down:
            return Reply(500)
        if seen.method != "POST":
            return super().__call__(seen)
        if self.deaf:
            self.down = True
            return Reply(500)
        if b"remove_pkg" not in seen.body:
            name, content = next((each.filename, each.content) for each in (OLD, OTHER) if each.content in seen.body)
            if name in self.held:
                return Reply(409)
            self.held[name] = content
        said = super().__call__(seen)
        self.down = self.mute
        return Raw(b"") if self.mute else said

    def mended(self) -> None:
        """It works again."""
        self.down = self.mute = self.deaf = False


@pytest.fixture
def failing(recording: RecordingIndex) -> Failing:
    """One with a release from before us."""
    recording.answer = index = Failing(OLD, STAYS)
    return index


def sending(package: Package, key: str) -> bytes:
    return post(body_of(parts_of(package)), key=key)


def assert_deleted(answer: wire.Answer) -> None:
    """The refusal of other bytes."""
    assert (answer.status, "was deleted and had other bytes" in answer.reason) == (400, True), answer


@with_keys
async def test_a_delete_that_took_effect_unseen_frees_no_name(running: Running, failing: Failing) -> None:
    """The index deletes, answers nothing and lists nothing: the name stays for its bytes all the same."""
    key = await running.key("both")
    failing.mute = True
    assert (await running.ask(deleting(key, "acme-core", "1.0"))).status == 502
    assert [row["outcome"] for row in rows(running)] == ["unknown"]
    assert list(failing.held) == [STAYS.filename]
    failing.mended()
    assert_deleted(await running.ask(sending(OTHER, key)))
    assert OLD.filename not in failing.held
    assert (await running.ask(sending(OLD, key))).text == "uploaded\n"
    assert failing.held[OLD.filename] == OLD.content


@with_keys
async def test_a_mark_that_is_wrong_heals_itself(running: Running, failing: Failing) -> None:
    """The control: nothing was deleted. The file is what it was, to the next who sends its bytes and to others."""
    key = await running.key("both")
    failing.deaf = True
    assert (await running.ask(deleting(key, "acme-core", "1.0"))).status == 502
    failing.mended()
    assert [row["removed"] is None for row in rows(running, "files") if row["filename"] == OLD.filename] == [False]
    assert (await running.ask(sending(OTHER, key))).status == 400
    assert "already" in (await running.ask(sending(OLD, key))).text
    assert [row["removed"] for row in rows(running, "files")] == [None, None]
    assert failing.held[OLD.filename] == OLD.content


@with_keys
async def test_what_the_index_kept_is_not_marked(running: Running, failing: Failing, recording: RecordingIndex) -> None:
    """A delete that the index refuses in so many words."""
    key = await running.key("both")
    recording.answer = lambda seen: Reply(400, b"no") if seen.method == "POST" else failing(seen)
    assert (await running.ask(deleting(key, "acme-core", "1.0"))).status == 400
    assert [row["removed"] for row in rows(running, "files")] == [None]


@contextmanager
def before(path: Path, change: str) -> Iterator[None]:
    """A store that fails when rows of the record change."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TRIGGER fails BEFORE {change} ON record BEGIN SELECT RAISE(ABORT, 'trouble'); END")
        connection.commit()
        yield
        connection.execute("DROP TRIGGER fails")
        connection.commit()


@with_keys
async def test_a_delete_that_happened_is_told(
    running: Running, failing: Failing, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where its end cannot be written down: whoever is told to try again would find nothing there."""
    key = await running.key("both")
    with before(running.file.parent / "authproxy.db", "UPDATE"):
        answer = await running.ask(deleting(key, "acme-core", "1.0"))
    assert (answer.status, answer.text.startswith("deleted acme-core 1.0")) == (200, True), answer
    assert "a delete was not completed in the store" in caplog.text
    assert_deleted(await running.ask(sending(OTHER, key)))


@with_keys
async def test_a_delete_that_cannot_be_put_on_record_does_not_happen(running: Running, failing: Failing) -> None:
    """The control of the test above: the other end of the record."""
    key = await running.key("both")
    with before(running.file.parent / "authproxy.db", "INSERT"):
        assert (await running.ask(deleting(key, "acme-core", "1.0"))).status == 503
    assert failing.removed == []


NARROWER = {
    "the grant": {"key_policies": KEYS | {"both": {"allow": [{"actions": ["upload"], "packages": ["acme-*"]}]}}},
    "the rule": {"packages": [{"match": "other"}]},
}


@with_keys
@pytest.mark.parametrize("change", NARROWER.values(), ids=NARROWER.keys())
async def test_rules_that_change_while_the_index_is_asked_hold(
    running: Running, failing: Failing, recording: RecordingIndex, change: dict[str, object]
) -> None:
    """Finding a release and reading its files may take long; the refusal is on record."""
    key, loop = await running.key("both"), asyncio.get_running_loop()

    async def narrow() -> None:
        running.write(**change)
        running.app.reload(load(running.file))

    def answer(seen: Seen) -> Script:
        asyncio.run_coroutine_threadsafe(narrow(), loop).result(5)
        return failing(seen)

    recording.answer = answer
    assert (await running.ask(deleting(key, "acme-core", "1.0"))).status == 403
    assert failing.removed == []
    assert [(row["action"], row["outcome"]) for row in rows(running)] == [("delete", "denied")]


@pytest.mark.parametrize("running", [SETTINGS | {"packages": [{"match": "other"}]}], indirect=True, ids=["no rule"])
async def test_a_package_without_a_rule_is_not_deleted(running: Running, recording: RecordingIndex) -> None:
    """What nobody may upload nobody may delete, whatever the grant; the index saw nothing."""
    answer = await running.ask(deleting(await running.key("both"), "acme-core", "1.0"))
    assert (answer.status, "no package rule is about 'acme-core', so nobody may delete it" in answer.reason) == (
        403,
        True,
    )
    recording.assert_saw_nothing()


@with_keys
async def test_an_upload_without_an_end_is_settled_before_its_file_goes(running: Running, failing: Failing) -> None:
    """It was stored, and nobody could tell; then it is deleted: the name is its bytes' all the same."""
    key = await running.key("both")
    del failing.held[OLD.filename]
    failing.mute = True
    assert (await running.ask(sending(OLD, key))).status == 502
    failing.mended()
    assert failing.held[OLD.filename] == OLD.content
    assert [row["outcome"] for row in rows(running)] == ["unknown"]
    assert (await running.ask(deleting(key, "acme-core", "1"))).status == 200
    assert OLD.filename not in failing.held
    assert [row["outcome"] for row in rows(running)] == ["stored", "removed"]
    assert_deleted(await running.ask(sending(OTHER, key)))
    assert (await running.ask(sending(OLD, key))).text == "uploaded\n"


@with_keys
async def test_an_upload_on_its_way_is_waited_for(
    running: Running, failing: Failing, recording: RecordingIndex
) -> None:
    """The index may have its file already. Who deletes is told to try again, and the index was not asked to delete."""
    key, arrived, go = await running.key("both"), threading.Event(), threading.Event()

    def answer(seen: Seen) -> Script:
        said = failing(seen)
        if seen.method == "POST" and b"remove_pkg" not in seen.body:
            arrived.set()
            go.wait(10)
        return said

    recording.answer = answer
    del failing.held[OLD.filename]
    upload = asyncio.create_task(running.ask(sending(OLD, key)))
    assert await asyncio.to_thread(arrived.wait, 10)
    answered = await running.ask(deleting(key, "acme-core", "1.0"))
    assert (answered.status, answered.header("Retry-After")) == (503, "2")
    assert "a file of acme-core 1.0 is being uploaded" in answered.reason
    assert failing.removed == []
    go.set()
    assert (await upload).text == "uploaded\n"
    assert (await running.ask(deleting(key, "acme-core", "1.0"))).status == 200
    assert_deleted(await running.ask(sending(OTHER, key)))


def test_a_delete_that_a_crash_cut_off_frees_no_name(tmp_path: Path, recording: RecordingIndex) -> None:
    """kill -9 between the delete and its end on record; the next run knows what was deleted."""
    failing, deleted = Failing(OLD, STAYS), threading.Event()

    def answer(seen: Seen) -> Script:
        said = failing(seen)
        if seen.method == "POST" and b"remove_pkg" in seen.body:
            deleted.set()
            return Hang()
        return said

    recording.answer = answer
    made = installation(tmp_path / "proxy", recording.url, key_policies=KEYS)
    key = made.create_key(policy="both")
    with served(made) as proxy, socket.create_connection(made.address) as client:
        client.sendall(deleting(key.text, "acme-core", "1.0"))
        assert deleted.wait(10)
        proxy.program.signal(SIGKILL)
    assert list(failing.held) == [STAYS.filename]
    assert [row["outcome"] for row in made.rows("record")] == ["pending"]
    recording.answer = failing
    with served(made):
        assert_deleted(wire.exchange(made.address, sending(OTHER, key.text)))
        assert OLD.filename not in failing.held
        assert wire.exchange(made.address, sending(OLD, key.text)).text == "uploaded\n"
