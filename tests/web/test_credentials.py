"""Who asks, as far as a request tells."""

from ipaddress import ip_address

import pytest
from aiohttp.test_utils import make_mocked_request
from aiohttp.web import BaseRequest
from multidict import CIMultiDict

from authproxy.backend.devpi import devpi
from authproxy.domain.access import PrincipalKind
from authproxy.domain.refusal import Code, Refused
from authproxy.web.credentials import key_holder, presented, proved, recalled
from tests.peers.wire import basic
from tests.web.conftest import Running

HERE = ip_address("192.0.2.7")


def request(*values: str) -> BaseRequest:
    """A request with these Authorization headers."""
    return make_mocked_request("POST", "/", CIMultiDict(("Authorization", value) for value in values))


async def test_the_holder_of_a_key(running: Running) -> None:
    """The principal knows its key and where it asks from."""
    key = await running.key()
    principal = await key_holder(running.app.parts, request(basic("__token__", key)), HERE)
    assert (principal.kind, principal.address) == (PrincipalKind.KEY, HERE)
    assert principal.key is not None
    assert principal.key.owner == "ci@acme.test"


async def test_a_credential_is_read_once(running: Running) -> None:
    """The same header from the same place is recognised; nothing else is."""
    key, parts = await running.key(), running.app.parts
    asked = request(basic("__token__", key))
    assert recalled(parts, asked, HERE) is None
    principal = await key_holder(parts, asked, HERE)
    assert recalled(parts, request(basic("__token__", key)), HERE) is principal
    assert await key_holder(parts, request(basic("__token__", key)), HERE) is principal
    assert recalled(parts, request(basic("__token__", key), basic("__token__", key)), HERE) is None
    assert recalled(parts, request(), HERE) is None
    assert recalled(parts, asked, ip_address("198.51.100.9")) is None


NO_KEY = {
    "nothing": ([], Code.CREDENTIAL_MISSING),
    "a password": ([basic("alice", "her own")], Code.CREDENTIAL_INVALID),
    "a scheme of its own": (["Negotiate abc"], Code.CREDENTIAL_INVALID),
    "a broken key": ([basic("__token__", "apx_broken")], Code.CREDENTIAL_INVALID),
    "an empty password": ([basic("__token__", "")], Code.CREDENTIAL_INVALID),
}


@pytest.mark.parametrize(("values", "code"), NO_KEY.values(), ids=NO_KEY.keys())
async def test_only_a_key_will_do(running: Running, values: list[str], code: Code) -> None:
    """Where a key is needed, nothing else is."""
    with pytest.raises(Refused) as caught:
        await key_holder(running.app.parts, request(*values), HERE)
    assert caught.value.denial.code is code


async def test_a_broken_key_is_never_foreign(running: Running) -> None:
    """What is foreign may be passed on to the index; a key never is, however it is spelled."""
    key = await running.key()
    for text in (key[:-1], key + "x", key.upper(), f" {key}", f"'{key}'"):
        for value in (basic("alice", text), basic(text, ""), f"Bearer {text}", f"token {text}"):
            try:
                credential = presented(running.app.parts, request(value))
            except Refused:
                continue
            assert credential is not None
            assert credential.foreign is None, value


async def test_a_revoked_key_proves_nothing(running: Running) -> None:
    """From the first request after the revocation."""
    parts, key = running.app.parts, await running.key()
    principal = await proved(parts, key, HERE)
    assert principal.key is not None
    await parts.store.revoke(principal.key.id, parts.now())
    with pytest.raises(Refused):
        await proved(parts, key, HERE)


async def test_only_devpis_client_has_a_header_of_its_own(running: Running) -> None:
    """Before pypiserver nobody sends it, and nobody is heard by it; before devpi it is read like Basic."""
    parts, key = running.app.parts, await running.key()
    own = basic("__token__", key).removeprefix("Basic ")
    asked = make_mocked_request("POST", "/", CIMultiDict({"X-Devpi-Auth": own}))
    assert presented(parts, asked) is None
    parts.backend.flavour = devpi(("team/dev",))
    assert (await key_holder(parts, asked, HERE)).kind is PrincipalKind.KEY
    twice = CIMultiDict([("X-Devpi-Auth", own), ("x-devpi-auth", own)])
    with pytest.raises(Refused):
        presented(parts, make_mocked_request("POST", "/", twice))
