"""What was proved need not be proved again while nothing has changed."""

from dataclasses import replace

from authproxy.domain.access import Principal, PrincipalKind
from tests.authority.conftest import HERE, NOW, SPEC


async def test_a_proof_holds_while_the_key_is_as_it_was(authority, shell):
    """A key that is changed, that expires, and a principal without one have to prove themselves anew."""
    record, text = await authority.issue(replace(SPEC, expires=NOW + 60), now=NOW)
    principal = await authority.authenticate(text, HERE, now=NOW)
    assert authority.still_holds(principal, now=NOW + 59)
    assert not authority.still_holds(principal, now=NOW + 60)
    assert not authority.still_holds(Principal(PrincipalKind.ANONYMOUS, HERE), now=NOW)
    await shell.pause(record.id, NOW)
    assert not authority.still_holds(principal, now=NOW)


async def test_a_proof_ends_with_its_secret(authority, change):
    """The key lives on with another secret, and the proof was of the old one."""
    record, text = await authority.issue(SPEC, now=NOW)
    await authority.authenticate(text, HERE, now=NOW)
    change("UPDATE secrets SET expires = ? WHERE key_id = ?", NOW + 5, record.id)
    principal = await authority.authenticate(text, HERE, now=NOW)
    assert authority.still_holds(principal, now=NOW + 4)
    assert not authority.still_holds(principal, now=NOW + 5)
