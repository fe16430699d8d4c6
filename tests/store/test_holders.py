"""The keys of one policy, by pages and without secrets; and that no question about them touches the record."""

from dataclasses import replace
from pathlib import Path

import pytest

from authproxy.domain.grants import parse_grant
from authproxy.domain.keys import KeyId
from authproxy.store import Store, StoreError, holders
from authproxy.store.driver import sqlite3
from tests.store.samples import KEY, NOW


def named(number: int) -> KeyId:
    return KeyId(f"{number:012}")


async def read(store: Store, project: str | None = "acme-core", *, every: bool = False) -> list[str]:
    found = []
    async for page in store.holders("release", project, every=every, now=NOW):
        assert all(each.secrets == () for each in page)
        found += [each.id for each in page]
    return found


async def test_live_keys_of_a_policy_by_pages(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of creation, each once, whatever the size of a page; other policies' keys are not in it."""
    for number in range(5):
        await store.add_key(replace(KEY, id=named(number), created=NOW, policy="release" if number else "other"))
    expected = [KEY.id, *map(named, range(1, 5))]
    for page in (1, 2, 5, 100):
        monkeypatch.setattr(holders, "PAGE", page)
        assert await read(store) == expected


async def test_dead_keys_only_where_all_are_wanted(store: Store) -> None:
    """Paused and expired ones then, revoked ones never."""
    for number, changes in enumerate(({"paused": True}, {"expires": NOW}, {"revoked": NOW})):
        await store.add_key(replace(KEY, id=named(number), **changes))
    assert await read(store) == [KEY.id]
    assert set(await read(store, every=True)) == {KEY.id, named(0), named(1)}


async def test_a_key_is_whole_but_for_its_secrets(store: Store) -> None:
    """What its grants and networks are is what is judged."""
    record = replace(KEY, id=named(1), grants=(parse_grant("upload:acme-core"),), uses=3, used=1)
    await store.add_key(record)
    pages = [page async for page in store.holders("release", "acme-core", every=False, now=NOW)]
    assert replace(record, secrets=()) in pages[0]


async def test_the_record_is_not_read(store: Store, path: Path) -> None:
    """Ten million rows cost the question nothing: with the record's table gone it is still answered."""
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE record")
    connection.close()
    assert await read(store) == [KEY.id]
    with pytest.raises(Exception, match="record"):
        await store.record.latest(1)


async def test_keys_for_other_packages_are_not_read(store: Store) -> None:
    """A million keys for one package each cost little; whatever could be about the project is there."""
    for number, grants in enumerate(
        ("upload:acme-core", "upload:acme-web,acme-core", "upload:acme-web", "read:acme-*")
    ):
        await store.add_key(replace(KEY, id=named(number), created=NOW, grants=(parse_grant(grants),)))
    assert await read(store) == [KEY.id, named(0), named(1), named(3)]
    assert await read(store, None) == [KEY.id, named(3)]


async def test_grants_that_nobody_can_read_are_an_error(store: Store, path: Path) -> None:
    """Never half a key: the listing stops and says which."""
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE keys SET grants = ?", ('["dance:*"]',))
    connection.close()
    with pytest.raises(StoreError, match=KEY.id):
        await read(store)
