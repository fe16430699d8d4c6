"""A delete takes a grant of its own, is on record before the index sees it, and its names stay for what they held."""

import asyncio
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from authproxy.backend.devpi import devpi
from authproxy.backend.pypiserver import PYPISERVER
from authproxy.domain.refusal import Code
from authproxy.web.removing import is_removal
from tests.peers.forms import Part, body_of, parts_of, post
from tests.peers.packages import Package, sdist, wheel
from tests.peers.recording import RecordingIndex, Reply, Script, Seen
from tests.peers.wire import Answer, basic, head
from tests.web.conftest import POLICIES, Running
from tests.web.test_upload import rows

KEYS = {
    **POLICIES,
    "clean": {"allow": [{"actions": ["delete"], "packages": ["acme-*"]}]},
    "both": {"allow": [{"actions": ["delete", "upload"], "packages": ["acme-*"], "create": True}]},
}
SETTINGS = {"key_policies": KEYS}
with_keys = pytest.mark.parametrize("running", [SETTINGS], indirect=True, ids=["keys"])
SPELLINGS = [wheel("acme-core", "1.0"), sdist("acme-core", "1.0", filename="Acme_Core-1.0.0.tar.gz")]


def deleting(key: str | None, name: str, version: str, *more: Part, credential: str | None = None) -> bytes:
    """A `remove_pkg` form as pypiserver's manual has it."""
    parts = [Part(":action", b"remove_pkg"), Part("name", name.encode()), Part("version", version.encode()), *more]
    return post(body_of(parts), key=key, more=[("Authorization", credential)] if credential else [])


class Index:
    """What the index behind us holds; a delete takes effect for the pair of name and version that it names."""

    def __init__(self, *packages: Package) -> None:
        self.held = {package.filename: package.content for package in packages}
        self.removed: list[bytes] = []

    def __call__(self, seen: Seen) -> Script:
        if seen.method == "POST" and b"remove_pkg" in seen.body:
            self.removed.append(seen.body)
            name, version = (part.split(b"=")[1].decode() for part in seen.body.split(b"&")[1:])
            self.held = {
                each: content for each, content in self.held.items() if not each.startswith(f"{name}-{version}")
            }
            return Reply(200)
        if seen.method == "POST":
            return Reply(200)
        if seen.target.startswith("/packages/"):
            content = self.held.get(seen.target.removeprefix("/packages/"))
            return Reply(404) if content is None else Reply(200, content)
        links = "".join(f'<a href="../../packages/{name}">{name}</a><br>' for name in self.held)
        return Reply(200, links.encode()) if self.held else Reply(404)


@pytest.fixture
def index(recording: RecordingIndex) -> Index:
    """An index with release 1.0 in two spellings, and another release."""
    recording.answer = held = Index(*SPELLINGS, wheel("acme-core", "2.0"))
    return held


@with_keys
async def test_a_release_goes_with_all_its_files(running: Running, index: Index, recording: RecordingIndex) -> None:
    """Each spelling by a form of ours with the service credentials; the record names the key, the project, the release."""
    answer = await running.ask(deleting(await running.key("clean"), "Acme.Core", "1"))
    assert (answer.status, answer.text.startswith("deleted acme-core 1: ")) == (200, True), answer.text
    assert list(index.held) == ["acme_core-2.0-py3-none-any.whl"]
    assert index.removed == [
        b"%3Aaction=remove_pkg&name=Acme_Core&version=1.0.0",
        b"%3Aaction=remove_pkg&name=acme_core&version=1.0",
    ]
    assert {seen.header("Authorization") for seen in recording.uploads} == {basic("service", "s3cret-passw0rd")}
    [row] = rows(running)
    for name, value in {
        "action": "delete", "project": "acme-core", "version": "1", "outcome": "removed", "owner": "ci@acme.test",
        "grant": "delete:acme-*", "index_status": 200, "code": None, "address": "127.0.0.1",
    }.items():  # fmt: skip
        assert row[name] == value, name


@with_keys
async def test_the_record_comes_first(running: Running, recording: RecordingIndex, index: Index) -> None:
    """There is no delete in the index without a row."""
    by_then: list[list[dict[str, Any]]] = []

    def answer(seen: Seen) -> Script:
        if seen.method == "POST":
            by_then.append(rows(running))
        return index(seen)

    recording.answer = answer
    await running.ask(deleting(await running.key("clean"), "acme-core", "2.0"))
    assert [(row["action"], row["outcome"]) for row in by_then[0]] == [("delete", "pending")]


