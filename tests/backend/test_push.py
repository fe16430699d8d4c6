"""Which files a release has, how devpi is asked for a push, and that the target's listing has the last word."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from authproxy.backend.client import Backend, Upstream
from authproxy.backend.devpi import devpi
from authproxy.backend.push import Push, carry_out, plan
from authproxy.domain.access import Outcome
from authproxy.domain.names import ProjectName
from authproxy.domain.refusal import Code, Refused
from tests.peers.recording import Hang, Raw, RecordingIndex, Reply, Script, Seen

CORE = ProjectName("acme-core")
DEV, STABLE = "team/dev", "team/stable"
WHEEL, SDIST = "acme_core-1.0-py3-none-any.whl", "acme_core-1.0.tar.gz"
LISTING = f"/{DEV}/acme-core?ignore_bases="


def link(filename: str, digit: str = "1", rel: str = "releasefile", **more: Any) -> dict[str, Any]:
    """A file as devpi lists it; `digit` stands for its bytes."""
    href = f"http://x/{DEV}/+f/{digit * 3}/{digit * 13}/{filename}"
    return {"rel": rel, "href": href, "hashes": {"sha256": digit * 64}, **more}


def page(**releases: list[dict[str, Any]]) -> bytes:
    """A listing; `v1_0` is release 1.0."""
    return json.dumps(
        {"result": {name[1:].replace("_", "."): {"+links": links} for name, links in releases.items()}}
    ).encode()


SOURCE = [link(WHEEL, "1"), link(SDIST, "2")]


class Held:
    """A devpi: what its two indexes list, what it answers to a push, and whether it does it."""

    def __init__(self, answer: Script = Reply(200), *, copies: tuple[str, ...] = (WHEEL, SDIST)) -> None:  # noqa: B008
        self.source = page(
            v1_0=[link(WHEEL, "1"), link(SDIST, "2"), link("acme.zip", "3", "doczip")], v2_0=[link("x.egg")]
        )
        self.target: list[dict[str, Any]] = []
        self.answer = answer
        self.copies = copies
        self.takes: Script = Reply(200)  # of an upload
        self.listable = self.listable_after = True
        self.brought: list[dict[str, Any]] = []  # what comes along with a push, as if the source had changed

    def __call__(self, seen: Seen) -> Script:
        if seen.target == "/+login":
            return Reply(200, json.dumps({"result": {"password": "token", "expiration": 36000}}).encode())
        if seen.method == "POST":
            return self.takes
        if seen.method == "PUSH":
            self.target += [link(name, "1" if name == WHEEL else "2") for name in self.copies] + self.brought
            self.listable = self.listable_after
            return self.answer
        if seen.target == LISTING:
            return Reply(200, self.source)
        if not self.listable:
            return Reply(500)
        return Reply(200, page(v1_0=self.target)) if self.target else Reply(404)


@pytest_asyncio.fixture
async def backend(recording: RecordingIndex) -> AsyncIterator[Backend]:
    """A devpi behind us, with a service account."""
    upstream = Upstream(
        recording.url, "pypi.acme.test", "https", username="svc", password="pw", read_timeout=0.5, upload_timeout=0.5
    )
    async with Backend(upstream, devpi((DEV, STABLE))) as opened:
        yield opened


async def planned(backend: Backend, version: str = "1.0") -> Push:
    return await plan(backend, DEV, STABLE, CORE, version)


async def test_the_request_is_devpis_own(backend: Backend, recording: RecordingIndex) -> None:
    """Its method, its path, its three fields, our session and what is ours to say; the version in devpi's spelling."""
    recording.answer = Held()
    found = await planned(backend, "1")
    assert {each.filename for each in found.files} == {WHEEL, SDIST}
    identities = frozenset(each.artifact.identity for each in found.files)
    answer = await carry_out(backend, found, identities, "192.0.2.7")
    assert (set(answer.outcomes.values()), answer.status, answer.denial) == ({Outcome.STORED}, 200, None)
    [sent] = [seen for seen in recording.requests if seen.method == "PUSH"]
    assert (sent.target, json.loads(sent.body)) == (
        f"/{DEV}",
        {"name": "acme-core", "version": "1.0", "targetindex": STABLE},
    )
    said = {name.lower(): value for name, value in sent.headers}
    assert said.pop("authorization").startswith("Basic ")
    assert {name: said[name] for name in ("host", "content-type", "x-forwarded-for", "x-outside-url")} == {
        "host": "pypi.acme.test",
        "content-type": "application/json",
        "x-forwarded-for": "192.0.2.7",
        "x-outside-url": "https://pypi.acme.test",
    }


