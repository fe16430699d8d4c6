"""The question about a password, put to the real indexes: it tells right from wrong, and changes nothing."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from authproxy.backend.client import Backend, Upstream
from authproxy.backend.devpi import devpi as devpi_flavour
from authproxy.backend.flavour import Flavour
from authproxy.backend.login import basic
from authproxy.backend.passwords import OPEN_INDEX, known, taken
from authproxy.backend.pypiserver import INDEX, PYPISERVER
from authproxy.domain.refusal import Code, Refused
from tests.peers.devpi import Devpi
from tests.peers.packages import wheel
from tests.peers.pypiserver import SERVERS, PypiServer, pypiserver
from tests.peers.recording import RecordingIndex, Reply
from tests.peers.script import scripted

ALICE, RIGHT = "alice", "her own: passw0rd"
PACKAGE = wheel("acme-core")


def ask(url: str, flavour: Flavour, index: str, own: str) -> bool:
    async def asking() -> bool:
        async with Backend(Upstream(url, "pypi.acme.test", "https"), flavour) as backend:
            return await taken(backend, index, own, "192.0.2.7")

    return asyncio.run(asking())


@pytest.fixture(scope="module", params=SERVERS)
def guarded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PypiServer]:
    with pypiserver(
        tmp_path_factory.mktemp("index") / "x", server=request.param, htpasswd=("svc", "x"), users={ALICE: RIGHT}
    ) as index:
        PACKAGE.write(index.packages)
        yield index


WRONG = {
    "another password": basic(ALICE, "guessed"),
    "none": basic(ALICE, ""),
    "another user": basic("bob", RIGHT),
    "another spelling of the user": basic("Alice", RIGHT),
}


def test_pypiserver_takes_the_right_password(guarded: PypiServer) -> None:
    """The control of what follows: on each of its servers."""
    assert ask(guarded.url, PYPISERVER, INDEX, basic(ALICE, RIGHT))


@pytest.mark.parametrize("own", WRONG.values(), ids=WRONG.keys())
def test_pypiserver_takes_no_other(guarded: PypiServer, own: str) -> None:
    """Neither is anything of its files changed by asking."""
    assert not ask(guarded.url, PYPISERVER, INDEX, own)
    assert guarded.files() == {PACKAGE.filename: PACKAGE.content}


def test_an_open_pypiserver_says_nothing(index: PypiServer) -> None:
    """It would take any password, so its yes is none."""
    with pytest.raises(Refused) as caught:
        ask(index.url, PYPISERVER, INDEX, basic("mallory", "anything"))
    assert (caught.value.denial.code, caught.value.denial.reason) == (Code.MISCONFIGURED, OPEN_INDEX)


def test_devpi_takes_whoever_may_upload_to_this_index(devpi_server: Devpi) -> None:
    """A right password of somebody without the right is as wrong as another password; and nothing changes."""
    mine = devpi_server.new_index(uploaders=("team",))
    others = devpi_server.new_index(uploaders=("other",))
    flavour = devpi_flavour((mine, others))
    assert ask(devpi_server.url, flavour, mine, basic("team", "team-passw0rd"))
    before = devpi_server.serial()  # behind the first right one, upon which devpi hashes a cheap password anew
    answers: dict[str, Any] = {
        "right": ask(devpi_server.url, flavour, mine, basic("team", "team-passw0rd")),
        "another password": ask(devpi_server.url, flavour, mine, basic("team", "other-passw0rd")),
        "nobody's": ask(devpi_server.url, flavour, mine, basic("mallory", "team-passw0rd")),
        "another index": ask(devpi_server.url, flavour, others, basic("team", "team-passw0rd")),
    }
    assert answers == {"right": True, "another password": False, "nobody's": False, "another index": False}
    assert devpi_server.serial() == before


def test_an_open_devpi_says_nothing(devpi_server: Devpi) -> None:
    """An index that anybody may upload to judges no password."""
    open_to_all = devpi_server.new_index(uploaders=(":ANONYMOUS:",))
    with pytest.raises(Refused) as caught:
        ask(devpi_server.url, devpi_flavour((open_to_all,)), open_to_all, basic("mallory", "anything"))
    assert caught.value.denial.reason == OPEN_INDEX


@pytest.mark.parametrize("status", [302, 404, 405, 500])
def test_another_answer_is_no_answer(tmp_path: Path, recording: RecordingIndex, status: int) -> None:
    """What is neither a yes nor a no is the index's trouble, and nobody's way in."""
    assert tmp_path.is_dir()
    recording.answer = lambda seen: Reply(401 if seen.header("Authorization") is None else status, b"odd")
    with pytest.raises(Refused) as caught:
        ask(recording.url, PYPISERVER, INDEX, basic(ALICE, RIGHT))
    assert caught.value.denial.code is Code.INDEX_UNREACHABLE
    assert f"{status}: odd" in caught.value.denial.reason


ODD = b"HTTP/1.1 500 Odd\r\nContent-Length: 100\r\n\r\nodd"


@pytest.mark.parametrize("end", [None, 30.0], ids=["breaks off", "is silent"])
async def test_an_odd_answer_without_an_end_is_no_answer(end: float | None) -> None:
    """Half of a body that is to be shown in a sentence: still a refusal, in time, and never an exception."""
    async with (
        scripted([b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"], [ODD, end]) as index,
        Backend(Upstream(index.url, "pypi.acme.test", "https", read_timeout=0.5), PYPISERVER) as backend,
        asyncio.timeout(10),
    ):
        with pytest.raises(Refused) as caught:
            await taken(backend, INDEX, basic(ALICE, RIGHT), "192.0.2.7")
    assert caught.value.denial.code is Code.INDEX_UNREACHABLE
    assert len(index.requests) == 2


def recognised(url: str, flavour: Flavour, own: str) -> bool:
    async def asking() -> bool:
        async with Backend(Upstream(url, "pypi.acme.test", "https"), flavour) as backend:
            return await known(backend, own, "192.0.2.7")

    return asyncio.run(asking())


def test_devpi_says_whom_it_knows(devpi_server: Devpi) -> None:
    """Whatever they may do there: a user with the right password, and nobody else."""
    flavour = devpi_flavour(("team/dev",))
    assert recognised(devpi_server.url, flavour, basic("other", "other-passw0rd"))
    for user, password in (("other", "team-passw0rd"), ("other", ""), ("nobody", "other-passw0rd"), ("", "")):
        assert not recognised(devpi_server.url, flavour, basic(user, password))


def test_an_index_that_says_nobody_knows_nobody(recording: RecordingIndex) -> None:
    """pypiserver has no page for it, and is not asked."""
    assert not recognised(recording.url, PYPISERVER, basic(ALICE, RIGHT))
    recording.assert_saw_nothing()
