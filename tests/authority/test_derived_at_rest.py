"""What lies in the store for derived keys: sealed, by whom and when; and what it is worth without the master key."""

import asyncio
import hmac

import pytest

from authproxy.authority.derived import AGAIN, TOLD_LIMIT
from authproxy.authority.sealing import Masters
from authproxy.domain.derived import derive
from authproxy.domain.keys import PublicId, mint, parse
from authproxy.domain.policy import DEAD_KEY
from authproxy.domain.refusal import Denial
from authproxy.store import StoreFull
from authproxy.store.driver import sqlite3
from tests.authority.conftest import ELSEWHERE, HERE, NOW, SPEC
from tests.authority.forging import CAVEATS, MASTER, OTHER, forged


@pytest.fixture
def authority(build):
    return build(masters=Masters(MASTER))


@pytest.fixture
async def key(authority):
    """The text of a key, made with the master key at hand."""
    return (await authority.issue(SPEC, now=NOW))[1]


async def test_without_a_master_key_keys_work_and_derived_ones_do_not(build, authority, key, caplog):
    """The log says why, once for each key, and the client hears what it always hears."""
    bare = build()
    assert not bare.seals
    assert authority.seals
    text = derive(key, CAVEATS, "apx")
    for _ in range(3):
        assert await bare.authenticate(text, HERE, now=NOW) == DEAD_KEY
    assert [record.message for record in caplog.records] == [
        "a derived key was refused: there is no master key: keys.master_key in the configuration names one"
    ]
    assert caplog.records[0].public_id == parse(key, "apx").unverified_public_id
    assert (await bare.authenticate(key, HERE, now=NOW)).caveats is None


async def test_strangers_cannot_fill_the_log(build, authority, caplog):
    """Who names a key that lives makes one line, and who names none makes none."""
    bare = build()
    for number in range(3):
        stranger = mint("apx", PublicId(f"AAAAAAAAAAA{number}0"), bytes(32))
        await bare.authenticate(derive(stranger, CAVEATS, "apx"), HERE, now=NOW)
    assert not caplog.records
    assert TOLD_LIMIT < 10_000


async def test_a_key_from_before_the_master_key_is_sealed_when_it_proves_itself(build, store, caplog):
    """Until then nothing can be derived from it, from then on it can; 64 requests at once seal once."""
    _, text = await build().issue(SPEC, now=NOW)
    record = await store.key(parse(text, "apx").unverified_id)
    assert record.secrets[0].sealed is None
    authority, derived = build(masters=Masters(MASTER)), derive(text, CAVEATS, "apx")
    assert await authority.authenticate(derived, HERE, now=NOW) == DEAD_KEY
    assert "nothing is sealed for its key" in caplog.text
    await asyncio.gather(*(authority.authenticate(text, HERE, now=NOW) for _ in range(64)))
    assert len(authority.derivations._sealing) <= 1
    await authority.derivations.close()
    assert (await authority.authenticate(derived, HERE, now=NOW)).caveats == CAVEATS
    generation = store.generation()
    await authority.authenticate(text, HERE, now=NOW)
    await authority.derivations.close()
    assert store.generation() == generation


async def test_a_wrong_secret_seals_nothing(build, store):
    """Only what Argon2 has proved is sealed: else whoever knows an id could choose the MAC key."""
    record, text = await build().issue(SPEC, now=NOW)
    authority = build(masters=Masters(MASTER))
    wrong = mint("apx", parse(text, "apx").unverified_public_id, bytes([9]) * 32)
    assert await authority.authenticate(wrong, HERE, now=NOW) == DEAD_KEY
    await authority.derivations.close()
    assert (await store.key(record.id)).secrets[0].sealed is None


