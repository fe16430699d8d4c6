"""Which SQLite is taken, and that the whole program has one."""

import re
import sqlite3 as own
from pathlib import Path

import pytest

from authproxy.store import driver
from authproxy.store.driver import wal_is_safe

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 53, 4), True),
        ((4, 0, 0), True),
    ],
)
def test_which_versions_may_share_a_wal(version: tuple[int, int, int], safe: bool) -> None:
    """The table of https://sqlite.org/wal.html#walresetbug."""
    assert wal_is_safe(version) is safe


def test_pythons_own_is_left_only_for_one_that_is_safe() -> None:
    """Where it is not old there is no reason for another; and an older one than Python's is never taken."""
    taken = driver.sqlite3.sqlite_version_info
    if wal_is_safe(own.sqlite_version_info):
        assert driver.sqlite3 is own
    else:
        assert driver.sqlite3 is own or wal_is_safe(taken)
    assert taken >= own.sqlite_version_info


def test_nobody_takes_another() -> None:
    """A second copy in one process lets go of the first one's locks: the program, its tests and its benches have one."""
    # These two take what only Python's has: the names of codes, and a dump by any connection.
    names = {Path("tests/store/test_errors.py"), Path("tests/peers/sqlite.py")}
    here = {Path("authproxy/store/driver.py"), Path("tests/store/test_driver.py"), *names}
    files = [path for room in ("authproxy", "tests", "bench") for path in (ROOT / room).rglob("*.py")]
    direct = [
        path.relative_to(ROOT)
        for path in files
        if re.search(r"^\s*(?:import|from) (?:py)?sqlite3\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert set(direct) == here
