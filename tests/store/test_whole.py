"""A file that appears whole: its mode, its name, what stays when it does not come to that."""

import errno
import os
import stat
from pathlib import Path

import pytest

from authproxy.store import StoreError, StoreFull
from authproxy.store.whole import beside, part_of, publish, writes


def test_a_part_is_private_and_appears_under_its_name_alone(tmp_path: Path) -> None:
    """Mode 0600 whatever the umask; and of the part nothing is left."""
    before = os.umask(0o777)
    try:
        with part_of(tmp_path) as part:
            part.write_bytes(b"new")
            publish(part, tmp_path / "a", replace=False)
    finally:
        os.umask(before)
    assert [each.name for each in tmp_path.iterdir()] == ["a"]
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    assert (tmp_path / "a").read_bytes() == b"new"


def test_what_is_there_is_not_replaced_unless_that_was_asked(tmp_path: Path) -> None:
    """Also where it came while the part was written; a link that leads nowhere is there too."""
    target = tmp_path / "a"
    for make in (lambda: target.write_bytes(b"old"), lambda: target.symlink_to("nowhere")):
        make()
        with part_of(tmp_path) as part, pytest.raises(StoreError, match="a exists already: name another file"):
            publish(part, target, replace=False)
        assert [each.name for each in tmp_path.iterdir()] == ["a"]
        with part_of(tmp_path) as part:
            publish(part, target, replace=True)
        assert target.read_bytes() == b""
        target.unlink()


@pytest.mark.parametrize("taken", [False, True], ids=["free", "taken"])
def test_a_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: bool) -> None:
    """FAT on a stick: a rename does it, and still replaces nothing."""

    def no_links(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    target = tmp_path / "a"
    with part_of(tmp_path) as part:
        part.write_bytes(b"new")
        if taken:
            target.write_bytes(b"old")
            with pytest.raises(StoreError, match="exists already"):
                publish(part, target, replace=False)
        else:
            publish(part, target, replace=False)
    assert target.read_bytes() == (b"old" if taken else b"new")


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    """Neither the part nor what SQLite made beside it."""

    def fail() -> None:
        with part_of(tmp_path) as part:
            for each in beside(part):
                each.touch()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_the_next_one_takes_away_what_a_killed_one_left_and_no_more(tmp_path: Path) -> None:
    """A part that is being written is locked; other files and other people's are not looked at."""
    left = tmp_path / ".authproxy-dead.part"
    for each in (left, *beside(left), tmp_path / "other.part"):
        each.touch()
    (tmp_path / ".authproxy-folder.part").mkdir()
    with part_of(tmp_path) as living, part_of(tmp_path) as second:
        assert {each.name for each in tmp_path.iterdir()} == {
            living.name,
            second.name,
            "other.part",
            ".authproxy-folder.part",
        }


def test_a_folder_that_is_not_there_and_a_full_disk_are_sentences(tmp_path: Path) -> None:
    """StoreFull is told apart."""
    with pytest.raises(StoreError, match="gone cannot be written: no such file"), part_of(tmp_path / "gone"):
        pass
    with pytest.raises(StoreFull, match="cannot be written: no space"), writes(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