async def test_sealing_that_fails_is_told_and_tried_again_later(build, store, monkeypatch, caplog):
    """A full disk stops no request; the next try comes a minute later, for until then its header is not known again."""
    record, text = await build().issue(SPEC, now=NOW)
    authority = build(masters=Masters(MASTER))

    async def full(made):
        raise StoreFull("no room")

    with monkeypatch.context() as patched:
        patched.setattr(store.derivations, "seal", full)
        found = await authority.authenticate(text, HERE, now=NOW)
        assert found.key == record
        await authority.derivations.close()
    assert "was not sealed" in caplog.text
    authority.remember("Basic key", found)
    assert authority.recall("Basic key", HERE, now=NOW) is None
    for then in (NOW + AGAIN - 1, NOW + AGAIN):
        assert (await store.key(record.id)).secrets[0].sealed is None
        await authority.authenticate(text, HERE, now=then)
        await authority.derivations.close()
    assert (await store.key(record.id)).secrets[0].sealed is not None
    authority.remember("Basic key", found := await authority.authenticate(text, HERE, now=NOW))
    assert authority.recall("Basic key", HERE, now=NOW) is found


async def test_both_secrets_of_a_rotation_have_a_mac_key_of_their_own(authority, key, store):
    """What was derived from the old secret works until that ends, what is derived from the new one at once."""
    rotated = await authority.rotate(parse(key, "apx").unverified_id, 60, now=NOW)
    for text in (key, rotated.text):
        assert (await authority.authenticate(derive(text, CAVEATS, "apx"), HERE, now=NOW)).caveats == CAVEATS
    sealed = [secret.sealed for secret in rotated.record.secrets]
    assert None not in sealed
    assert len(set(sealed)) == 2
    assert await authority.authenticate(derive(key, CAVEATS, "apx"), HERE, now=NOW + 60) == DEAD_KEY


async def test_other_master_keys_count_from_the_next_request_on(authority, key):
    """What was proved under those before is proved again: one that is no longer named opens nothing."""
    text = derive(key, CAVEATS, "apx")
    found = await authority.authenticate(text, HERE, now=NOW)
    assert authority.still_holds(found, now=NOW)
    authority.under(Masters(OTHER))
    assert not authority.still_holds(found, now=NOW)
    assert await authority.authenticate(text, HERE, now=NOW) == DEAD_KEY
    authority.under(Masters(OTHER, [MASTER]))
    assert (await authority.authenticate(text, HERE, now=NOW)).caveats == CAVEATS


async def test_what_was_resealed_is_opened_anew(authority, key, change, store):
    """A remembered MAC key is good for what it was opened from: another under the same id takes its place."""
    text, public_id = derive(key, CAVEATS, "apx"), parse(key, "apx").unverified_public_id
    assert (await authority.authenticate(text, HERE, now=NOW)).caveats == CAVEATS
    change("UPDATE secrets SET mac = ?", Masters(MASTER).seal(public_id, bytes(32)))
    assert await authority.authenticate(text, HERE, now=NOW) == DEAD_KEY
    assert (await authority.authenticate(forged(key), HERE, now=NOW)).caveats == CAVEATS


async def test_a_stolen_database_forges_nothing(authority, key, database):
    """Every value of every row, whole and in parts, is tried as the MAC key; the control shows that the right one works."""
    record = await authority.authenticate(key, HERE, now=NOW)
    assert record.key is not None
    with sqlite3.connect(database) as stolen:
        tables = [name for (name,) in stolen.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        values = {value for name in tables for row in stolen.execute(f"SELECT * FROM {name}") for value in row}
    raw = {value if isinstance(value, bytes) else str(value).encode() for value in values}
    [sealed] = [value for value in raw if value.startswith(Masters(MASTER).head)]
    parts = {sealed[start : start + size] for size in (16, 32, 48) for start in range(len(sealed) - size + 1)}
    tried = raw | parts | {hmac.digest(value, b"authproxy derived keys 1", "sha256") for value in raw}
    assert len(tried) > 100
    for made_of in tried:
        found = await authority.authenticate(forged(key, made_of or b"\0"), ELSEWHERE, now=NOW)
        assert isinstance(found, Denial), made_of
    # With the master key it is another matter, and the documentation says so.
    opened = Masters(MASTER).open(record.public_id, sealed)
    assert (await authority.authenticate(forged(key, opened), ELSEWHERE, now=NOW)).caveats == CAVEATS
