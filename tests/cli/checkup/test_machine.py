"""What the machine gives, seen without writing anything."""

import os
import re
import resource
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from authproxy.cli.checkup import machine
from authproxy.cli.checkup.machine import (
    MIB,
    check_descriptors,
    check_disk,
    check_memory,
    free_memory,
    own_addresses,
    size,
)
from tests.cli.checkup.conftest import Configured, nothing_changes


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 MiB"), (19 * MIB, "19 MiB"), (1024 * MIB, "1.0 GiB"), (2500 * MIB, "2.4 GiB")]
)
def test_sizes_for_people(count: int, text: str) -> None:
    """In the unit that a person would take."""
    assert size(count) == text


@pytest.mark.parametrize(("limit", "verdict"), [(256, "warning"), (1024, "ok"), (4096, "ok")])
def test_descriptors(configured: Configured, limit: int, verdict: str) -> None:
    """The limit of this session, set for real; what systems have by default is enough."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < limit:
        pytest.skip("this session may not open so many files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        [found] = check_descriptors(configured())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (found.verdict, str(limit) in found.sentence) == (verdict, True)


def test_there_is_room(configured: Configured, tmp_path: Path) -> None:
    """On the disk that these tests run on, with a small limit; and looking leaves nothing there."""
    config = configured(limits={"max_upload": "1MiB"})
    with nothing_changes(tmp_path):
        [found] = check_disk(config)
    assert found.verdict == "ok", found


def test_less_room_than_the_largest_upload_takes(configured: Configured) -> None:
    """No disk has a quarter of an exabyte free."""
    [found] = check_disk(configured(limits={"max_upload": "250000TiB"}))
    assert (found.verdict, "limits.max_upload" in found.sentence) == ("warning", True)


def test_no_room(configured: Configured, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is a problem whatever the limits are."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(MIB, MIB, 0))
    [found] = check_disk(configured())
    assert (found.verdict, "0 MiB" in found.sentence) == ("problem", True)


def test_a_state_directory_that_the_server_will_make(configured: Configured, tmp_path: Path) -> None:
    """It makes one directory; doctor makes none."""
    config = configured(state_directory="later")
    [found] = check_disk(config)
    assert found.verdict == "ok"
    assert not (tmp_path / "later").exists()


def test_a_state_directory_that_it_cannot_make(configured: Configured) -> None:
    """Nor is there one above it."""
    [found] = check_disk(configured(state_directory="no/such/place"))
    assert (found.verdict, "mkdir -p" in str(found.advice)) == ("problem", True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_state_directory_that_is_somebody_elses(configured: Configured, tmp_path: Path) -> None:
    """Found without trying to write."""
    config = configured()
    (tmp_path / "state").chmod(0o500)
    [found] = check_disk(config)
    assert (found.verdict, "cannot be written" in found.sentence) == ("problem", True)


@pytest.mark.parametrize(("free", "verdicts"), [(8192 * MIB, ["ok"]), (60 * MIB, ["warning"]), (None, [])])
def test_memory(configured: Configured, monkeypatch: pytest.MonkeyPatch, free: int | None, verdicts: list[str]) -> None:
    """Enough for hashing beside the server itself, too little, and a system that does not say."""
    monkeypatch.setattr(machine, "free_memory", lambda: free)
    assert [each.verdict for each in check_memory(configured())] == verdicts


def test_memory_of_this_machine() -> None:
    """What Linux says; elsewhere nothing is said."""
    free = free_memory()
    assert (free is not None and free > 0) if Path("/proc/meminfo").exists() else free is None


@pytest.mark.parametrize(
    ("limit", "used", "expected"),
    [("max", "1", 2048 * 1024), ("1048576", "1048000", 576), ("1000", "2000", 0), (None, None, 2048 * 1024)],
    ids=["no limit of a container", "a container's limit is nearer", "over its limit", "no container"],
)
def test_memory_of_a_container(tmp_path: Path, limit: str | None, used: str | None, expected: int) -> None:
    """Of the two limits the nearer one counts."""
    (tmp_path / "meminfo").write_text("MemTotal: 4096 kB\nMemAvailable:    2048 kB\n")
    if limit and used:
        (tmp_path / "memory.max").write_text(f"{limit}\n")
        (tmp_path / "memory.current").write_text(f"{used}\n")
    assert free_memory(tmp_path / "meminfo", tmp_path) == expected


def test_no_memory_is_known(tmp_path: Path) -> None:
    """Where there is neither file."""
    assert free_memory(tmp_path / "meminfo", tmp_path) is None


ROUTES = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
           |-- 127.0.0.1
              /32 host LOCAL
     +-- 10.9.8.0/24 2 0 2
           |-- 10.9.8.0
              /24 link UNICAST
           |-- 10.9.8.7
              /32 host LOCAL
           |-- 10.9.8.255
              /32 link BROADCAST
"""
IPV6 = """\
00000000000000000000000000000001 01 80 10 80       lo
fd000000000000000000000000000009 02 40 00 80     eth0
fe8000000000000000fc00fffe000001 02 40 20 80     eth0
"""


def test_addresses_of_all_interfaces(tmp_path: Path) -> None:
    """Those that are this machine's own, without loopback, link-local, networks and broadcast."""
    (tmp_path / "routes").write_text(ROUTES)
    (tmp_path / "ipv6").write_text(IPV6)
    found = own_addresses(tmp_path / "routes", tmp_path / "ipv6")
    assert {"10.9.8.7", "fd00::9"} <= set(found)
    assert not [each for each in found if re.match(r"127\.|::1$|fe80:|10\.9\.8\.(0|255)$|0\.0\.0\.0", each)]


def test_addresses_of_this_machine() -> None:
    """Whatever they are, none is loopback, and a listener can be bound to each."""
    import socket

    for address in own_addresses():
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family) as listener:
            listener.bind((address, 0))
