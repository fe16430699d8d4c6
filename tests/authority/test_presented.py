"""Headers that proved a key, remembered without the key."""

from ipaddress import ip_address

from authproxy.authority.presented import Presented
from authproxy.domain.access import Principal, PrincipalKind
from tests.authority.conftest import HERE, NOW, SPEC

ELSEWHERE = ip_address("198.51.100.9")
WHO = Principal(PrincipalKind.ANONYMOUS, HERE)


def test_a_header_is_known_again_from_where_it_came() -> None:
    """Networks of a key are asked about the address, so another address is somebody else."""
    presented = Presented(bytes(32))
    presented.put("Bearer apx_one", WHO)
    assert presented.get("Bearer apx_one", HERE) is WHO
    assert presented.get("Bearer apx_one", ELSEWHERE) is None
    assert presented.get("Bearer apx_onf", HERE) is None


def test_what_was_not_used_is_forgotten_first() -> None:
    """However many headers come, memory is bounded."""
    presented = Presented(bytes(32), limit=2)
    for header in ("Bearer 1", "Bearer 2", "Bearer 3"):
        presented.put(header, WHO)
    assert [presented.get(f"Bearer {number}", HERE) for number in (1, 2, 3)] == [None, WHO, WHO]


def test_a_copy_of_the_memory_opens_nothing() -> None:
    """No header stands in it, and another start of the server marks the same header differently."""
    one, other = Presented(bytes(32)), Presented(b"\1" * 32)
    for presented in (one, other):
        presented.put("Bearer apx_secret", WHO)
    assert "apx_secret" not in repr(vars(one))
    assert one._name("Bearer apx_secret", HERE) != other._name("Bearer apx_secret", HERE)


def test_any_text_can_be_asked_about() -> None:
    """aiohttp hands over what is no UTF-8 as surrogates."""
    assert Presented(bytes(32)).get("Bearer \udcff", HERE) is None


async def test_a_header_proves_again_only_what_still_holds(authority, shell) -> None:
    """A key that is paused afterwards has to be authenticated, which refuses it."""
    record, text = await authority.issue(SPEC, now=NOW)
    header = f"Bearer {text}"
    assert authority.recall(header, HERE, now=NOW) is None
    principal = await authority.authenticate(text, HERE, now=NOW)
    authority.remember(header, principal)
    assert authority.recall(header, HERE, now=NOW) is principal
    assert authority.recall(header, ELSEWHERE, now=NOW) is None
    await shell.pause(record.id, NOW)
    assert authority.recall(header, HERE, now=NOW) is None
