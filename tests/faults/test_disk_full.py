"""A disk that is really full: reads go on, uploads are refused with a sentence, keys can be ended, and all heals."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from authproxy.domain.keys import KeyId, KeyRecord
from authproxy.store import KeyDead, Store, StoreFull, engine, migrate
from tests.peers import wire
from tests.peers.forms import upload
from tests.peers.packages import wheel
from tests.peers.proxy import Installation, Proxy, installation, served
from tests.peers.recording import RecordingIndex, Reply, Script, Seen
from tests.peers.waiting import wait_until
from tests.store.samples import ANY, ID, KEY, NOW, admitted
from tests.store.samples import upload as entry

SIZE = 12 * 1024 * 1024  # bytes of the disk
PIECE = 4096


@contextmanager
def disk(folder: Path) -> Iterator[Path]:
    """A small file system of its own."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", folder], capture_output=True, check=False, timeout=10
    )
    if mounted.returncode != 0:
        pytest.skip("only root may mount a small disk (and not in every container)")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True, timeout=10)


class Filler:
    """Fills a disk to the last byte."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "filler"

    def fill(self) -> None:
        with self.path.open("ab", buffering=0) as file, suppress(OSError):
            for size in (1 << 20, 1 << 16, PIECE):
                with suppress(OSError):
                    while True:
                        file.write(b"x" * size)
        free = os.statvfs(self.path.parent)
        assert free.f_bavail * free.f_frsize < PIECE

    def empty(self) -> None:
        self.path.unlink()


@pytest.fixture
def made(tmp_path: Path, recording: RecordingIndex) -> Iterator[Installation]:
    """An installation whose store and state directory are on the small disk, before an index that has one project."""
    recording.answer = has_a_page
    with disk(tmp_path / "disk") as small:
        yield installation(small / "proxy", recording.url, limits={"spool_memory": "64KiB"})


@pytest.fixture
def running(made: Installation) -> Iterator[tuple[Proxy, Filler]]:
    """The proxy, which has put its reserve aside."""
    with served(made) as proxy:
        wait_until((made.folder / "authproxy.db.reserve").exists)
        yield proxy, Filler(made.folder)


def has_a_page(seen: Seen) -> Script:
    if seen.method == "POST":
        return Reply(200)
    return Reply(200, b"<html>a page</html>") if seen.target.startswith("/simple/") else Reply(404)


def send(proxy: Proxy, key: str, version: str, size: int = 100) -> wire.Answer:
    return wire.exchange(proxy.address, upload(wheel("acme-core", version, payload=os.urandom(size)), key))


def assert_is_full(answer: wire.Answer) -> None:
    """507, and a sentence that says what is wrong and that nothing was uploaded."""
    assert answer.status == 507, answer
    assert "disk is full" in answer.text
    assert "nothing was uploaded" in answer.text


@pytest.mark.timeout(180)
def test_a_full_disk_stops_uploads_and_nothing_else_and_heals(
    running: tuple[Proxy, Filler], recording: RecordingIndex
) -> None:
    """Small uploads, which need the store alone, and large ones, which need the spool; reads; the end of a key; the
    same program goes on once there is room.
    """
    proxy, filler = running
    key, other = proxy.create_key(), proxy.create_key()
    assert send(proxy, key.text, "1.0").status == 200
    sent = len(recording.uploads)
    filler.fill()
    for number in range(5):
        assert_is_full(send(proxy, key.text, f"2.{number}"))
        assert_is_full(send(proxy, key.text, f"3.{number}", 500_000))
        assert wire.exchange(proxy.address, wire.get("/simple/acme-core/")).status == 200
    assert len(recording.uploads) == sent, "the index saw none of them"
    assert wire.exchange(proxy.address, wire.get("/-/healthz")).status == 200
    ran = proxy.run("key", "revoke", other.id)
    assert ran.code == 0, ran.said
    assert send(proxy, other.text, "4.0").status == 401
    filler.fill()
    assert_is_full(send(proxy, key.text, "4.1"))
    filler.empty()
    assert send(proxy, key.text, "5.0").status == 200
    assert send(proxy, key.text, "5.1", 500_000).status == 200
    assert send(proxy, other.text, "5.2").status == 401
    assert proxy.spooled() == []


@pytest.mark.timeout(180)
def test_an_upload_whose_end_found_no_room_is_settled_later(
    running: tuple[Proxy, Filler], recording: RecordingIndex
) -> None:
    """The index said yes, and so does the proxy; its record is completed when somebody asks again."""
    proxy, filler = running
    key = proxy.create_key()
    assert send(proxy, key.text, "1.0").status == 200
    package = wheel("acme-core", "2.0")

    def fills_the_disk(seen: Seen) -> Script:
        if seen.method == "POST":
            filler.fill()
            return Reply(200)
        link = f'<a href="../../packages/{package.filename}#sha256={package.sha256}">x</a>'
        return Reply(200, link.encode())

    recording.answer = fills_the_disk
    assert wire.exchange(proxy.address, upload(package, key.text)).status == 200
    filler.empty()
    answer = wire.exchange(proxy.address, upload(package, key.text))
    assert (answer.status, "has these bytes already" in answer.text) == (200, True)
    assert [row["outcome"] for row in proxy.rows("record") if row["version"] == "2.0"] == ["stored"]
    assert proxy.rows("claims") == []


async def admit_without_end(store: Store) -> None:
    """Until there is no room: what the journal had taken before is written to for a while."""
    for number in range(2000):
        await admitted(store, entry(f"1.{number}"))


@pytest.mark.parametrize("journal", ["truncate", "wal"])
async def test_the_store_itself_on_a_full_disk(tmp_path: Path, journal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways in which it commits: admissions say so, reads go on, keys end, and all works again with room."""
    monkeypatch.setattr(engine, "wal_is_safe", lambda _: journal == "wal")
    with disk(tmp_path / "disk") as small:
        url = f"sqlite:///{small}/authproxy.db"
        await migrate(url)
        store = await Store.open(url)
        await store.add_key(KEY)
        await store.unfinished.tidy()
        filler = Filler(small)
        filler.fill()
        with pytest.raises(StoreFull):
            await admit_without_end(store)
        assert await store.key(ID) is not None
        assert isinstance(store.generation(), int)
        assert await store.revoke(ID, NOW)
        key = store.peek(ID)
        assert isinstance(key, KeyRecord)
        assert key.revoked == NOW
        filler.empty()
        assert await store.admit(entry("2.0"), ANY, now=NOW) == KeyDead("revoked")
        await store.add_key(replace(KEY, id=KeyId("Other1234567")))
        await store.close()


@pytest.mark.timeout(120)
def test_control_without_the_reserve_no_key_could_be_revoked(running: tuple[Proxy, Filler]) -> None:
    """The same command on the same disk, when nobody has put anything aside."""
    proxy, filler = running
    key = proxy.create_key()
    (proxy.folder / "authproxy.db.reserve").unlink()
    filler.fill()
    ran = proxy.run("key", "revoke", key.id)
    assert ran.code == 1, ran.said
    assert "the disk is full" in ran.said
    assert [row["revoked"] for row in proxy.rows("keys")] == [None]


@pytest.mark.timeout(120)
def test_a_command_that_makes_a_key_says_what_is_wrong(running: tuple[Proxy, Filler]) -> None:
    """No key is printed that is not there."""
    proxy, filler = running
    filler.fill()
    ran = proxy.run("key", "create", "--policy", "release", "--owner", "ci@acme.test")
    assert ran.code == 1
    assert "the disk is full" in ran.said
    assert "apx_" not in ran.said