GONE = Raw(b"", reset=True)
ANSWERS = [
    pytest.param(Reply(200), (WHEEL,), Outcome.REFUSED, Code.INDEX_REFUSED, id="said, and half done"),
    pytest.param(Reply(401), (), Outcome.REFUSED, Code.MISCONFIGURED, id="our account may not write there"),
    pytest.param(Reply(403), (), Outcome.REFUSED, Code.MISCONFIGURED, id="our account may not read there"),
    pytest.param(Reply(404, b"no"), (), Outcome.REFUSED, Code.INDEX_REFUSED, id="somebody deleted it meanwhile"),
    pytest.param(Reply(409, b"it is there"), (), Outcome.REFUSED, Code.FILE_EXISTS, id="the target keeps what it has"),
    pytest.param(Reply(302), (), Outcome.REFUSED, Code.INDEX_REFUSED, id="a redirect is not followed"),
    pytest.param(Reply(500), (), Outcome.UNKNOWN, Code.INDEX_UNREACHABLE, id="the index fails"),
    pytest.param(GONE, (WHEEL,), Outcome.UNKNOWN, Code.INDEX_UNREACHABLE, id="the index breaks off half way"),
    pytest.param(Hang(), (), Outcome.UNKNOWN, Code.INDEX_TIMEOUT, id="the index is silent, and perhaps still at it"),
    pytest.param(GONE, (WHEEL, SDIST), Outcome.STORED, None, id="done, and the answer lost"),
    pytest.param(Reply(500), (WHEEL, SDIST), Outcome.STORED, None, id="done, and failed afterwards"),
]


@pytest.mark.parametrize(("answer", "copies", "rest", "code"), ANSWERS)
async def test_what_came_of_a_push(
    backend: Backend,
    recording: RecordingIndex,
    answer: Script,
    copies: tuple[str, ...],
    rest: Outcome,
    code: Code | None,
) -> None:
    """What the target lists with the source's bytes is stored, whatever was answered; of the rest the answer tells."""
    recording.answer = Held(answer, copies=copies)
    found = await planned(backend)
    identities = {each.artifact.identity: each.filename for each in found.files}
    said = await carry_out(backend, found, frozenset(identities), "192.0.2.7")
    assert (said.denial and said.denial.code) == code
    assert {identities[identity]: outcome for identity, outcome in said.outcomes.items()} == {
        name: Outcome.STORED if name in copies else rest for name in (WHEEL, SDIST)
    }


async def test_other_bytes_under_the_name_are_not_ours(backend: Backend, recording: RecordingIndex) -> None:
    """A yes of the index is no proof: the control of the table above, whose files have the right hashes."""
    recording.answer = held = Held(copies=())
    held.target = [link(WHEEL, "1"), link(SDIST, "9")]
    found = await planned(backend)
    wanted = frozenset(each.artifact.identity for each in found.files)
    said = await carry_out(backend, found, wanted, "192.0.2.7", wanted)
    assert sorted(said.outcomes.values()) == [Outcome.REFUSED, Outcome.STORED]
    assert said.denial is not None


async def test_other_bytes_that_came_there_past_us_stay(backend: Backend, recording: RecordingIndex) -> None:
    """A volatile target would replace them; where the rule lets it, it may."""
    recording.answer = held = Held()
    held.target = [link(SDIST, "9")]
    found = await planned(backend)
    wanted = frozenset(each.artifact.identity for each in found.files)
    said = await carry_out(backend, found, wanted, "192.0.2.7")
    assert said.denial is not None
    assert (said.denial.code, set(said.outcomes.values())) == (Code.FILE_EXISTS, {Outcome.FAILED})
    assert [seen.method for seen in recording.requests if seen.method == "PUSH"] == []


async def test_an_index_that_cannot_be_asked_any_more_leaves_it_open(
    backend: Backend, recording: RecordingIndex
) -> None:
    """Nothing counts as stored, or as refused, that nobody has looked for."""
    recording.answer = held = Held()
    found = await planned(backend)
    identities = frozenset(each.artifact.identity for each in found.files)
    held.listable_after = False
    said = await carry_out(backend, found, identities, "192.0.2.7")
    assert set(said.outcomes.values()) == {Outcome.UNKNOWN}
    assert said.denial is not None
    recording.requests.clear()
    again = await carry_out(backend, found, identities, "192.0.2.7")
    assert set(again.outcomes.values()) == {Outcome.FAILED}
    assert [seen.method for seen in recording.requests] == ["GET"], "nothing was asked for"


