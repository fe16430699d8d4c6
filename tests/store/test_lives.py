"""The steps of a key's life: each changes what it says and nothing else, or says why not."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from authproxy.domain.keys import KeyId, KeyRecord, Secret
from authproxy.store import Extend, Finish, LastUse, Rotate, Shown, Step, Store, TakeBack, Unchanged, last_uses
from tests.store.samples import ENTRY, ID, KEY, NOW, admitted, generation

Rows = Callable[..., list[Any]]

WEEK = 7 * 86_400
SECOND = Secret("1", "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$c2Vjb25k", NOW, None)
THIRD = replace(SECOND, slot="2", digest=SECOND.digest.replace("c2Vj", "dGhp"))
ROTATE = Rotate(SECOND, "0", 1000)
USE = LastUse(ID, "0", NOW, "read", "acme-core", "192.0.2.7", "pip/26.3")


async def taken(store: Store, step: Step, now: int = NOW) -> KeyRecord:
    """Take a step, or fail the test."""
    done = await store.change_key(ID, step, now=now)
    assert isinstance(done, KeyRecord), done
    return done


async def refused(store: Store, step: Step, now: int = NOW) -> Unchanged:
    """Take a step that must change nothing, not even the generation."""
    before, number = await store.key(ID), await generation(store)
    done = await store.change_key(ID, step, now=now)
    assert isinstance(done, Unchanged), done
    assert (await store.key(ID), await generation(store)) == (before, number)
    return done


def ends(record: KeyRecord) -> dict[str, int | None]:
    return {secret.slot: secret.expires for secret in record.secrets}


async def test_a_rotation_leaves_two_secrets(store: Store) -> None:
    """The new one lives with the key, the old one ends after the overlap; running servers see it at once."""
    before = await generation(store)
    record = await taken(store, ROTATE)
    assert ends(record) == {"0": NOW + 1000, "1": None}
    assert record.secrets[0].digest == KEY.secrets[0].digest
    assert await generation(store) != before
    assert replace(record, secrets=KEY.secrets) == KEY


async def test_no_secret_outlives_its_key(store: Store) -> None:
    """The key ends in 10,000 seconds, and so does its old secret, also when the key is extended later."""
    await taken(store, replace(ROTATE, overlap=WEEK))
    record = await taken(store, Extend(KEY.expires, NOW + 10 * WEEK))
    assert ends(record) == {"0": KEY.expires, "1": None}


async def test_a_key_without_an_end_rotates_too(store: Store) -> None:
    """The old secret has an end all the same."""
    endless = replace(KEY, id=KeyId("Endless00000"), expires=None)
    await store.add_key(endless)
    done = await store.change_key(endless.id, ROTATE, now=NOW)
    assert isinstance(done, KeyRecord)
    assert ends(done) == {"0": NOW + 1000, "1": None}


async def test_never_more_than_two_live_secrets(store: Store, rows: Rows) -> None:
    """A second rotation waits for the end of the first, and then takes the dead secret away."""
    await taken(store, ROTATE)
    no = await refused(store, Rotate(THIRD, "1", 1000))
    assert (no.reason, no.ends) == ("rotating", NOW + 1000)
    record = await taken(store, Rotate(THIRD, "1", 1000), now=NOW + 1000)
    assert ends(record) == {"1": NOW + 2000, "2": None}
    assert rows("SELECT count(*) FROM secrets") == [(2,)]


async def test_of_two_rotations_at_once_one_wins(store: Store, url: str) -> None:
    """Two operators: one gets a new secret, the other is told; the database has two secrets and not three."""
    other = await Store.open(url)
    done = await asyncio.gather(*(each.change_key(ID, ROTATE, now=NOW) for each in (store, other, store, other)))
    await other.close()
    assert sorted(isinstance(each, KeyRecord) for each in done) == [False, False, False, True]
    assert {each.reason for each in done if isinstance(each, Unchanged)} == {"rotating"}


REFUSALS = {
    "no such key": (KeyId("Nobody000000"), {}, ROTATE, "unknown"),
    "revoked": (ID, {"revoked": NOW}, ROTATE, "revoked"),
    "expired": (ID, {"expires": NOW}, ROTATE, "expired"),
    "somebody was quicker": (ID, {}, replace(ROTATE, replaces="7"), "changed"),
    "again, without a rotation": (ID, {}, replace(ROTATE, again=True), "not rotating"),
    "finish, without a rotation": (ID, {}, Finish(None), "not rotating"),
    "finish of no key": (KeyId("Nobody000000"), {}, Finish(None), "unknown"),
    "take back, without a rotation": (ID, {}, TakeBack("0"), "not rotating"),
    "extend a revoked key": (ID, {"revoked": NOW}, Extend(KEY.expires, NOW + WEEK), "revoked"),
    "extend what was extended meanwhile": (ID, {}, Extend(NOW, NOW + WEEK), "changed"),
}


@pytest.mark.parametrize(("key_id", "changes", "step", "reason"), REFUSALS.values(), ids=REFUSALS.keys())
async def test_what_is_refused(
    store: Store, rows: Rows, key_id: KeyId, changes: dict[str, Any], step: Step, reason: str
) -> None:
    """Each has its word, and nothing is changed."""
    for column, value in changes.items():
        rows(f"UPDATE keys SET {column} = ?", value)
    before = await store.key(ID)
    done = await store.change_key(key_id, step, now=NOW)
    assert isinstance(done, Unchanged)
    assert done.reason == reason
    assert await store.key(ID) == before


async def test_finish_ends_the_old_secret(store: Store) -> None:
    """The row is gone, and the new one is the only one."""
    await taken(store, ROTATE)
    record = await taken(store, Finish(None), now=NOW + 5)
    assert ends(record) == {"1": None}
    assert (await refused(store, Finish(None), now=NOW + 5)).reason == "not rotating"


@pytest.mark.parametrize(("since", "finished"), [(NOW - 1, False), (NOW, True), (None, True)])
async def test_finish_looks_at_the_last_use(store: Store, since: int | None, finished: bool) -> None:
    """Used after that moment: no, and who it was; else, or by force, yes."""
    await taken(store, ROTATE)
    await store.note_uses([USE])
    if finished:
        await taken(store, Finish(since))
    else:
        assert (await refused(store, Finish(since))).use == USE


async def test_finish_knows_of_an_upload_before_the_server_wrote_it_down(store: Store) -> None:
    """Last uses come in batches; an upload is on record at once, and that is asked as well."""
    await taken(store, ROTATE)
    await admitted(store, ENTRY)
    use = (await refused(store, Finish(NOW - 100))).use
    assert use is not None
    assert (use.slot, use.time, use.action, use.project, use.client) == ("0", NOW, "upload", "acme-core", "twine/6.2.0")


async def test_the_use_of_the_new_secret_hinders_nothing(store: Store) -> None:
    """Negative control: who asks about the old secret is not told of the new one."""
    await taken(store, ROTATE)
    await store.note_uses([replace(USE, slot="1")])
    await admitted(store, replace(ENTRY, public_id=ID + "1"))
    await taken(store, Finish(NOW - 100))


async def test_what_was_not_printed_is_told_apart(store: Store, rows: Rows) -> None:
    """A new secret counts as unseen until it is said that it arrived."""
    await taken(store, ROTATE)
    assert (await refused(store, Rotate(THIRD, "1", 1000))).unseen
    life = await store.life(ID)
    assert life is not None
    assert life.unseen == "1"
    await taken(store, Shown("1"))
    assert not (await refused(store, Rotate(THIRD, "1", 1000))).unseen
    assert rows("SELECT slot FROM secrets WHERE unseen = 1") == []


async def test_what_could_not_be_printed_is_taken_back(store: Store) -> None:
    """The key is as it was; a secret that somebody has seen is not taken back."""
    await taken(store, ROTATE)
    assert await taken(store, TakeBack("1")) == KEY
    await taken(store, ROTATE)
    await taken(store, Shown("1"))
    assert (await refused(store, TakeBack("1"))).reason == "changed"


async def test_a_lost_secret_is_replaced(store: Store) -> None:
    """The lost one is gone, the old one works on for a whole overlap."""
    await taken(store, ROTATE)
    record = await taken(store, Rotate(THIRD, "1", 1000, again=True), now=NOW + 500)
    assert ends(record) == {"0": NOW + 1500, "2": None}


async def test_a_secret_in_use_was_not_lost(store: Store) -> None:
    """Somebody has it, so it is replaced by force alone."""
    await taken(store, ROTATE)
    use = replace(USE, slot="1")
    await store.note_uses([use])
    again = Rotate(THIRD, "1", 1000, again=True)
    assert (await refused(store, again)).use == use
    await taken(store, replace(again, force=True))


async def test_a_secret_of_which_the_server_has_not_told_yet_was_not_lost(store: Store) -> None:
    """Last uses come in batches, so the record is asked: also of a delete, and of what was refused."""
    await taken(store, ROTATE)
    again, second = Rotate(THIRD, "1", 1000, again=True), replace(ENTRY, public_id=ID + "1", time_ms=NOW * 1000)
    await store.record_refusal(replace(second, public_id=ID + "0"), "not-allowed", "the old one is another matter")
    await store.record_refusal(second, "not-allowed", "it may not")
    use = (await refused(store, again)).use
    assert use is not None
    assert (use.slot, use.time, use.action, use.address) == ("1", NOW, "upload", ENTRY.address)
    await taken(store, replace(again, force=True))


async def test_finish_knows_of_what_was_refused_too(store: Store) -> None:
    """Whoever is refused with the old secret has not been given the new one."""
    await taken(store, ROTATE)
    await store.record_refusal(ENTRY, "not-allowed", "it may not")
    assert (await refused(store, Finish(NOW - 100))).use is not None
    await taken(store, Finish(NOW))


async def test_the_record_is_read_as_far_back_as_a_secret_lives(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """In strides, until a row is older; what a secret of the same slot did before that is not its use."""
    monkeypatch.setattr(last_uses, "_STRIDE", 1)
    old, hour = replace(ENTRY, public_id=ID + "1", time_ms=(NOW - 90_000) * 1000), 3600 * 1000
    await store.record_refusal(old, "not-allowed", "of a secret that had this slot before")
    for number in range(5):
        earlier = NOW * 1000 - hour * (5 - number)
        await store.record_refusal(replace(ENTRY, owner=f"{number}", time_ms=earlier), "no", "of the old secret")
    await taken(store, ROTATE)
    again = Rotate(THIRD, "1", 1000, again=True)
    await store.record_refusal(replace(ENTRY, public_id=ID + "1"), "not-allowed", "it may not")
    for number in range(20):
        await store.record_refusal(replace(ENTRY, owner=f"{number}", time_ms=NOW * 1000 + hour), "no", "no")
    assert (await refused(store, again)).use is not None
    assert await store.change_key(ID, replace(again, force=True), now=NOW) is not None


async def test_what_a_slot_did_before_is_no_use_of_its_new_secret(store: Store) -> None:
    """The control: the only row of the slot is older than the secret in it."""
    before = replace(ENTRY, public_id=ID + "1", time_ms=(NOW - 1) * 1000)
    await store.record_refusal(before, "not-allowed", "of a secret that had this slot before")
    await taken(store, ROTATE)
    await taken(store, Rotate(THIRD, "1", 1000, again=True))


async def test_a_slot_that_comes_round_again_has_no_past(store: Store) -> None:
    """After 62 rotations a slot is taken anew: the last use of the secret that was in it is not the new one's."""
    await store.note_uses([replace(USE, slot="1")])
    await taken(store, ROTATE)
    assert await store.last_uses([ID]) == {}


async def test_an_expired_key_lives_on(store: Store) -> None:
    """Extending brings it back, and servers are told."""
    before = await generation(store)
    record = await taken(store, Extend(KEY.expires, NOW + WEEK), now=NOW + 20_000)
    assert record.dead(NOW + 20_000) is None
    assert await generation(store) != before
