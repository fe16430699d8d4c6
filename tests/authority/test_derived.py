"""Derived keys before the authority: who is let in, what ends one, and that a wrong one hurts nobody else."""

import logging
from dataclasses import replace
from ipaddress import ip_address

import pytest

from authproxy.authority import NewKey
from authproxy.authority.derived import lasts
from authproxy.authority.sealing import Masters
from authproxy.domain.caveats import Lifetime, Projects, base64url, bytes_of
from authproxy.domain.derived import chain, derive, mac_key
from authproxy.domain.keys import PublicId, mint, parse
from authproxy.domain.names import ProjectName
from authproxy.domain.policy import DEAD_KEY
from authproxy.domain.refusal import Code
from authproxy.store import BUSY
from tests.authority.conftest import ELSEWHERE, HERE, NOW, SPEC
from tests.authority.forging import CAVEATS, CORE, FIVE_MINUTES, MASTER, forged


@pytest.fixture
def authority(build):
    return build(masters=Masters(MASTER))


@pytest.fixture
async def key(authority):
    """The text of a key, made with the master key at hand."""
    return (await authority.issue(SPEC, now=NOW))[1]


def changed(text, position):
    """The text with another character in this place."""
    letters = list(text)
    letters[position] = "A" if letters[position] != "A" else "B"
    return "".join(letters)


async def test_a_derived_key_is_let_in(authority, key, pool):
    """The principal carries the stored record, what was taken away, and its name; no Argon2 is run for it."""
    found = await authority.authenticate(derive(key, CAVEATS, "apx"), HERE, now=NOW)
    assert (found.caveats, found.address, found.key.owner) == (CAVEATS, HERE, SPEC.owner)
    assert found.public_id == found.key.id + "0"
    assert found.lineage[-1] == found.derived
    assert len(found.lineage) == 2
    assert pool.verified == 0


async def test_one_that_was_derived_from_a_derived_one_is_let_in(authority, key):
    """Whoever has a derived key may take more away, without the key."""
    parent = derive(key, [FIVE_MINUTES], "apx")
    found = await authority.authenticate(derive(parent, [CORE], "apx"), HERE, now=NOW)
    assert found.caveats == CAVEATS


async def revoked(store, authority, record):
    await store.revoke(record.id, NOW)


async def paused(store, authority, record):
    await store.pause(record.id, NOW)


async def expired(store, authority, record):
    return NOW + 100


async def rotated_away(store, authority, record):
    await authority.rotate(record.id, 60, now=NOW)
    return NOW + 61


async def ended(store, authority, record):
    return "ended"


@pytest.mark.parametrize("end", [revoked, paused, expired, rotated_away])
async def test_what_ends_the_key_ends_what_was_derived_from_it_at_once(authority, build, shell, store, end):
    """Seen before or not, by this process or another: the record is looked at each time."""
    record, text = await authority.issue(replace(SPEC, expires=NOW + 100), now=NOW)
    lasting = derive(text, [Lifetime(NOW + 10_000, NOW - 30)], "apx")
    assert (await authority.authenticate(lasting, HERE, now=NOW)).key == record
    found = await authority.authenticate(lasting, HERE, now=NOW)
    then = await end(shell, build(masters=Masters(MASTER)), record) or NOW
    assert not authority.still_holds(found, now=then)
    assert await authority.authenticate(lasting, HERE, now=then) == DEAD_KEY


