"""The spool keeps every byte in order, forgets everything, and says when the disk is full."""

import asyncio
import errno
import fcntl
import hashlib
import os
import resource
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from authproxy.domain.refusal import Code, Refused
from authproxy.web.spool import BATCH, GIVE_BACK, Spool

SIZES = {
    "a small wheel": 20_000,
    "an empty file": 0,
    "one byte": 1,
    "just what fits in memory": 1000,
    "one byte more than fits in memory": 1001,
    "one whole batch": BATCH,
    "several batches and a rest": 3 * BATCH + 17,
}


async def filled(spool: Spool, content: bytes, step: int = 65_537) -> Spool:
    """Write content in pieces as a server would."""
    for at in range(0, len(content), step):
        spool.write(content[at : at + step])
        await spool.breathe()
    await spool.settle()
    return spool


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
async def test_every_reader_sees_the_same_bytes(tmp_path: Path, size: int) -> None:
    """The chunks, the file reader and the digests all tell of the bytes that were written."""
    content = os.urandom(size)
    async with await filled(Spool(tmp_path, memory=1000), content) as spool:
        assert b"".join([chunk async for chunk in spool.chunks()]) == content
        with spool.reader() as reader:
            assert reader.read() == content
        assert b"".join([chunk async for chunk in spool.chunks()]) == content
        assert spool.size == size
        assert spool.sha256 == hashlib.sha256(content).hexdigest()
        assert await spool.digests(("md5", "blake2b")) == {
            "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
            "blake2b": hashlib.blake2b(content, digest_size=32).hexdigest(),
        }


async def test_the_last_reader_leaves_the_disk_its_room(tmp_path: Path) -> None:
    """It sees every byte; behind it the file is empty, but for the rest of a step. Who is not the last leaves all."""
    content = os.urandom(2 * GIVE_BACK + 3 * BATCH + 1)
    async with await filled(Spool(tmp_path, memory=0), content) as spool:
        assert spool._file is not None
        assert b"".join([chunk async for chunk in spool.chunks()]) == content
        assert os.fstat(spool._file.fileno()).st_blocks * 512 >= len(content)
        assert b"".join([chunk async for chunk in spool.chunks(last=True)]) == content
        assert os.fstat(spool._file.fileno()).st_blocks * 512 < GIVE_BACK


async def test_who_is_cut_off_leaves_no_hole_in_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is closed only after its room was given back: its number would be another's by then."""
    begun, go_on, holes = threading.Event(), threading.Event(), []

    def slow(number: int, *_: object) -> None:
        begun.set()
        go_on.wait(10)
        holes.append(os.fstat(number).st_ino)

    monkeypatch.setattr(fcntl, "ioctl", slow)

    async def upload() -> None:
        async with await filled(Spool(tmp_path, memory=0), bytes(GIVE_BACK + 1)) as spool:
            assert spool._file is not None
            mine.append(os.fstat(spool._file.fileno()).st_ino)
            async for _ in spool.chunks(last=True):
                pass

    mine: list[int] = []
    task = asyncio.create_task(upload())
    await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    await asyncio.sleep(0.05)
    assert not task.done(), "it waits for its thread"
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert holes == mine


async def test_a_file_system_without_holes_keeps_the_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are sent all the same."""

    def unknown(*_: object) -> None:
        raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")

    monkeypatch.setattr(fcntl, "ioctl", unknown)
    content = os.urandom(GIVE_BACK + 1)
    async with await filled(Spool(tmp_path, memory=0), content) as spool:
        assert b"".join([chunk async for chunk in spool.chunks(last=True)]) == content


async def test_the_folder_never_shows_a_file(tmp_path: Path) -> None:
    """Nothing to clean up exists at any time, so a crash leaves nothing behind."""
    async with await filled(Spool(tmp_path, memory=0), b"x" * (BATCH + 1)):
        assert list(tmp_path.iterdir()) == []


async def test_leaving_in_the_middle_waits_for_the_worker(tmp_path: Path) -> None:
    """A refusal between two batches closes the file only after the thread has let go of it."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(50):
        async with Spool(tmp_path, memory=0) as spool:
            spool.write(b"x" * BATCH)
            await spool.breathe()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


@pytest.fixture
def small_disk() -> Iterator[None]:
    """No file may grow over one batch: the kernel then says EFBIG, as a full quota says EDQUOT."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (BATCH, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_disk")
async def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    """A disk without room becomes a refusal which says that nothing was uploaded."""
    with pytest.raises(Refused, match="disk is full") as caught:
        async with Spool(tmp_path, memory=0) as spool:
            await filled(spool, b"x" * (2 * BATCH))
    assert caught.value.denial.code is Code.STORAGE_FULL


async def test_a_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    """A state directory that went away is the operator's to mend, and the sentence says so."""
    with pytest.raises(Refused, match="state directory") as caught:
        async with Spool(tmp_path / "gone", memory=0) as spool:
            await filled(spool, b"x")
    assert caught.value.denial.code is Code.STORAGE_FULL


async def test_cancelling_the_upload_leaves_no_thread_behind(tmp_path: Path) -> None:
    """A client that goes away while a batch is written leaves a spool that closes cleanly."""

    async def upload() -> None:
        async with Spool(tmp_path, memory=0) as spool:
            while True:
                spool.write(b"x" * BATCH)
                await spool.breathe()

    task = asyncio.create_task(upload())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_the_kernel_takes_in_part_is_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """writev(2) takes 1,024 pieces, and may stop in the middle of one."""
    pieces = [bytes([number % 256]) * (number % 7) for number in range(3000)]
    whole = os.writev
    monkeypatch.setattr(
        os, "writev", lambda number, left: whole(number, [*left[:5], left[5][:1]] if left[5:] else left)
    )
    async with Spool(tmp_path, memory=0) as spool:
        for piece in pieces:
            spool.write(piece)
        await spool.settle()
        assert b"".join([chunk async for chunk in spool.chunks()]) == b"".join(pieces)
        monkeypatch.undo()
        for piece in pieces:
            spool.write(piece)
        await spool.settle()
        with spool.reader() as reader:
            assert reader.read() == b"".join(pieces) * 2
