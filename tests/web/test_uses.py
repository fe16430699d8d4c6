"""Last uses: noted for every upload and read by a key, for next to nothing, and never in a request's way."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from ipaddress import ip_address

import pytest
from aiohttp.test_utils import make_mocked_request

from authproxy.backend.pypiserver import PYPISERVER
from authproxy.domain.access import Principal, PrincipalKind
from authproxy.domain.keys import KeyId, PublicId
from authproxy.store import LastUse, Store, StoreFull
from authproxy.store.driver import sqlite3
from authproxy.web import uses
from authproxy.web.ledger import Ledger
from authproxy.web.readers import Readers
from authproxy.web.uses import Uses
from tests.peers.forms import upload
from tests.peers.packages import wheel
from tests.peers.recording import RecordingIndex
from tests.peers.wire import basic, head
from tests.web.conftest import Running
from tests.web.ledgers import KEY, NOW, WHO

ASKED = Readers(PYPISERVER).asked("GET", "/simple/acme-core/")
REQUEST = make_mocked_request("GET", "/simple/acme-core/", headers={"User-Agent": "pip/26.3"})
READ = LastUse(KEY.id, "0", NOW, "read", "acme-core", "192.0.2.7", "pip/26.3")


def holder(number: int) -> Principal:
    return replace(WHO, public_id=PublicId(f"K{number:011}0"))


async def test_a_read_is_written_down(ledger: Ledger) -> None:
    """Who, what, from where, with what; nothing before the flush, and nothing twice after it."""
    noted = Uses(ledger.store)
    noted.read(WHO, ASKED, REQUEST, NOW)
    assert await ledger.store.last_uses([KEY.id]) == {}
    await noted.flush()
    assert await ledger.store.last_uses([KEY.id]) == {KEY.id: (READ,)}
    assert len(noted) == 0
    await noted.flush()


async def test_what_a_client_calls_itself_is_made_plain(ledger: Ledger) -> None:
    """Bounded printable ASCII in the row, whatever the header held."""
    noted = Uses(ledger.store)
    # aiohttp's parser lets no control character into a header; other letters it does.
    noted.note(WHO, "read", "acme-core", WHO.address, "p\x1bp\u202e\n" + "x" * 1000, NOW)
    await noted.flush()
    [use] = (await ledger.store.last_uses([KEY.id]))[KEY.id]
    assert use.client == "p?p??" + "x" * 115


async def test_the_last_use_of_each_secret_counts(ledger: Ledger) -> None:
    """Old and new one of a rotation are told apart; of a second's reads the first is enough."""
    noted, new = Uses(ledger.store), replace(WHO, public_id=PublicId(KEY.id + "1"))
    noted.note(WHO, "upload", "acme-core", "192.0.2.7", "twine", NOW)
    noted.read(WHO, ASKED, REQUEST, NOW)
    noted.read(new, ASKED, REQUEST, NOW + 1)
    noted.note(new, "upload", None, "192.0.2.8", "uv", NOW + 1)
    await noted.flush()
    found = (await ledger.store.last_uses([KEY.id]))[KEY.id]
    assert [(use.slot, use.action, use.project) for use in found] == [("1", "upload", ""), ("0", "upload", "acme-core")]


async def test_who_holds_no_key_is_not_noted(ledger: Ledger) -> None:
    """Passwords and the anonymous have no secret of ours."""
    noted, nobody = Uses(ledger.store), Principal(PrincipalKind.ANONYMOUS, ip_address("192.0.2.7"))
    noted.read(nobody, ASKED, REQUEST, NOW)
    noted.note(nobody, "upload", None, "192.0.2.7", "twine", NOW)
    assert (len(noted), noted.seen(nobody, NOW)) == (0, True)


class FullDisk:
    """A store on a full disk."""

    full = True

    def __init__(self, store: Store) -> None:
        self._store = store

    async def note_uses(self, given: Sequence[LastUse]) -> None:
        if self.full:
            raise StoreFull("no room")
        await self._store.note_uses(given)


