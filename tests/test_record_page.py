"""docs/record.md lets somebody else verify the record: its lines are run, on a sound record and on one that is not."""

import asyncio
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from authproxy.domain.access import Outcome
from authproxy.store import Store, migrate
from authproxy.store.driver import sqlite3
from authproxy.store.tables import record
from tests.store.samples import KEY, NOW, admitted, finish, upload

PAGE = (Path(__file__).parents[1] / "docs" / "record.md").read_text(encoding="utf-8")
(LINES,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A record with everything in it that a chain can have, the pruned end too."""
    path = tmp_path / "authproxy.db"

    async def fill() -> None:
        await migrate(f"sqlite:///{path}")
        store = await Store.open(f"sqlite:///{path}")
        await store.add_key(KEY)
        await store.record_refusal(upload("0.0"), "no-rule", "no")
        await finish(store, upload("1.0"))
        _ = [batch async for batch in store.record.prune(NOW * 1000 + 6, NOW * 1000 + 1000)]
        await store.record_refusal(upload("1.1", client='\u202e"\\\x1b\n\U0001f600'), "no-rule", "no")
        await finish(store, replace(upload("1.2"), owner=None), outcome=Outcome.UNKNOWN)
        await finish(store, upload("1.3", source="team/dev"), outcome=Outcome.REFUSED)
        await finish(store, upload("1.5", attestations='[{"sha256":"00"}]'))
        await admitted(store, upload("1.4"))
        await store.close()

    asyncio.run(fill())
    return path


def verified(database: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LINES, database], capture_output=True, text=True, timeout=60, check=False
    )


def test_the_pages_lines_find_a_sound_record_sound(database: Path) -> None:
    """And end at the head that `audit verify` ends at; they are few enough to be read."""
    ran = verified(database)
    assert ran.returncode == 0, ran.stderr

    async def head() -> tuple[int, str]:
        store = await Store.open(f"sqlite:///{database}")
        found, _ = await store.record.standing()
        await store.close()
        return found.link, found.hash.hex()

    assert ran.stdout.split() == [str(each) for each in asyncio.run(head())]
    assert len(LINES.splitlines()) <= 37


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE record SET rule = 'x' WHERE id = 3",
        "UPDATE record SET rule = 'x' WHERE id = 2",
        "UPDATE record SET outcome = 'stored' WHERE id = 5",
        "UPDATE record SET source = NULL WHERE id = 5",
        "UPDATE record SET claims = '{}' WHERE id = 2",
        "UPDATE record SET completed_ms = 5 WHERE id = 2",
        "UPDATE record SET completed_ms = NULL WHERE id = 5",
        "DELETE FROM record WHERE id = 4",
        "DELETE FROM links WHERE id = 6",
        "UPDATE links SET outcome = 'stored' WHERE id = 7",
        "UPDATE anchor SET link_id = 4",
    ],
)
def test_the_pages_lines_find_a_change(database: Path, statement: str) -> None:
    """Negative control: what is wrong is named."""
    raw = sqlite3.connect(database)
    raw.execute(statement)
    raw.commit()
    raw.close()
    ran = verified(database)
    assert ran.returncode == 1
    assert re.search("AssertionError: (link|row) [0-9]+", ran.stderr)


def test_the_page_names_every_column() -> None:
    """Of the record, in the table of its columns."""
    table = PAGE[PAGE.index("## A row") : PAGE.index("## The chain")]
    assert [each.name for each in record.columns if f"`{each.name}`" not in table] == []
