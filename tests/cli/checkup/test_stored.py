"""The store and its keys: what is wrong with them, and that looking changes nothing."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from authproxy.cli.checkup import stored
from authproxy.cli.checkup.finding import Finding
from authproxy.cli.checkup.stored import DAY, check_store
from authproxy.config import Config
from authproxy.domain.keys import KeyId, KeyRecord
from authproxy.store import Store, migrate
from authproxy.store.driver import sqlite3
from authproxy.store.examination import StoreInterrupted
from tests.cli.checkup.conftest import Configured, nothing_changes
from tests.store.samples import ENTRY, KEY, NOW, finish, upload

POLICIES = {name: {"allow": [{"actions": ["upload"], "packages": ["acme-*"]}]} for name in ("release", "nightly")}


@pytest.fixture
def config(configured: Configured) -> Config:
    """A configuration with two policies and a new store."""
    made = configured(key_policies=POLICIES)
    asyncio.run(migrate(made.store))
    return made


def look(config: Config) -> dict[str, list[Finding]]:
    """All findings by name, of a folder that is the same afterwards."""
    found: dict[str, list[Finding]] = {}
    with nothing_changes(config.file.parent):
        for each in check_store(config, now=NOW):
            found.setdefault(each.name, []).append(each)
    return found


def fill(config: Config, *records: KeyRecord) -> None:
    """Put keys into the store."""

    async def put() -> None:
        store = await Store.open(config.store)
        for number, record in enumerate(records):
            await store.add_key(replace(record, id=KeyId(f"Abc123XYZ{number:03}")))
        await store.close()

    asyncio.run(put())


def database(config: Config) -> Path:
    return config.file.with_name("authproxy.db")


LASTING = replace(KEY, expires=NOW + 31 * DAY)


def test_a_store_in_order(config: Config) -> None:
    """All that is looked at, and none of it is amiss."""
    fill(config, LASTING, replace(LASTING, policy="nightly"))
    found = look(config)
    assert set(found) == {
        "store",
        "store-schema",
        "store-journal",
        "record",
        "alarms",
        "keys",
        "policies",
        "master-key",
    }
    assert {each.verdict for several in found.values() for each in several} == {"ok"}
    assert "2 live keys" in found["keys"][0].sentence


def test_a_new_store(config: Config) -> None:
    """Where there are no keys at all, a policy without keys is no news."""
    found = look(config)
    assert [each.verdict for each in (*found["keys"], *found["policies"])] == ["ok", "ok"]
    assert found["keys"][0].sentence == "there are no keys yet"


def test_keys_that_have_all_ended(config: Config) -> None:
    """There were some: whoever reads "not yet" would look for them elsewhere."""
    fill(config, replace(LASTING, revoked=NOW), replace(LASTING, expires=NOW - 1))
    assert look(config)["keys"][0].sentence == "no key is live: 2 keys ended, by time or revoked"


def test_no_store(configured: Configured) -> None:
    """Before the first start there is none, which is a warning; none is made."""
    config = configured()
    [found] = look(config)["store"]
    assert (found.verdict, "`authproxy serve` makes it" in str(found.advice)) == ("warning", True)
    assert not database(config).exists()


def test_no_store_and_no_folder_for_it(configured: Configured) -> None:
    """No start makes that, nor does `db migrate`: a problem, and the command that mends it."""
    config = configured(store="sqlite:///no/where.db")
    [found] = look(config)["store"]
    folder = config.file.with_name("no")
    assert (found.verdict, found.advice) == ("problem", f"make it: mkdir -p -m 700 {folder}")


def _readable_by_all(path: Path) -> None:
    path.chmod(0o644)


def _folder_of_everybody(path: Path) -> None:
    path.parent.chmod(0o777)


def _older(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0000'")


def _newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _garbage(path: Path) -> None:
    path.write_bytes(b"no database, but a text of some length\n" * 100)


@pytest.mark.parametrize(
    ("spoil", "name", "verdict", "words", "advice"),
    [
        pytest.param(_readable_by_all, "store", "problem", "mode 0644", "chmod 600", id="mode 0644"),
        pytest.param(
            _folder_of_everybody, "store", "warning", "others may write", "go-w", id="a folder of everybody's"
        ),
        pytest.param(_older, "store-schema", "problem", "0000, which is not", "db migrate", id="an outdated schema"),
        pytest.param(
            _newer, "store-schema", "problem", "of a newer authproxy", "install", id="a schema from the future"
        ),
        pytest.param(_empty, "store-schema", "problem", "at schema none", "db migrate", id="an empty file"),
        pytest.param(_garbage, "store", "problem", "is not an authproxy database", "another file", id="a text file"),
    ],
)
def test_a_store_that_is_not_in_order(
    config: Config, spoil: Callable[[Path], None], name: str, verdict: str, words: str, advice: str
) -> None:
    """What is wrong, how bad, and what to do; in the folder nothing changes."""
    spoil(database(config))
    [found] = look(config)[name]
    assert (found.verdict, words in found.sentence, advice in str(found.advice)) == (verdict, True, True), found


def test_a_sticky_folder_is_no_danger(config: Config) -> None:
    """As /tmp: there nobody replaces what is somebody else's."""
    database(config).parent.chmod(0o1777)
    assert [each.verdict for each in look(config)["store"]] == ["ok"]