async def test_a_flush_that_fails_is_made_good(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    """It is told in the log, raises nothing, and the next one writes the latest of what both have."""
    disk = FullDisk(ledger.store)
    noted = Uses(disk)  # type: ignore[arg-type]
    noted.read(WHO, ASKED, REQUEST, NOW)
    await noted.flush()
    assert "were not written down" in caplog.text
    noted.read(WHO, ASKED, REQUEST, NOW + 9)
    noted.read(holder(1), ASKED, REQUEST, NOW)
    await noted.flush()
    disk.full = False
    await noted.flush()
    assert await ledger.store.last_uses([KEY.id]) == {KEY.id: (replace(READ, time=NOW + 9),)}
    assert len(await ledger.store.last_uses([KeyId("K00000000001")])) == 1


async def test_memory_is_bounded(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many keys come while the disk is full; a full memory asks for a flush, and then there is room."""
    monkeypatch.setattr(uses, "LIMIT", 5)
    monkeypatch.setattr(uses, "BATCH", 2)
    disk = FullDisk(ledger.store)
    noted = Uses(disk)  # type: ignore[arg-type]
    for number in range(20):
        noted.read(holder(number), ASKED, REQUEST, NOW)
        assert noted.full.is_set() is (number >= 5)
        if number % 7 == 0:
            await noted.flush()
        assert len(noted) <= 5
    noted.read(holder(4), ASKED, REQUEST, NOW + 1)
    disk.full = False
    await noted.flush()
    assert not noted.full.is_set()
    names = [KeyId(f"K{number:011}") for number in range(20)]
    assert len(await ledger.store.last_uses(names)) == 5


async def test_a_second_read_in_a_second_is_no_note(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads are the hot path: hundreds of them in a second cost one note, and the text of it is made at the flush."""
    noted, notes = Uses(ledger.store), []
    note = noted.note
    monkeypatch.setattr(noted, "note", lambda *given: (notes.append(given), note(*given)))
    for second in (NOW, NOW + 1):
        for _ in range(100):
            noted.read(WHO, ASKED, REQUEST, second)
    assert [given[-1] for given in notes] == [NOW, NOW + 1]
    assert len(noted) == 1


@pytest.mark.parametrize("running", [{"reads": "key", "trusted_proxies": ["127.0.0.1"]}], indirect=True)
async def test_uploads_reads_and_questions_all_count(running: Running, recording: RecordingIndex) -> None:
    """Each way to use a key is noted with the project it was about, a yes that is said again included."""
    reader, uploader = await running.key("install"), await running.key()

    async def last() -> set[tuple[str, str, str, str]]:
        await running.app.parts.uses.flush()
        with closing(sqlite3.connect(running.file.parent / "authproxy.db")) as connection:
            found = connection.execute("SELECT key_id, action, project, client FROM last_uses").fetchall()
            connection.execute("DELETE FROM last_uses")
            connection.commit()
        return {(row[0], *row[1:]) for row in found}

    pip = ("User-Agent", "pip/26.3")
    credential = ("Authorization", basic("__token__", reader))
    name = reader.split("_")[1][:12]
    await running.ask(head("GET", "/simple/acme-web/", [credential, pip]))
    assert await last() == {(name, "read", "acme-web", "pip/26.3")}
    question = head("GET", "/-/auth/simple/acme-core/", [credential, pip, ("X-Forwarded-For", "192.0.2.9")])
    for _ in range(2):
        assert (await running.ask(question)).status == 200
        assert await last() == {(name, "read", "acme-core", "pip/26.3")}
    assert (await running.ask(upload(wheel("acme-core"), uploader))).status == 200
    [(_, action, project, _)] = await last()
    assert (action, project) == ("upload", "acme-core")
    assert (await running.ask(upload(wheel("victim"), uploader))).status == 403
    [(_, action, project, _)] = await last()
    assert (action, project) == ("upload", "victim")
