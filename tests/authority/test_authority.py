"""The authority: who is let in, what a refusal tells, and what it costs. Over a real store, with real Argon2."""

import asyncio
import secrets
from ipaddress import ip_address, ip_network

import pytest

from authproxy.authority import NewKey, Verification
from authproxy.domain.access import PrincipalKind
from authproxy.domain.grants import parse_grant
from authproxy.domain.keys import KEY_ID_LENGTH, PublicId, mint, name_key, parse
from authproxy.domain.policy import DEAD_KEY
from authproxy.domain.refusal import Code
from authproxy.store import StoreError
from tests.authority.conftest import ELSEWHERE, HERE, NOW, SPEC


def another(text, fill=7):
    """Return a well-formed key with the public id of this one and a secret of its own."""
    key = parse(text, "apx")
    return mint("apx", key.unverified_public_id, bytes([fill]) * 32)


STRANGER = mint("apx", PublicId("AAAAAAAAAAAA0"), bytes(32))


async def test_an_issued_key_is_let_in(authority):
    """The principal carries the stored record, the public id and where it came from."""
    record, text = await authority.issue(SPEC, now=NOW)
    principal = await authority.authenticate(text, HERE, now=NOW)
    assert (principal.kind, principal.address, principal.key) == (PrincipalKind.KEY, HERE, record)
    assert principal.public_id == record.id + "0"


async def test_a_key_is_stored_as_it_was_asked_for_and_without_its_secret(authority, store, database):
    """Everything of the request stands in the record, and the secret stands nowhere in the database."""
    spec = NewKey(
        owner="ci@acme",
        note="release job",
        policy="release",
        grants=(parse_grant("upload:acme-*"),),
        networks=(ip_network("10.0.0.0/8"),),
        uses=3,
        expires=NOW + 60,
    )
    record, text = await authority.issue(spec, now=NOW)
    stored = await store.key(record.id)
    assert stored == record
    assert all(getattr(stored, name) == getattr(spec, name) for name in spec.__slots__)
    assert (stored.used, stored.created, stored.paused, stored.revoked) == (0, NOW, False, None)
    assert [secret.digest.split("$")[1] for secret in stored.secrets] == ["argon2id"]
    lies = b"".join(each.read_bytes() for each in database.parent.glob(f"{database.name}*"))
    assert parse(text, "apx").secret.reveal().encode() not in lies
    assert record.id.encode() in lies


async def revoked(authority, shell, text, record):
    await shell.revoke(record.id, NOW)
    return text


async def paused(authority, shell, text, record):
    await shell.pause(record.id, NOW)
    return text


async def expired(authority, shell, text, record):
    _, short = await authority.issue(NewKey("o", "n", "p", expires=NOW), now=NOW - 60)
    return short


async def wrong(authority, shell, text, record):
    return another(text)


async def unknown(authority, shell, text, record):
    return STRANGER


async def slotless(authority, shell, text, record):
    return mint("apx", PublicId(record.id + "1"), bytes(32))


async def mistyped(authority, shell, text, record):
    return text[:-1] + ("0" if text[-1] != "0" else "1")


async def other_prefix(authority, shell, text, record):
    return mint("acme", PublicId(record.id + "0"), bytes(32))


async def nothing(authority, shell, text, record):
    return ""


BAD = [revoked, paused, expired, wrong, unknown, slotless, mistyped, other_prefix, nothing]


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize("spoil", BAD)
async def test_every_bad_key_gets_the_same_answer(authority, shell, spoil, warm):
    """Which of the ways a key does not work in is told to nobody, whether the good key was seen before or not."""
    record, text = await authority.issue(SPEC, now=NOW)
    if warm:
        assert (await authority.authenticate(text, HERE, now=NOW)).key == record
    bad = await spoil(authority, shell, text, record)
    assert await authority.authenticate(bad, HERE, now=NOW) == DEAD_KEY


@pytest.mark.parametrize(
    ("spoil", "hashes"),
    [(each, 1 if each is wrong else 0) for each in BAD],
)
async def test_what_reaches_argon2(authority, pool, shell, spoil, hashes):
    """Of all bad keys, only a wrong secret of a live key is hashed."""
    record, text = await authority.issue(SPEC, now=NOW)
    bad = await spoil(authority, shell, text, record)
    await authority.authenticate(bad, HERE, now=NOW)
    assert pool.verified == hashes