@with_keys
@pytest.mark.parametrize(
    ("policy", "name", "words"),
    [
        pytest.param(
            "release", "acme-core", "may not delete 'acme-core': it may upload+create:acme-*", id="an upload key"
        ),
        pytest.param("clean", "victim", "may not delete 'victim': it may delete:acme-*", id="another project"),
        pytest.param("clean", "acme", "may not delete 'acme'", id="a name that the pattern does not match"),
        pytest.param("install", "acme-core", "may not upload here", id="a reading key"),
    ],
)
async def test_a_delete_takes_its_own_grant(
    running: Running, recording: RecordingIndex, policy: str, name: str, words: str
) -> None:
    """The index saw nothing, not even a question; the record saw the try."""
    answer = await running.ask(deleting(await running.key(policy), name, "1.0"))
    assert (answer.status, words in answer.reason) == (403, True), answer.reason
    recording.assert_saw_nothing()
    [row] = rows(running)
    # A key that may neither upload nor delete is refused before its form says which of the two it wants.
    action = "upload" if policy == "install" else "delete"
    assert (row["action"], row["outcome"], row["code"]) == (action, "denied", "not-allowed")


@with_keys
async def test_a_delete_key_uploads_nothing(running: Running, recording: RecordingIndex) -> None:
    """Neither right is the other."""
    answer = await running.ask(post(body_of(parts_of(wheel("acme-core"))), key=await running.key("clean")))
    assert (answer.status, "may not upload 'acme-core'" in answer.reason) == (403, True)
    recording.assert_saw_nothing()


NOBODY = {
    "nobody": (None, None),
    "a password": (None, basic("alice", "her own")),
    "a broken key": ("apx_0123456789abc_x", None),
}


@with_keys
@pytest.mark.parametrize(("key", "credential"), NOBODY.values(), ids=NOBODY.keys())
async def test_only_keys_delete(
    running: Running, recording: RecordingIndex, key: str | None, credential: str | None
) -> None:
    """Who has none is asked for one."""
    assert (await running.ask(deleting(key, "acme-core", "1.0", credential=credential))).status == 401
    recording.assert_saw_nothing()


@pytest.mark.parametrize("running", [{"passwords": {"uploads": "allow"}, **SETTINGS}], indirect=True, ids=["allowed"])
async def test_a_password_that_may_upload_deletes_nothing(running: Running, recording: RecordingIndex) -> None:
    """The index is asked whether the password is right, and for nothing else."""
    recording.answer = lambda seen: Reply(200 if seen.header("Authorization") else 401)
    answer = await running.ask(deleting(None, "acme-core", "1.0", credential=basic("alice", "her own")))
    assert (answer.status, "user 'alice' may not delete" in answer.reason) == (403, True)
    assert {seen.body for seen in recording.requests} == {b"%3Aaction=verify"}


@with_keys
async def test_a_key_that_ended_meanwhile_deletes_nothing(
    running: Running, recording: RecordingIndex, index: Index
) -> None:
    """It is looked at once more in the store, when the index has been asked what there is."""
    key = await running.key("clean")
    authority, store = running.app.parts.authority, running.app.parts.store
    assert await authority.verify(key, now=running.app.parts.now())
    ids = [row["id"] for row in rows(running, "keys")]
    loop = asyncio.get_running_loop()

    def answer(seen: Seen) -> Script:
        if seen.method == "GET":
            revoked = asyncio.run_coroutine_threadsafe(store.revoke(ids[0], running.app.parts.now()), loop)
            revoked.result(5)
        return index(seen)

    recording.answer = answer
    answered = await running.ask(deleting(key, "acme-core", "1.0"))
    assert answered.status == 401
    assert index.removed == []


FORMS = {
    "no name": ("", "1.0"),
    "no version": ("acme-core", ""),
    "a name with a star": ("acme-*", "1.0"),
    "a name with a line end": ("acme-core\r\n", "1.0"),
    "a name of other letters": ("acme-\N{KELVIN SIGN}ore", "1.0"),
    "a version that is none": ("acme-core", "latest"),
    "a version of many": ("acme-core", "*"),
    "a version that is a path": ("acme-core", "../1.0"),
}


