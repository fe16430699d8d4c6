"""The list of all projects, as each kind of index writes it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from authproxy.backend.client import Backend, Upstream
from authproxy.backend.devpi import devpi
from authproxy.backend.projects import Projects, projects
from authproxy.backend.pypiserver import INDEX, PYPISERVER
from authproxy.domain.refusal import Code, Refused
from tests.peers.devpi import SERVICE, SERVICE_PASSWORD, Devpi
from tests.peers.forms import body_of, parts_of, post
from tests.peers.packages import wheel
from tests.peers.pypiserver import pypiserver
from tests.peers.recording import RecordingIndex, Reply
from tests.peers.wire import exchange


@pytest.fixture
async def backend(recording: RecordingIndex) -> AsyncIterator[Backend]:
    """A client of the recorded index."""
    async with Backend(Upstream(recording.url, "pypi.acme.test", "https"), PYPISERVER) as made:
        yield made


async def test_pypiserver_lists_its_projects(tmp_path: Path) -> None:
    """The real one, each project once, in order."""
    with pypiserver(tmp_path / "index") as index:
        for package in (wheel("zope.interface"), wheel("acme-core"), wheel("acme-core", "2.0"), wheel("Acme_Web")):
            package.write(index.packages)
        async with Backend(Upstream(index.url, "pypi.acme.test", "https"), PYPISERVER) as backend:
            assert await projects(backend, INDEX) == Projects(("acme-core", "acme-web", "zope-interface"))  # type: ignore[arg-type]


async def test_devpi_lists_what_an_index_has_itself(devpi_server: Devpi) -> None:
    """The real one: projects that a base has are not its own."""
    base = devpi_server.new_index()
    index = devpi_server.new_index(bases=[base])
    for at, name in ((base, "acme-base"), (index, "acme-core"), (index, "acme-web")):
        body = body_of(parts_of(wheel(name)))
        raw = post(body, key=None, target=f"/{at}/", more=devpi_server.as_service())
        assert exchange(devpi_server.address, raw).status == 200
    upstream = Upstream(devpi_server.url, "pypi.acme.test", "https", SERVICE, SERVICE_PASSWORD)
    async with Backend(upstream, devpi((index,))) as backend:
        assert await projects(backend, index) == Projects(("acme-core", "acme-web"))  # type: ignore[arg-type]


async def test_names_that_are_none_are_counted(backend: Backend, recording: RecordingIndex) -> None:
    """A page is data: what cannot be a project's name is left out, and told."""
    page = b'<a href="acme-core/">x</a><a href="Acme_Core/">y</a><a href="%00/">z</a><a href="../a b/">w</a>'
    recording.answer = lambda _: Reply(200, page)
    assert await projects(backend, INDEX) == Projects(("acme-core",), 2)  # type: ignore[arg-type]
    assert recording.requests[0].target == "/simple/"


ANSWERS = {
    "an error": (Reply(500), Code.INDEX_UNREACHABLE),
    "not there": (Reply(404), Code.INDEX_UNREACHABLE),
    "a redirect": (Reply(302, headers=(("Location", "/elsewhere"),)), Code.INDEX_UNREACHABLE),
    "no entry": (Reply(401), Code.MISCONFIGURED),
}


@pytest.mark.parametrize(("answer", "code"), ANSWERS.values(), ids=ANSWERS.keys())
async def test_what_is_no_list_is_refused(
    backend: Backend, recording: RecordingIndex, answer: Reply, code: Code
) -> None:
    """An index that does not list its projects has not none."""
    recording.answer = lambda _: answer
    with pytest.raises(Refused) as caught:
        await projects(backend, INDEX)
    assert caught.value.denial.code is code


PAGES = ["", "[]", "{}", '{"result": []}', '{"result": {"projects": 1}}', "\xff", "[" * 100_000]


@pytest.mark.parametrize("page", PAGES, ids=range(len(PAGES)))
def test_what_devpi_would_not_say_is_refused(page: str) -> None:
    """Whatever it is, it ends in a sentence."""
    with pytest.raises(Refused):
        devpi(("team/dev",)).projects(page.encode())


def test_devpis_names_are_read() -> None:
    """As they stand in its description of an index."""
    page = json.dumps({"type": "indexconfig", "result": {"type": "stage", "projects": ["acme-core", "b"]}})
    assert devpi(("team/dev",)).projects(page.encode()) == ("acme-core", "b")
