"""What an old store says against the keys of a backup holds in it; nothing that it says for them does."""

from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio

from authproxy.domain.keys import KeyId, Secret
from authproxy.store import Store
from authproxy.store.carrying import Carried, carry, pause_all, raise_generation
from authproxy.store.driver import sqlite3
from tests.store.samples import KEY, NOW

THEN = 3  # the generation: three keys were made
A, B = KeyId("KeyAAAAAAAAA"), KeyId("KeyBBBBBBBBB")


@dataclass(frozen=True, slots=True)
class Pair:
    """The old store, which went on from where the new one stands."""

    old: sqlite3.Connection
    new: sqlite3.Connection

    def later(self, statement: str) -> Carried | None:
        """Something happens in the old store; what is carried over."""
        self.old.execute(statement)
        self.old.execute("UPDATE meta SET generation = generation + 1")
        return carry(self.old, self.new, THEN, NOW)

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        return self.new.execute(sql).fetchall()


@pytest_asyncio.fixture
async def pair(store: Store, path: Path) -> AsyncIterator[Pair]:
    """Two keys; B has two secrets."""
    await store.add_key(replace(KEY, id=A))
    second = Secret("1", "$argon2id$second", NOW, None)
    await store.add_key(
        replace(KEY, id=B, secrets=(*(replace(each, expires=NOW + 50) for each in KEY.secrets), second))
    )
    await store.close()
    new = path.with_name("new.db")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(new)) as target:
        source.backup(target)
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as old,
        closing(sqlite3.connect(new, isolation_level=None)) as fresh,
    ):
        yield Pair(old, fresh)


async def test_what_was_revoked_since_is_revoked(pair: Pair) -> None:
    """With its time; and once is enough."""
    assert pair.later(f"UPDATE keys SET revoked = 77 WHERE id = '{A}'") == Carried(revoked=[A])
    assert pair.rows(f"SELECT revoked FROM keys WHERE id = '{A}'") == [(77,)]
    assert pair.rows(f"SELECT revoked FROM keys WHERE id = '{B}'") == [(None,)]
    assert carry(pair.old, pair.new, THEN, NOW) == Carried()


async def test_what_was_paused_since_is_paused(pair: Pair) -> None:
    """And says that a restore did it, so that it can be told from a pause of the backup's own."""
    assert pair.later(f"UPDATE keys SET paused = 77 WHERE id = '{A}'") == Carried(paused=[A])
    assert pair.rows(f"SELECT paused, paused_why FROM keys WHERE id = '{A}'") == [(77, "restored")]


async def test_uses_that_were_spent_are_spent(pair: Pair) -> None:
    """A key for five files stays one."""
    assert pair.later(f"UPDATE keys SET used = 4 WHERE id = '{A}'") == Carried()
    assert pair.rows(f"SELECT used FROM keys WHERE id = '{A}'") == [(4,)]


async def test_a_secret_that_a_rotation_ended_is_ended(pair: Pair) -> None:
    """Gone, or with the end that it got; the other one works on."""
    assert pair.later(f"DELETE FROM secrets WHERE key_id = '{B}' AND slot = '0'") == Carried(secrets=[B])
    assert pair.rows(f"SELECT slot FROM secrets WHERE key_id = '{B}'") == [("1",)]
    assert pair.later(f"UPDATE secrets SET expires = 99 WHERE key_id = '{B}'") == Carried(secrets=[B])
    assert pair.rows(f"SELECT expires FROM secrets WHERE key_id = '{B}'") == [(99,)]
    assert pair.later(f"UPDATE secrets SET expires = 999 WHERE key_id = '{B}'") == Carried(), "an end is not put off"


async def test_a_key_of_which_no_secret_is_left_is_revoked(pair: Pair) -> None:
    """No secret comes from the old store, which somebody else may have written to; and none that was ended is revived."""
    assert pair.later(f"UPDATE secrets SET digest = 'mallory' WHERE key_id = '{A}'") == Carried(revoked=[A])
    assert pair.rows(f"SELECT slot, digest FROM secrets WHERE key_id = '{A}'") == [("0", KEY.secrets[0].digest)]
    assert pair.rows(f"SELECT revoked, paused FROM keys WHERE id = '{A}'") == [(NOW, None)]


async def test_nothing_works_because_the_old_store_says_so(pair: Pair) -> None:
    """A key that the backup has revoked, paused or nearly used up stays so; one that it does not have is not made."""
    pair.new.execute(f"UPDATE keys SET revoked = 5, used = 9 WHERE id = '{A}'")
    pair.new.execute(f"UPDATE keys SET paused = 6, paused_why = 'unused' WHERE id = '{B}'")
    columns = "id, owner, note, policy, grants, networks, used, created"
    found = pair.later(
        f"INSERT INTO keys ({columns}) SELECT 'KeyCCCCCCCCC', {columns.partition(', ')[2]} FROM keys WHERE id = '{A}'"
    )
    assert found == Carried(lost=["KeyCCCCCCCCC"])
    assert pair.rows(f"SELECT revoked, used FROM keys WHERE id = '{A}'") == [(5, 9)]
    assert pair.rows(f"SELECT paused, paused_why FROM keys WHERE id = '{B}'") == [(6, "unused")]
    assert pair.rows("SELECT count(*) FROM keys") == [(3,)]