async def test_a_derived_key_that_was_ended_ends_alone_but_for_what_was_made_of_it(authority, key, shell):
    """Its own children end with it; its key, its parent and its sisters go on. Another process's word counts at once."""
    parent = derive(key, [FIVE_MINUTES], "apx")
    mine, sister = (derive(parent, [Projects(frozenset({ProjectName(name)}))], "apx") for name in ("a", "b"))
    child = derive(mine, [CORE], "apx")
    seen = {text: await authority.authenticate(text, HERE, now=NOW) for text in (parent, mine, sister, child)}
    assert await shell.derivations.end(seen[mine].derived, NOW + 330)
    assert not any(authority.still_holds(principal, now=NOW) for principal in seen.values())
    assert await authority.authenticate(mine, HERE, now=NOW) == DEAD_KEY
    assert await authority.authenticate(child, HERE, now=NOW) == DEAD_KEY
    for text in (parent, sister):
        assert (await authority.authenticate(text, HERE, now=NOW)).derived == seen[text].derived
    assert (await authority.authenticate(key, HERE, now=NOW)).caveats is None


async def test_the_store_is_asked_the_long_way_while_somebody_commits(authority, key, store, monkeypatch):
    """Whether a derived key was ended is never guessed."""
    text = derive(key, CAVEATS, "apx")
    name = (await authority.authenticate(text, HERE, now=NOW)).derived
    for peek in ("peek_ended", "peek_calm"):
        monkeypatch.setattr(store.derivations, peek, lambda *_: BUSY)
    monkeypatch.setattr(store, "generation", lambda: BUSY)
    assert (await authority.authenticate(text, HERE, now=NOW)).derived == name
    await store.derivations.end(name, None)
    assert await authority.authenticate(text, HERE, now=NOW) == DEAD_KEY


async def test_nobody_is_asked_again_while_no_key_changes(authority, key, store, monkeypatch):
    """As long as nothing was ended by itself and the generation stands; the first that is ended is seen at once."""
    texts = [derive(key, [Lifetime(NOW + 300 + number, NOW - 30)], "apx") for number in range(3)]
    first = await authority.authenticate(texts[0], HERE, now=NOW)
    with monkeypatch.context() as patched:
        patched.delattr(type(store.derivations), "peek_ended")
        assert (await authority.authenticate(texts[1], HERE, now=NOW)).derived
    await store.derivations.end(first.derived, None)
    assert await authority.authenticate(texts[0], HERE, now=NOW) == DEAD_KEY
    for text in texts[1:]:
        assert (await authority.authenticate(text, HERE, now=NOW)).derived
    assert await authority.authenticate(texts[0], HERE, now=NOW) == DEAD_KEY


async def test_a_wrong_one_counts_against_the_address_and_never_against_the_key(build, pool):
    """Whoever knows an id can lock nobody out: the key itself is hashed and works from elsewhere, and so does another."""
    authority = build(masters=Masters(MASTER), failures=3)
    _, text = await authority.issue(SPEC, now=NOW)
    good = derive(text, CAVEATS, "apx")
    for _ in range(3):
        assert await authority.authenticate(forged(text), HERE, now=NOW) == DEAD_KEY
    waits = await authority.authenticate(forged(text), HERE, now=NOW)
    assert (waits.code, waits.retry_after) == (Code.THROTTLED, 20)
    assert (await authority.authenticate(text, ELSEWHERE, now=NOW)).caveats is None
    assert (await authority.authenticate(good, ELSEWHERE, now=NOW)).caveats == CAVEATS
    # What fits a MAC key that is known is let in from there too, and costs the throttle nothing.
    assert (await authority.authenticate(good, HERE, now=NOW)).caveats == CAVEATS


async def test_a_good_one_from_an_address_that_waits_is_told_to_wait_where_its_key_is_new(build):
    """Before its MAC key was opened nothing tells a good one from a bad one without asking the store."""
    first, second = (build(masters=Masters(MASTER), failures=1) for _ in range(2))
    _, text = await first.issue(SPEC, now=NOW)
    assert await second.authenticate("apx_nonsense", HERE, now=NOW) == DEAD_KEY
    waits = await second.authenticate(derive(text, CAVEATS, "apx"), HERE, now=NOW)
    assert waits.code is Code.THROTTLED


