"""What an index's answers to a delete mean, and that its listing has the last word."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from authproxy.backend.client import Backend, Upstream
from authproxy.backend.devpi import devpi, removal
from authproxy.backend.pypiserver import INDEX, PYPISERVER
from authproxy.backend.removal import carry_out, plan
from authproxy.domain.access import Outcome
from authproxy.domain.names import ProjectName
from authproxy.domain.refusal import Code, Refused
from tests.peers.recording import Hang, Raw, RecordingIndex, Reply, Script, Seen

CORE = ProjectName("acme-core")
FILES = ["Acme_Core-1.0.tar.gz", "acme_core-1.0.0-py3-none-any.whl"]


class Held:
    """An index with these files; `answers` says what comes of a delete and whether it is done."""

    def __init__(self, answer: Script, *, done: bool) -> None:
        self.files = [*FILES, "acme_core-2.0.tar.gz"]
        self.answer = answer
        self.done = done
        self.listable = True

    def __call__(self, seen: Seen) -> Script:
        if seen.method == "POST":
            if self.done:
                self.files.remove("Acme_Core-1.0.tar.gz" if b"Acme_Core" in seen.body else FILES[1])
            return self.answer
        if not self.listable:
            return Reply(500)
        return Reply(200, "".join(f'<a href="../../packages/{name}">{name}</a>' for name in self.files).encode())


@pytest_asyncio.fixture
async def backend(recording: RecordingIndex) -> AsyncIterator[Backend]:
    """The index behind us, with a service account."""
    upstream = Upstream(recording.url, "pypi.acme.test", "https", username="svc", password="pw", read_timeout=0.5)
    async with Backend(upstream, PYPISERVER) as opened:
        yield opened


ANSWERS = [
    pytest.param(Reply(200), True, Outcome.REMOVED, None, id="done"),
    pytest.param(Reply(404), True, Outcome.REMOVED, None, id="somebody was quicker"),
    pytest.param(Reply(500), True, Outcome.REMOVED, None, id="done, and one answer lost"),
    pytest.param(Reply(200), False, Outcome.REFUSED, Code.INDEX_REFUSED, id="said and not done"),
    pytest.param(Reply(401), False, Outcome.REFUSED, Code.MISCONFIGURED, id="our credentials are refused"),
    pytest.param(Reply(403, b"no"), False, Outcome.REFUSED, Code.MISCONFIGURED, id="our account has no right"),
    pytest.param(
        Reply(403, b"non-volatile index"), False, Outcome.REFUSED, Code.INDEX_REFUSED, id="the index keeps it"
    ),
    pytest.param(Reply(400, b"no"), False, Outcome.REFUSED, Code.INDEX_REFUSED, id="the index refuses"),
    pytest.param(Reply(500), False, Outcome.REFUSED, Code.INDEX_UNREACHABLE, id="the index fails"),
    pytest.param(Raw(b"", reset=True), False, Outcome.REFUSED, Code.INDEX_UNREACHABLE, id="the index breaks off"),
    pytest.param(Hang(), False, Outcome.REFUSED, Code.INDEX_TIMEOUT, id="the index is silent"),
]


@pytest.mark.parametrize(("answer", "done", "outcome", "code"), ANSWERS)
async def test_what_came_of_a_delete(
    backend: Backend, recording: RecordingIndex, answer: Script, done: bool, outcome: Outcome, code: Code | None
) -> None:
    """Whatever was answered, what is still listed is still there."""
    recording.answer = held = Held(Reply(200), done=True)
    found = await plan(backend, INDEX, CORE, "1.0")
    assert {file.filename for file in found.files} == set(FILES)
    held.answer, held.done = answer, done
    if isinstance(answer, Reply) and answer.status == 500 and done:
        held.files = ["acme_core-2.0.tar.gz"]
        held.done = False
    said = await carry_out(backend, INDEX, CORE, "1.0", found, "192.0.2.7")
    assert (said.outcome, said.denial and said.denial.code) == (outcome, code)
    assert said.left == (frozenset() if outcome is Outcome.REMOVED else frozenset(FILES))
    assert "acme_core-2.0.tar.gz" in held.files
    assert {seen.header("X-Forwarded-For") for seen in recording.uploads} == {"192.0.2.7"}


async def test_an_index_that_cannot_be_asked_any_more_leaves_it_open(
    backend: Backend, recording: RecordingIndex
) -> None:
    """Nothing counts as deleted that nobody has looked for."""
    recording.answer = held = Held(Reply(200), done=True)
    found = await plan(backend, INDEX, CORE, "1.0")
    held.listable = False
    said = await carry_out(backend, INDEX, CORE, "1.0", found, "192.0.2.7")
    assert (said.outcome, said.left) == (Outcome.UNKNOWN, frozenset(FILES))
    assert said.denial is not None


@pytest.mark.parametrize(("project", "version"), [("acme-core", "3.0"), ("acme-core", "1.0.1")])
async def test_what_is_not_there_is_not_deleted(
    backend: Backend, recording: RecordingIndex, project: str, version: str
) -> None:
    """The index is asked for its listing and sent nothing."""
    recording.answer = Held(Reply(200), done=True)
    with pytest.raises(Refused) as caught:
        await plan(backend, INDEX, ProjectName(project), version)
    assert caught.value.denial.code is Code.NOT_THERE
    assert recording.uploads == []


def listing(*versions: str) -> bytes:
    """A project's listing as devpi writes it."""
    link = {"rel": "releasefile", "href": f"http://x/team/dev/+f/012/{'0' * 13}/acme_core-1.0.tar.gz", "hashes": {}}
    return json.dumps({"result": {version: {"+links": [link]} for version in versions}}).encode()


def test_devpi_is_asked_for_every_spelling_of_a_release() -> None:
    """Each by its exact path, below the project, without a query."""
    found = removal(listing("1.0", "1.0.0", "1.0.1", "2.0", "1.0/../2.0", "1.0?force"), "team/dev", CORE, "1.0")
    assert found is not None
    assert [(each.method, each.target, each.body) for each in found.requests] == [
        ("DELETE", "/team/dev/acme-core/1.0", b""),
        ("DELETE", "/team/dev/acme-core/1.0.0", b""),
    ]
    assert [file.filename for file in found.files] == ["acme_core-1.0.tar.gz"] * 2
    assert removal(listing("2.0"), "team/dev", CORE, "1.0") is None
    assert removal(listing(), "team/dev", CORE, "1.0") is None


TARGETS = {
    "/team/dev/acme-core/1.0": True,
    "/team/dev/Acme_Core/1.0%2Blocal": True,
    "/team/dev/acme-core/1.0?force": False,
    "/team/dev/acme-core/1.0/": False,
    "/team/dev/acme-core": False,
    "/team/dev": False,
    "/team": False,
    "/team/dev/acme-core/../victim": False,
    "/team/dev/acme-core/1.0/../../victim": False,
    "/team/dev//1.0": False,
    "/team/dev/+f/1.0": False,
    "/team/dev/acme-core/%31.0": False,
    "//team/dev/acme-core/1.0": False,
    "/team/dev/acme-core/1.0\n": False,
    "http://x/team/dev/acme-core/1.0": False,
}


@pytest.mark.parametrize(("target", "taken"), TARGETS.items(), ids=TARGETS.keys())
def test_only_a_release_is_the_target_of_a_delete(target: str, taken: bool) -> None:
    """devpi deletes projects, indexes and users by shorter paths; those are nobody's to delete here."""
    pattern = devpi(("team/dev",)).removals.target
    assert pattern is not None
    assert (pattern.fullmatch(target) is not None) == taken