async def test_a_warm_key_costs_no_argon2_and_no_wait(authority, pool):
    """The second time there is no hash, and the event loop is not given up at all."""
    record, text = await authority.issue(SPEC, now=NOW)
    await authority.authenticate(text, HERE, now=NOW)
    asking = authority.authenticate(text, HERE, now=NOW)
    with pytest.raises(StopIteration) as done:
        asking.send(None)
    assert done.value.value.key == record
    assert pool.verified == 1


async def test_expiry_is_exact_for_a_warm_key(authority):
    """A key that is remembered ends at its second like any other."""
    record, text = await authority.issue(NewKey("o", "n", "p", expires=NOW + 5), now=NOW)
    assert (await authority.authenticate(text, HERE, now=NOW + 4)).key == record
    assert await authority.authenticate(text, HERE, now=NOW + 5) == DEAD_KEY


async def test_an_expired_secret_ends_alone(authority, change):
    """A secret with an end of its own is refused from then on, also where it was verified before."""
    record, text = await authority.issue(SPEC, now=NOW)
    change("UPDATE secrets SET expires = ?", NOW + 5)
    assert (await authority.authenticate(text, HERE, now=NOW + 4)).key.id == record.id
    assert await authority.authenticate(text, HERE, now=NOW + 5) == DEAD_KEY


async def test_a_paused_key_works_again_without_another_hash(authority, pool, shell):
    """What was verified stays verified; only the record decides whether it counts."""
    record, text = await authority.issue(SPEC, now=NOW)
    await authority.authenticate(text, HERE, now=NOW)
    await shell.pause(record.id, NOW)
    assert await authority.authenticate(text, HERE, now=NOW) == DEAD_KEY
    await shell.resume(record.id, NOW)
    assert (await authority.authenticate(text, HERE, now=NOW)).key.id == record.id
    assert pool.verified == 1


async def test_failures_from_an_address_make_its_strangers_wait(build, pool):
    """After so many failures a cold key from there is told to come back, not hashed; elsewhere and later it works."""
    authority = build(failures=3)
    record, text = await authority.issue(SPEC, now=NOW)
    for bad in (STRANGER, "malformed", another(text)):
        assert await authority.authenticate(bad, HERE, now=NOW) == DEAD_KEY
    for tried in (text, STRANGER, "malformed"):
        denial = await authority.authenticate(tried, ip_address("::ffff:192.0.2.1"), now=NOW)
        assert (denial.code, denial.retry_after) == (Code.THROTTLED, 20)
    assert pool.verified == 1
    assert (await authority.authenticate(text, HERE, now=NOW + 20)).key == record
    assert pool.verified == 2


async def test_guesses_at_a_key_make_its_strangers_wait_everywhere(build, pool):
    """The meter of a key holds against guesses from ever new addresses; a key that is warm is not held by it."""
    authority = build(failures=3)
    warm, warm_text = await authority.issue(SPEC, now=NOW)
    _, cold_text = await authority.issue(SPEC, now=NOW)
    await authority.authenticate(warm_text, HERE, now=NOW)
    denials = [
        await authority.authenticate(another(text, n), ip_address("2001:db8::") + (n << 64), now=NOW)
        for n in range(8)
        for text in (warm_text, cold_text)
    ]
    assert [denial.code for denial in denials] == [Code.CREDENTIAL_INVALID] * 6 + [Code.THROTTLED] * 10
    assert pool.verified == 7
    assert (await authority.authenticate(warm_text, HERE, now=NOW)).key == warm
    assert (await authority.authenticate(cold_text, HERE, now=NOW)).code is Code.THROTTLED


async def test_a_warm_key_is_never_throttled(build):
    """Ten thousand failures from its own address do not touch it."""
    authority = build(failures=1)
    record, text = await authority.issue(SPEC, now=NOW)
    await authority.authenticate(text, HERE, now=NOW)
    for _ in range(10_000):
        await authority.authenticate("malformed", HERE, now=NOW)
    assert (await authority.authenticate(text, HERE, now=NOW)).key == record


