"""The one decision about reading, and that remembering what a target is about changes nothing."""

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


async def test_a_target_without_a_route_is_never_remembered_as_one(running: Running) -> None:
    """Refusals are found anew each time."""
    readers = Readers(PYPISERVER)
    for _ in range(2):
        with pytest.raises(Refused):
            readers.asked("GET", "/a/b/c/")
        with pytest.raises(Refused):
            readers.asked("DELETE", "/simple/acme-core/")
    assert readers.asked("GET", "/simple/acme-core/") == readers.asked("GET", "/simple/acme-core/")


async def test_what_a_target_is_about_is_read_once(running: Running) -> None:
    """A wheel's name is parsed for the first who asks; method and target together are what is remembered."""
    readers, wheel = Readers(PYPISERVER), "/packages/acme_core-1.0-py3-none-any.whl"
    first = readers.asked("GET", wheel)
    assert (readers.asked("GET", wheel) is first, first.project) == (True, "acme-core")
    assert readers.asked("HEAD", wheel) is not first


async def test_a_yes_is_said_again_to_the_same_question_alone(running: Running) -> None:
    """Another second, config, key or target is decided anew; a no is never remembered."""
    parts, readers = running.app.parts, Readers(PYPISERVER)
    reader, asked = await holder(running, "install"), readers.asked("GET", "/simple/acme-core/")
    now = parts.now()
    assert readers.may_read(parts.config, reader, asked, now=now) is None
    nobody = replace(parts.config, policy=replace(parts.config.policy, key_policies={}))
    assert readers.may_read(nobody, reader, asked, now=now) is not None
    assert readers.may_read(parts.config, reader, asked, now=now) is None
    assert reader.key is not None
    gone = replace(reader, key=replace(reader.key, expires=now))
    assert readers.may_read(parts.config, gone, asked, now=now) is not None
    mortal = replace(reader, key=replace(reader.key, expires=now + 1))
    assert readers.may_read(parts.config, mortal, asked, now=now) is None
    assert readers.may_read(parts.config, mortal, asked, now=now + 1) is not None
