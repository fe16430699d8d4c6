"""What the operator is told of a key in hand: all that a 401 keeps to itself (of keys: `test_authority`)."""

import pytest

from authproxy.authority.sealing import Masters
from authproxy.domain.caveats import Lifetime, base64url
from authproxy.domain.derived import chain, derive, mac_key
from authproxy.domain.keys import PublicId, mint, parse
from tests.authority.conftest import HERE, NOW, SPEC
from tests.authority.forging import CAVEATS, MASTER, forged


@pytest.fixture
async def made(build):
    """An authority with a master key, a key of its, and the key's record."""
    authority = build(masters=Masters(MASTER))
    record, text = await authority.issue(SPEC, now=NOW)
    return authority, text, record


async def test_a_derived_key_that_works_is_shown_with_its_caveats(made):
    """No problem, the record of its key, and what was taken away; that it has ended is for the caveats to say."""
    authority, text, record = made
    found = await authority.verify(derive(text, CAVEATS, "apx"), now=NOW)
    assert (found.problem, found.record, found.caveats) == (None, record, CAVEATS)
    over = await authority.verify(derive(text, [Lifetime(NOW - 60, NOW - 90)], "apx"), now=NOW)
    assert over.problem is None


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (forged, "wrong secret"),
        (lambda _: derive(mint("apx", PublicId("AAAAAAAAAAAA0"), bytes(32)), CAVEATS, "apx"), "unknown"),
        (lambda text: derive(mint("apx", PublicId(text[4:16] + "1"), bytes(32)), CAVEATS, "apx"), "replaced"),
        (lambda text: derive(text, CAVEATS, "apx")[:-1], "malformed"),
    ],
)
async def test_what_is_wrong_with_a_derived_key_is_named(made, given, problem):
    """Each of the ways that the operator can do something about has its word."""
    authority, text, _ = made
    assert (await authority.verify(given(text), now=NOW)).problem == problem


async def test_a_caveat_that_is_not_understood_is_named(made):
    """The chain is right, and this version cannot say what it allows."""
    authority, text, _ = made
    raw, start = b"[250,1]", f"apx_{parse(text, 'apx').unverified_public_id}"
    tag = chain(mac_key(parse(text, "apx").secret), (start.encode(), raw))
    given = f"{start}.{base64url(b'[' + raw + b']')}.{base64url(tag)}"
    assert (await authority.verify(given, now=NOW)).problem == "not understood"


async def test_one_that_was_ended_by_itself_is_named(made, store):
    """Its key lives, and it does not."""
    authority, text, _ = made
    given = derive(text, CAVEATS, "apx")
    name = (await authority.authenticate(given, HERE, now=NOW)).derived
    await store.derivations.end(name, None)
    assert (await authority.verify(given, now=NOW)).problem == "ended"


async def test_what_happened_to_its_key_is_named(made, store):
    """A derived key is revoked with its key."""
    authority, text, record = made
    await store.revoke(record.id, NOW)
    assert (await authority.verify(derive(text, CAVEATS, "apx"), now=NOW)).problem == "revoked"


async def test_a_missing_master_key_is_named_with_its_reason(made, build):
    """The operator reads why, as the log says it."""
    _, text, _ = made
    found = await build().verify(derive(text, CAVEATS, "apx"), now=NOW)
    assert found.problem == "sealed"
    assert "there is no master key" in found.why