@pytest.mark.parametrize(
    "statement",
    [
        f"DELETE FROM keys WHERE id = '{A}'",
        f"UPDATE keys SET created = 1 WHERE id = '{A}'",
        "UPDATE meta SET generation = 0",
        "DELETE FROM meta",
    ],
    ids=["lacks a key", "has another key by that name", "is older", "was never used"],
)
async def test_a_store_that_is_not_what_came_of_the_backup_cannot_say(pair: Pair, statement: str) -> None:
    """A new store on a new disk revoked nothing, and that proves nothing. The control: it could say before."""
    assert pair.later(f"UPDATE keys SET revoked = 77 WHERE id = '{B}'") == Carried(revoked=[B])
    pair.old.execute(statement)
    assert carry(pair.old, pair.new, THEN, NOW) is None


async def test_a_damaged_store_raises(pair: Pair) -> None:
    """What sqlite3 says of it; the caller knows what that means."""
    pair.old.execute("DROP TABLE keys")
    with pytest.raises(sqlite3.Error):
        carry(pair.old, pair.new, THEN, NOW)


async def test_pausing_all_pauses_what_lives(pair: Pair) -> None:
    """Not what is revoked, expired or paused already."""
    pair.new.execute(f"UPDATE keys SET revoked = 5 WHERE id = '{A}'")
    pair.new.execute(f"UPDATE keys SET expires = {NOW} WHERE id = '{KEY.id}'")
    assert pause_all(pair.new, NOW) == 1
    assert pair.rows("SELECT id FROM keys WHERE paused_why = 'restored'") == [(B,)]
    assert pause_all(pair.new, NOW) == 0


async def test_the_generation_never_goes_back(pair: Pair) -> None:
    """It is higher than in either; an old store that cannot be read has none."""
    pair.old.execute("UPDATE meta SET generation = 500")
    raise_generation(pair.new, pair.old)
    assert pair.rows("SELECT generation FROM meta") == [(501,)]
    raise_generation(pair.new, None)
    assert pair.rows("SELECT generation FROM meta") == [(502,)]
    pair.old.execute("DROP TABLE meta")
    raise_generation(pair.new, pair.old)
    assert pair.rows("SELECT generation FROM meta") == [(503,)]


async def test_derived_keys_that_were_ended_since_are_ended(pair: Pair) -> None:
    """Whoever ended a captured one must not have to do it again."""
    assert pair.later("INSERT INTO ended VALUES ('derived', 99), ('endless', NULL)") == Carried()
    assert pair.rows("SELECT name, until FROM ended ORDER BY name") == [("derived", 99), ("endless", None)]


async def test_what_was_good_once_since_is_spent(pair: Pair) -> None:
    """Its upload has no row in the copy, and no later one may pass for it: rows are numbered from 1."""
    pair.new.execute("INSERT INTO nonces VALUES ('both', 7, 99)")
    pair.later("INSERT INTO nonces VALUES ('both', 8, 99), ('later', 9, 99)")
    assert pair.rows("SELECT nonce, record_id, until FROM nonces ORDER BY nonce") == [("both", 0, 99), ("later", 0, 99)]


async def test_a_store_of_a_version_without_derived_keys_can_still_say(pair: Pair) -> None:
    """What it knows of keys counts."""
    pair.old.execute("DROP TABLE nonces")
    assert pair.later(f"UPDATE keys SET revoked = 77 WHERE id = '{A}'") == Carried(revoked=[A])


async def test_a_token_that_was_used_since_stays_used(pair: Pair) -> None:
    """Whoever restores a backup of this morning must not let this morning's tokens mint again."""
    pair.new.execute("INSERT INTO assertions VALUES ('known', 5)")
    pair.later("INSERT INTO assertions VALUES ('known', 7), ('since', 9)")
    assert pair.rows("SELECT id, until FROM assertions ORDER BY id") == [("known", 5), ("since", 9)]


async def test_a_name_stays_with_whom_it_belonged_to_since(pair: Pair) -> None:
    """A pin only narrows; one that the backup has is not replaced by what an old store says."""
    pair.new.execute("INSERT INTO pins VALUES ('noted', 1, NULL, NULL), ('pinned', 1, 2, '{\"id\": \"74\"}')")
    pinned = "('noted', 9, 9, '{\"id\": \"1\"}'), ('pinned', 9, 9, '{\"id\": \"2\"}'), ('new', 9, 9, '{\"id\": \"3\"}')"
    pair.later(f"INSERT INTO pins VALUES {pinned}, ('unused', 9, NULL, NULL)")
    assert pair.rows("SELECT * FROM pins ORDER BY publisher") == [
        ("new", NOW, None, '{"id": "3"}'),
        ("noted", 1, None, '{"id": "1"}'),
        ("pinned", 1, 2, '{"id": "74"}'),
    ]


async def test_minted_keys_come_and_go(pair: Pair) -> None:
    """One of the backup that was swept since does not make the old store a stranger; one made since is not missed."""
    pair.new.execute(f"UPDATE keys SET kind = 'minted' WHERE id = '{A}'")
    pair.old.execute(f"DELETE FROM keys WHERE id = '{A}'")
    made = pair.later(
        f"INSERT INTO keys SELECT 'KeyCCCCCCCCC', {_others(pair)}, 'minted', 0, 'p', '{{}}' FROM keys WHERE id = '{B}'"
    )
    assert made == Carried()


def _others(pair: Pair) -> str:
    names = [name for _, name, *_ in pair.old.execute("PRAGMA table_info(keys)")]
    return ", ".join(names[1:-4])