async def test_a_source_that_changed_is_not_pushed(backend: Backend, recording: RecordingIndex) -> None:
    """What was judged is listed once more right before; the first control is the push of an unchanged one."""
    recording.answer = held = Held()
    found = await planned(backend)
    for links in ([link(WHEEL, "1"), link(SDIST, "9")], [link(WHEEL, "1")], [*SOURCE, link("acme_core-1.0.zip")], []):
        held.source = page(v1_0=links)
        said = await carry_out(backend, found, frozenset({"any"}), "192.0.2.7")
        assert (said.outcomes, said.over, said.denial is None) == ({"any": Outcome.FAILED}, True, False)
    assert [seen for seen in recording.requests if seen.method == "PUSH"] == []


STRANGE = [
    pytest.param([link("acme_core-1.0-cp312-cp312-any.whl", "7")], id="a file that nobody listed"),
    pytest.param([link(WHEEL, "7")], id="other bytes of a file"),
    pytest.param([link("acme_core-1.0.egg", "7")], id="what no installer takes"),
    pytest.param([link("other-9.tar.gz", "7")], id="a file of another project"),
]


@pytest.mark.parametrize("strange", STRANGE)
async def test_what_comes_to_the_target_and_was_not_judged(
    backend: Backend, recording: RecordingIndex, strange: list[dict[str, Any]]
) -> None:
    """Found in the target afterwards, whatever devpi answered; what was there before is nobody's arrival."""
    recording.answer = held = Held()
    found = await planned(backend)
    identities = frozenset(each.artifact.identity for each in found.files)
    held.brought = strange
    said = await carry_out(backend, found, identities, "192.0.2.7")
    [arrival] = said.arrivals
    assert (arrival.name, arrival.file is None) == (strange[0]["href"].rpartition("/")[2], "egg" in arrival.name)
    held.brought = []
    assert (await carry_out(backend, found, identities, "192.0.2.7")).arrivals == ()


RELEASES: dict[str, tuple[bytes, Code, str]] = {
    "no such project": (page(), Code.REQUEST_INVALID, "there is nothing to push"),
    "no such release": (page(v1_0_1=[link(SDIST)]), Code.REQUEST_INVALID, "there is nothing to push"),
    "a release without files": (page(v1_0=[]), Code.REQUEST_INVALID, "there is nothing to push"),
    "documentation alone": (page(v1_0=[link("a.zip", rel="doczip")]), Code.REQUEST_INVALID, "there is nothing to push"),
    "a file that nobody reads": (page(v1_0=[link(WHEEL), link("acme-core-1.0.egg")]), Code.MISMATCH, "neither a wheel"),
    "a file of another project": (page(v1_0=[link("acme-1.0.tar.gz")]), Code.MISMATCH, "'acme-1.0.tar.gz'"),
    "a file of another version": (page(v1_0=[link("acme_core-1.0.1.tar.gz")]), Code.MISMATCH, "1.0.1.tar.gz"),
    "a file on another server": (page(v1_0=[link(WHEEL, href="http://x/y.whl")]), Code.MISMATCH, "neither a wheel"),
    "a file without its hash": (page(v1_0=[link(WHEEL, hashes={"md5": "0"})]), Code.MISMATCH, "sha256"),
    "one file in two spellings": (
        page(v1_0=[link(SDIST)], v1_0_0=[link("acme_core-1.0.0.tar.gz", "2")]), Code.MISMATCH, "in two spellings",
    ),
    "no listing": (b"[]", Code.INDEX_UNREACHABLE, "not devpi's"),
}  # fmt: skip


@pytest.mark.parametrize(("listing", "code", "words"), RELEASES.values(), ids=RELEASES.keys())
async def test_what_is_not_pushed(
    backend: Backend, recording: RecordingIndex, listing: bytes, code: Code, words: str
) -> None:
    """Whatever devpi would take along must be readable here; devpi is asked for its listing and for nothing else."""
    recording.answer = held = Held()
    held.source = listing
    with pytest.raises(Refused, match=words) as caught:
        await planned(backend)
    assert caught.value.denial.code is code
    assert [seen.target for seen in recording.requests] == ["/+login", LISTING]


async def test_every_spelling_of_a_release_is_pushed(backend: Backend, recording: RecordingIndex) -> None:
    """1.0 and 1.0.0 are two to devpi and one to everybody else; the first no ends it."""
    recording.answer = held = Held()
    held.source = page(v1_0=[link(WHEEL, "1")], v1_0_0=[link(SDIST, "2")], v1_0_1=[link("x.egg")])
    found = await planned(backend)
    await carry_out(backend, found, frozenset(), "192.0.2.7")
    pushed = [json.loads(seen.body)["version"] for seen in recording.requests if seen.method == "PUSH"]
    assert pushed == ["1.0", "1.0.0"]
    held.answer = Reply(400)
    recording.requests.clear()
    await carry_out(backend, found, frozenset(), "192.0.2.7")
    assert len([seen for seen in recording.requests if seen.method == "PUSH"]) == 1
