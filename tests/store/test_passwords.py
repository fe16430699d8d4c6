"""Who still uses a password of the index, as the record has it."""

from dataclasses import replace

from authproxy.domain.access import Outcome
from authproxy.store import PasswordUse, Store
from tests.store.samples import NOW, admitted, upload

ALICE = {"principal": "password", "key_id": None, "public_id": None, "owner": "alice"}
DAY = 24 * 3600 * 1000


async def test_uses_are_told_by_user_and_package(store: Store) -> None:
    """Each place and client of a user is one line, the latest first; keys are in none of them."""
    await admitted(store, upload("1.0"))
    for number, changes in enumerate(({}, {}, {"client": "uv/0.13"}, {"owner": "bob"}, {"project": "acme-web"})):
        entry = upload(f"2.{number}", **{**ALICE, "time_ms": NOW * 1000 + number * DAY, **changes})
        await store.complete(await admitted(store, entry), Outcome.STORED, index_status=200, time_ms=NOW * 1000)
    refused = replace(upload("3.0", **ALICE), time_ms=NOW * 1000 + 9 * DAY)
    await store.record_refusal(refused, "not-allowed", "no")
    place = ("", "127.0.0.1")
    assert await store.password_uses() == [
        PasswordUse("alice", "acme-core", *place, "twine/6.2.0", tries=3, stored=2, last_ms=NOW * 1000 + 9 * DAY),
        PasswordUse("alice", "acme-core", *place, "uv/0.13", tries=1, stored=1, last_ms=NOW * 1000 + 2 * DAY),
        PasswordUse("alice", "acme-web", *place, "twine/6.2.0", tries=1, stored=1, last_ms=NOW * 1000 + 4 * DAY),
        PasswordUse("bob", "acme-core", *place, "twine/6.2.0", tries=1, stored=1, last_ms=NOW * 1000 + 3 * DAY),
    ]


async def test_nobody_is_nobody(store: Store) -> None:
    """A record of keys alone has no password in it: the control of the test above."""
    await admitted(store, upload("1.0"))
    assert await store.password_uses() == []
