"""The one decision about reading, and that remembering it changes nothing."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from authproxy.backend.pypiserver import PYPISERVER
from authproxy.config import Reads
from authproxy.domain.access import Principal
from authproxy.domain.refusal import Code, Refused
from authproxy.web.credentials import anonymous, proved
from authproxy.web.readers import Readers, may_read
from tests.web.conftest import POLICIES, Running

HERE = ip_address("192.0.2.7")
KEYED = {"reads": "key", "key_policies": POLICIES}

pytestmark = pytest.mark.parametrize("running", [KEYED], indirect=True)


async def holder(running: Running, policy: str) -> Principal:
    """Whoever holds a key of this policy."""
    return await proved(running.app.parts, await running.key(policy), HERE)


async def test_a_read_grant_reads_and_nothing_else_does(running: Running) -> None:
    """An upload key reads nothing, and nobody reads as nobody."""
    parts, asked = running.app.parts, Readers(PYPISERVER).asked("GET", "/simple/acme-core/")
    reader, uploader = await holder(running, "install"), await holder(running, "release")
    assert may_read(parts.config, reader, asked, now=parts.now()) is None
    for who in (uploader, anonymous(HERE)):
        denial = may_read(parts.config, who, asked, now=parts.now())
        assert denial is not None
        assert denial.code in (Code.NOT_ALLOWED, Code.CREDENTIAL_MISSING)


async def test_open_reading_is_for_everybody(running: Running) -> None:
    """The operator said so."""
    config = replace(running.app.parts.config, reads=Reads.OPEN)
    asked = Readers(PYPISERVER).asked("GET", "/simple/acme-core/")
    assert may_read(config, anonymous(HERE), asked, now=0) is None


async def test_what_is_remembered_is_what_would_be_decided(running: Running) -> None:
    """Another key, another config, another second: each is decided anew. The control: the same question is not."""
    parts, readers = running.app.parts, Readers(PYPISERVER)
    asked, now = readers.asked("GET", "/simple/acme-core/"), parts.now()
    reader, uploader = await holder(running, "install"), await holder(running, "release")
    assert readers.may_read(parts.config, reader, asked, now=now) is None
    assert readers.may_read(parts.config, uploader, asked, now=now) is not None
    bare = replace(parts.config, policy=replace(parts.config.policy, key_policies={}))
    assert readers.may_read(bare, reader, asked, now=now) is not None
    assert readers.may_read(parts.config, reader, asked, now=now) is None
    assert reader.key is not None
    expired = replace(reader, key=replace(reader.key, expires=now + 1))
    assert readers.may_read(parts.config, expired, asked, now=now) is None
    assert readers.may_read(parts.config, expired, asked, now=now + 1) is not None


async def test_a_target_without_a_route_is_never_remembered_as_one(running: Running) -> None:
    """Refusals are found anew each time."""
    readers = Readers(PYPISERVER)
    for _ in range(2):
        with pytest.raises(Refused):
            readers.asked("GET", "/a/b/c/")
        with pytest.raises(Refused):
            readers.asked("DELETE", "/simple/acme-core/")
    assert readers.asked("GET", "/simple/acme-core/") == readers.asked("GET", "/simple/acme-core/")