@with_keys
@pytest.mark.parametrize(("name", "version"), FORMS.values(), ids=FORMS.keys())
async def test_a_release_that_cannot_be_read_is_refused(
    running: Running, recording: RecordingIndex, name: str, version: str
) -> None:
    """One project and one version, by their own grammars, or nothing."""
    assert (await running.ask(deleting(await running.key("clean"), name, version))).status == 400
    recording.assert_saw_nothing()


@with_keys
async def test_what_is_not_there_is_said(running: Running, index: Index) -> None:
    """To whom the delete is allowed: nothing was sent, and the try is on record."""
    answer = await running.ask(deleting(await running.key("clean"), "acme-core", "9.9"))
    assert (answer.status, "no release 9.9 of 'acme-core'" in answer.reason) == (404, True)
    assert index.removed == []
    assert [row["code"] for row in rows(running)] == [Code.NOT_THERE]


async def upload(running: Running, index: Index, package: Package, key: str) -> Answer:
    """Upload, and let the index hold it where that went well."""
    answer = await running.ask(post(body_of(parts_of(package)), key=key))
    if answer.text == "uploaded\n":
        index.held[package.filename] = package.content
    return answer


OVERWRITE = {"packages": [{"match": "*", "overwrite": "allow"}]}


@pytest.mark.parametrize("running", [SETTINGS, SETTINGS | OVERWRITE], indirect=True, ids=["overwrite never", "allow"])
async def test_a_deleted_name_stays_for_its_bytes(running: Running, index: Index) -> None:
    """The same bytes come again; others only where files may be overwritten, and also in another spelling."""
    may = running.app.parts.config.policy.packages[0].overwrite == "allow"
    key = await running.key("both")
    package, other = wheel("acme-core", "3.0"), wheel("acme-core", "3.0", payload=b"other")
    assert (await upload(running, index, package, key)).text == "uploaded\n"
    assert (await running.ask(deleting(key, "acme-core", "3.0"))).status == 200
    if not may:
        answer = await upload(running, index, other, key)
        assert answer.status == 400
        assert "File already exists" in answer.reason
        assert "was deleted and had other bytes" in answer.reason
    assert (await upload(running, index, package, key)).text == "uploaded\n"
    assert (await running.ask(deleting(key, "acme-core", "3.0"))).status == 200
    spelled = wheel("acme-core", "3.0", filename="acme_core-3.0.0-py3-none-any.whl", payload=b"other")
    assert (await upload(running, index, spelled, key)).status == (200 if may else 400)


@with_keys
async def test_a_file_from_before_us_is_read_before_it_goes(running: Running, index: Index) -> None:
    """So that its name, too, stays for its bytes."""
    key = await running.key("both")
    old = SPELLINGS[0]
    assert (await running.ask(deleting(key, "acme-core", "1.0"))).status == 200
    answer = await upload(running, index, wheel("acme-core", "1.0", payload=b"other"), key)
    assert (answer.status, "was deleted" in answer.reason) == (400, True)
    assert (await upload(running, index, old, key)).text == "uploaded\n"


@with_keys
async def test_a_delete_by_target_is_not_pypiservers(running: Running, recording: RecordingIndex) -> None:
    """pypiserver has no DELETE, and none is passed on."""
    key = await running.key("clean")
    for target in ("/acme-core/1.0", "/simple/acme-core/", "/packages/acme_core-1.0.tar.gz", "/team/dev/acme-core/1.0"):
        raw = head("DELETE", target, [("Authorization", basic("__token__", key)), ("Content-Length", "0")])
        assert (await running.ask(raw)).status == 403, target
    recording.assert_saw_nothing()


DEVPI = devpi(("team/dev", "team/prod"))


@pytest.mark.parametrize(
    ("method", "target", "taken"),
    [
        ("DELETE", "/team/dev/acme-core/1.0", True),
        ("DELETE", "/team/prod/acme-core/1.0", True),
        ("DELETE", "/team/other/acme-core/1.0", False),
        ("DELETE", "/other/pypi/acme-core/1.0", False),
        ("DELETE", "/team/dev/acme-core/1.0?force", False),
        ("DELETE", "/team/dev/acme-core", False),
        ("DELETE", "/team/dev", False),
        ("GET", "/team/dev/acme-core/1.0", False),
        ("POST", "/team/dev/acme-core/1.0", False),
    ],
)
def test_what_is_a_delete_by_target(method: str, target: str, taken: bool) -> None:
    """A release, in an index that the config names, by its exact path; and never on pypiserver."""
    request = make_mocked_request(method, target)
    assert is_removal(DEVPI, request) == taken
    assert not is_removal(PYPISERVER, request)