@pytest.mark.parametrize(
    "bad",
    [
        forged,
        lambda text: changed(derive(text, CAVEATS, "apx"), -43),
        lambda text: changed(derive(text, CAVEATS, "apx"), 40),
        lambda text: derive(text, CAVEATS, "apx") + "A",
        lambda _: derive(mint("apx", PublicId("AAAAAAAAAAAA0"), bytes(32)), CAVEATS, "apx"),
        lambda text: derive(mint("apx", PublicId(text[4:16] + "1"), bytes(32)), CAVEATS, "apx"),
        lambda text: text[:17] + ".W10." + "A" * 43,
        lambda _: "apx_" + "." * 1_000_000,
    ],
    ids=[
        "another MAC key",
        "a changed tag",
        "a changed caveat",
        "longer",
        "an unknown key",
        "an unknown secret",
        "no caveats",
        "a megabyte",
    ],
)
async def test_every_bad_one_gets_the_sentence_of_every_bad_key(authority, key, bad):
    """A 401 does not say which of the ways it is."""
    assert await authority.authenticate(bad(key), HERE, now=NOW) == DEAD_KEY


async def test_a_caveat_that_is_not_understood_refuses_and_the_log_says_so(authority, key, caplog):
    """The chain is right, and yet: what a caveat of a later version takes away is not known here."""
    raw = b"[250,1]"
    start = f"apx_{parse(key, 'apx').unverified_public_id}"
    tag = chain(mac_key(parse(key, "apx").secret), (start.encode(), raw))
    assert (
        await authority.authenticate(f"{start}.{base64url(b'[' + raw + b']')}.{base64url(tag)}", HERE, now=NOW)
        == DEAD_KEY
    )
    assert "a caveat in it is not understood" in caplog.text


@pytest.mark.parametrize(
    ("now", "yes"), [(NOW - 31, False), (NOW - 30, True), (NOW + 299, True), (NOW + 300, False), (NOW + 329, False)]
)
async def test_what_was_allowed_is_said_again_only_while_the_derived_key_lasts(authority, key, now, yes):
    """To the second and without leeway: from then on the caveats themselves are asked, which have it."""
    found = await authority.authenticate(derive(key, CAVEATS, "apx"), HERE, now=NOW)
    assert authority.still_holds(found, now=now) is yes
    assert lasts(await authority.authenticate(key, HERE, now=NOW), now=NOW + 10**9)


async def test_headers_are_remembered_each_for_itself(authority, key):
    """What the key's own header proved is never what a derived one's proves, and another address proves neither."""
    plain = await authority.authenticate(key, HERE, now=NOW)
    derived = await authority.authenticate(derive(key, CAVEATS, "apx"), HERE, now=NOW)
    authority.remember("Basic key", plain)
    authority.remember("Basic derived", derived)
    assert authority.recall("Basic derived", HERE, now=NOW) is derived
    assert authority.recall("Basic key", HERE, now=NOW).caveats is None
    assert authority.recall("Basic derived", ip_address("192.0.2.2"), now=NOW) is None
    assert authority.recall("Basic derived", HERE, now=NOW + 300) is None
    assert authority.recall("Basic key", HERE, now=NOW + 300) is plain


async def test_a_key_that_only_derives_is_stored_as_one(authority, store):
    """The record says so; what it may do is for the rules to say."""
    record, text = await authority.issue(NewKey("o", "n", "p", derive_only=True), now=NOW)
    assert (await store.key(record.id)).derive_only
    assert (await authority.authenticate(derive(text, CAVEATS, "apx"), HERE, now=NOW)).key.derive_only


def test_forging_takes_more_than_a_name():
    """The control of this file's own tool: with the right MAC key it makes what `derive` makes."""
    text = mint("apx", PublicId("AAAAAAAAAAAA0"), bytes(32))
    assert forged(text, mac_key(parse(text, "apx").secret)) == derive(text, CAVEATS, "apx")
    assert bytes_of(forged(text).rpartition(".")[2]) != bytes_of(derive(text, CAVEATS, "apx").rpartition(".")[2])
    assert logging.getLogger("authproxy.keys")