@pytest.mark.parametrize(("safe", "verdict"), [(True, "ok"), (False, "warning")])
def test_wal_and_the_sqlite_that_damages_it(
    config: Config, monkeypatch: pytest.MonkeyPatch, safe: bool, verdict: str
) -> None:
    """The same file is well with one version of SQLite and in danger with another."""
    with closing(sqlite3.connect(database(config))) as connection:
        connection.execute("PRAGMA journal_mode=wal")
    monkeypatch.setattr(stored, "sqlite_version", lambda: ("3.0.0", safe))
    [found] = look(config)["store-journal"]
    assert (found.verdict, "WAL" in found.sentence, "3.0.0" in found.sentence) == (verdict, True, True)


def test_a_store_that_is_held(config: Config) -> None:
    """Another program in the middle of a commit: a warning, since it passes. In WAL nobody has to wait for one."""
    with closing(sqlite3.connect(database(config), isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode=TRUNCATE")
    with closing(sqlite3.connect(database(config), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        [found] = list(check_store(config, now=NOW))
    assert (found.verdict, "held by another program" in found.sentence) == ("warning", True)


def test_a_store_that_was_left_in_the_middle(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `examine` says of it is a warning: the next start mends it."""

    def interrupted(*_: object, **__: object) -> None:
        raise StoreInterrupted("x.db was left in the middle of a commit")

    monkeypatch.setattr(stored, "examine", interrupted)
    [found] = check_store(config, now=NOW)
    assert (found.verdict, "db check" in str(found.advice)) == ("warning", True)


def test_keys_that_end_soon_and_keys_that_never_do(config: Config) -> None:
    """Both are named, with their owners, and the first with the day on which it ends."""
    soon = replace(KEY, owner="soon@acme", expires=NOW + 30 * DAY, policy="nightly")
    fill(
        config,
        LASTING,
        replace(soon, created=NOW - 60 * DAY),
        replace(KEY, owner="ever@acme", expires=None),
        replace(KEY, expires=NOW - 1),
    )
    ending, endless = look(config)["keys"]
    assert [each.verdict for each in (ending, endless)] == ["warning", "warning"]
    assert "1 key will end within 30 days: Abc123XYZ001 of soon@acme (2027-02-14)" in ending.sentence
    assert "1 key will never end: Abc123XYZ002 of ever@acme" in endless.sentence


def test_keys_that_are_made_for_a_day(config: Config) -> None:
    """They end soon all their life, and that is no news."""
    day = replace(KEY, created=NOW - DAY // 2, expires=NOW + DAY // 2, policy="nightly")
    fill(config, LASTING, day, replace(day, created=NOW, expires=NOW + 30 * DAY), replace(day, created=NOW - 40 * DAY))
    [found] = look(config)["keys"]
    assert "1 key will end within 30 days: Abc123XYZ003 of" in found.sentence


def test_many_keys_are_counted(config: Config) -> None:
    """Five are named, and how many more there are is said."""
    fill(config, *[replace(KEY, expires=None)] * 8)
    [found] = look(config)["keys"]
    assert found.sentence.startswith("8 keys will never end")
    assert found.sentence.endswith("and 3 more")


def test_policies_without_keys_and_keys_without_policies(config: Config) -> None:
    """A policy that nobody needs, and keys that nothing allows any more."""
    fill(config, LASTING, replace(LASTING, policy="gone"), replace(LASTING, policy="gone"))
    lost, unused = look(config)["policies"]
    assert "'gone' (2 keys)" in lost.sentence
    assert "'nightly'" in unused.sentence
    assert "make a key under it, or take it out" in str(unused.advice)
    assert "'release'" not in unused.sentence
    assert [each.verdict for each in (lost, unused)] == ["warning", "warning"]


def test_open_alarms_are_a_warning(config: Config) -> None:
    """One of changed bytes and one of a file that is gone, with the command to run; none once they are settled."""
    other = upload("1.1")

    async def alarmed() -> None:
        store = await Store.open(config.store)
        await store.add_key(LASTING)
        for each, found in ((ENTRY, "f" * 64), (other, None)):
            await finish(store, each)
            row = await store.file("", each.identity)
            assert row is not None
            await store.unfinished.found(row, found, now=NOW)
        await store.close()

    asyncio.run(alarmed())
    [found] = look(config)["alarms"]
    assert (found.verdict, found.sentence.split(" not ")[0]) == ("warning", "2 files of the index are")
    assert "`authproxy audit reconcile`" in str(found.advice)

    async def mended() -> None:
        store = await Store.open(config.store)
        for each in (ENTRY, other):
            row = await store.file("", each.identity)
            assert row is not None
            await store.unfinished.found(row, each.sha256, now=NOW)
        await store.close()

    asyncio.run(mended())
    assert [each.verdict for each in look(config)["alarms"]] == ["ok"]


def test_a_record_that_was_changed_is_a_problem(config: Config) -> None:
    """Which row, and what looks at all of them; before that it is fine."""

    async def refuse() -> None:
        store = await Store.open(config.store)
        await store.record_refusal(ENTRY, "no-rule", "no")
        await store.close()

    asyncio.run(refuse())
    assert look(config)["record"][0].verdict == "ok"
    with closing(sqlite3.connect(database(config))) as opened, opened:
        opened.execute("UPDATE record SET owner = 'mallory'")
    [found] = look(config)["record"]
    assert (found.verdict, "row 1 was changed" in found.sentence) == ("problem", True)