async def test_success_is_no_failure(build):
    """However often keys are right, nobody has to wait."""
    authority = build(failures=1)
    for _ in range(3):
        record, text = await authority.issue(SPEC, now=NOW)
        for _ in range(5):
            assert (await authority.authenticate(text, HERE, now=NOW)).key == record


async def test_a_taken_id_is_drawn_again(build, store):
    """Two keys never share an id: where the entropy repeats itself, another id is drawn."""
    drawn = iter([b"\1" * 16, b"\1" * 32, b"\1" * 16, b"\2" * 32, b"\3" * 16, b"\3" * 32])
    authority = build(entropy=lambda _: next(drawn))
    first, first_text = await authority.issue(SPEC, now=NOW)
    second, second_text = await authority.issue(SPEC, now=NOW)
    assert (first.id, second.id) == (name_key(b"\1" * 16), name_key(b"\3" * 16))
    assert await store.key(first.id) == first
    assert (await authority.authenticate(first_text, HERE, now=NOW)).key == first
    assert (await authority.authenticate(second_text, HERE, now=NOW)).key == second


async def test_entropy_that_repeats_for_ever_is_an_error(build, store):
    """A broken source makes no key and overwrites none."""
    authority = build(entropy=lambda count: b"\1" * count)
    first, _ = await authority.issue(SPEC, now=NOW)
    with pytest.raises(StoreError, match="taken"):
        await authority.issue(SPEC, now=NOW)
    assert [record async for record in store.keys(now=NOW)] == [first]


async def test_a_store_that_cannot_write_is_an_error(build, store, change):
    """Where the key could not be stored, nobody is given it, and nothing is tried again that cannot help."""
    drawn = []
    authority = build(entropy=lambda count: drawn.append(count) or secrets.token_bytes(count))
    change("CREATE TRIGGER no BEFORE INSERT ON keys BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(StoreError):
        await authority.issue(SPEC, now=NOW)
    assert [record async for record in store.keys(now=NOW)] == []
    assert drawn == [16, 32]


PROBLEMS = {
    revoked: "revoked",
    paused: "paused",
    expired: "expired",
    wrong: "wrong secret",
    unknown: "unknown",
    slotless: "replaced",
    mistyped: "malformed",
    other_prefix: "malformed",
    nothing: "malformed",
}


@pytest.mark.parametrize("spoil", BAD)
async def test_the_operator_is_told_why(authority, shell, spoil):
    """`key verify` names what a 401 hides, and the key it is about where there is one."""
    record, text = await authority.issue(SPEC, now=NOW)
    bad = await spoil(authority, shell, text, record)
    found = await authority.verify(bad, now=NOW)
    assert found.problem == PROBLEMS[spoil]
    assert (found.record is not None) is (bad[4 : 4 + KEY_ID_LENGTH] != "A" * 12 and found.problem != "malformed")
    assert await authority.verify(text, now=NOW) == (
        Verification(None, record) if spoil not in {revoked, paused} else found
    )


async def test_the_operator_is_told_of_an_expired_secret(authority, change):
    """The key lives, this secret of it has ended."""
    record, text = await authority.issue(SPEC, now=NOW)
    change("UPDATE secrets SET expires = ?", NOW)
    found = await authority.verify(text, now=NOW)
    assert (found.problem, found.record.id) == ("expired", record.id)


async def test_a_broken_digest_is_no_401(authority, change):
    """A row that cannot be read is the server's fault: the client is told so, and no failure is counted."""
    _, text = await authority.issue(SPEC, now=NOW)
    change("UPDATE secrets SET digest = 'broken'")
    denial = await authority.authenticate(text, ELSEWHERE, now=NOW)
    assert denial.code is Code.INTERNAL


async def test_closing_waits_for_what_is_under_way(authority):
    """A hash that was begun is answered; afterwards new keys are asked to come back. Closing twice is fine."""
    record, text = await authority.issue(SPEC, now=NOW)
    asking = asyncio.ensure_future(authority.authenticate(text, HERE, now=NOW))
    await asyncio.sleep(0.001)
    await authority.close()
    assert not authority._flights
    assert (await asking).key == record
    await authority.close()
    assert (await authority.authenticate(another(text), HERE, now=NOW)).code is Code.BUSY
