"""What devpi has and the proxy has not: refused before devpi is even connected to. And which headers it is ever told."""

import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.scene import Scene, assert_is_one_sentence
from tests.peers import wire
from tests.peers.devpi import SERVICE, SERVICE_PASSWORD, Devpi
from tests.peers.forms import body_of, parts_of, post
from tests.peers.packages import wheel
from tests.peers.proxy import Proxy, proxy
from tests.peers.recording import RecordingIndex, Reply, Script, Seen, recording_index

PACKAGE = wheel("acme-core")
FILE = f"+f/24d/958b7edb4ffef/{PACKAGE.filename}"
PUBLIC = "https://pypi.acme.test/"
# Whoever may do everything that a key can; what is refused to this one is refused to all.
POLICIES = {"release": {"allow": [{"actions": ["upload", "read"], "packages": ["*"], "create": True}]}}


def backend(url: str, *indexes: str) -> dict[str, object]:
    account = {"username": SERVICE, "password": {"file": "backend-password"}}
    return {"flavour": "devpi", "url": url, "indexes": list(indexes), **account}


def devpi_says(seen: Seen) -> Script:
    """A devpi that gives a session and takes every upload."""
    if seen.target == "/+login":
        return Reply(200, json.dumps({"result": {"password": "token", "expiration": 36000}}).encode())
    return Reply(200) if seen.method == "POST" else Reply(404)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("refusals") / "proxy"
    settings = {"service": (SERVICE, SERVICE_PASSWORD), "public_url": PUBLIC, "key_policies": POLICIES}
    with (
        recording_index() as index,
        proxy(folder, index.url, backend=backend(index.url, "team/dev"), **settings) as running,
    ):
        yield Scene(running, index, running.create_key())


@pytest.fixture(scope="module")
def behind(scene: Scene) -> RecordingIndex:
    return scene.index


JSON = ("Content-Type", "application/json")
PUSH = {"name": "acme-core", "version": "1.0", "targetindex": "team/prod"}
REQUESTS: dict[str, tuple[str, str, object]] = {
    "a login that is none": ("POST", "/+login", {"user": "root"}),
    "a push by its own method": ("PUSH", "/team/dev", PUSH),
    "a push by POST, within": ("POST", "/team/dev", PUSH),
    "a push by POST, to any URL outside": ("POST", "/team/dev/", {**PUSH, "posturl": "http://192.0.2.1/", "username": "a"}),
    "a new user": ("PUT", "/mallory", {"password": "mine"}),
    "another password": ("PATCH", "/root", {"password": "mine"}),
    "the end of a user": ("DELETE", "/team", None),
    "a new index": ("PUT", "/team/mine", {"bases": []}),
    "another access list": ("PATCH", "/team/dev", ["acl_upload+=mallory"]),
    "another access list, with a slash": ("PATCH", "/team/dev/", ["acl_upload+=mallory"]),
    "the end of an index": ("DELETE", "/team/dev", None),
    "the end of a project": ("DELETE", "/team/dev/acme-core", None),
    "the end of a release, by force": ("DELETE", "/team/dev/acme-core/1.0?force", None),
    "the end of a file": ("DELETE", f"/team/dev/{FILE}", None),
    "a test result": ("POST", f"/team/dev/{FILE}", {"testenvs": {}}),
    "a refresh": ("POST", "/team/dev/+simple/acme-core/refresh", None),
    "the state of the server": ("GET", "/+status", None),
    "its changes": ("GET", "/+changelog/0", None),
    "a question about somebody's rights": ("GET", "/+authcheck", None),
    "documentation": ("GET", "/team/dev/acme-core/1.0/+d/index.html", None),
    "another method": ("OPTIONS", "/team/dev/", None),
    "a query": ("GET", "/team/dev/acme-core?force", None),
    "a query of an upload": ("POST", "/team/dev/?:action=submit", {}),
}  # fmt: skip


@pytest.mark.parametrize(("method", "target", "body"), REQUESTS.values(), ids=REQUESTS.keys())
def test_devpi_is_not_touched(scene: Scene, behind: RecordingIndex, method: str, target: str, body: object) -> None:
    """No key opens these, nor does the service account lend itself: devpi sees no connection."""
    behind.forget()
    octets = b"" if body is None else json.dumps(body).encode()
    headers = [("Authorization", wire.basic("__token__", scene.key.text)), ("Content-Length", str(len(octets))), JSON]
    answer = scene.exchange(wire.head(method, target, [*headers, ("Connection", "close")]) + octets)
    assert answer.status in {400, 403}, answer
    assert_is_one_sentence(answer)
    behind.assert_saw_nothing()


ACTIONS = ["submit", "doc_upload", "remove_pkg", "verify", "", "file_upload "]


@pytest.mark.parametrize("action", ACTIONS)
def test_an_upload_is_a_file_upload_and_nothing_else(scene: Scene, behind: RecordingIndex, action: str) -> None:
    """`submit` overwrites a release's metadata, `doc_upload` its documentation."""
    behind.forget()
    answer = scene.exchange(post(body_of(parts_of(PACKAGE, action=action)), key=scene.key.text, target="/team/dev/"))
    assert answer.status == 400
    behind.assert_saw_nothing()


def test_what_is_passed_on_does_reach_it(scene: Scene, behind: RecordingIndex) -> None:
    """The control: the same key, and a request that the table has."""
    behind.forget()
    behind.answer = devpi_says
    answer = scene.exchange(post(body_of(parts_of(PACKAGE)), key=scene.key.text, target="/team/dev/"))
    assert answer.status == 200
    assert [seen.target for seen in behind.requests] == ["/+login", "/team/dev/acme-core?ignore_bases=", "/team/dev/"]


# Beside a key it is refused, as are any two credentials: reads alone come with it, as nobody's.
SESSION = ("X-Devpi-Auth", b64encode(b"root:").decode())
EVIL = [
    ("X-Outside-URL", "http://evil.test/team/prod"),
    ("X-Devpi-Absolute-Urls", "1"),
    ("X-Devpi-Master-Uuid", "1"),
    ("X-Devpi-Replica-Uuid", "1"),
    ("X-Forwarded-Host", "evil.test"),
    ("X-Forwarded-Proto", "gopher"),
    ("X-Forwarded-Prefix", "/team/prod"),
    ("X-Forwarded-For", "203.0.113.9"),
    ("X-Original-URI", "/team/prod/"),
    ("X-Script-Name", "/team/prod"),
    ("X-HTTP-Method-Override", "DELETE"),
    ("Forwarded", "host=evil.test"),
    ("Cookie", "a=b"),
]


@pytest.fixture
def told(tmp_path: Path, recording: RecordingIndex) -> Iterator[Proxy]:
    """A proxy before a devpi that records what it is told."""
    recording.answer = devpi_says
    settings = {"service": (SERVICE, SERVICE_PASSWORD), "public_url": PUBLIC, "key_policies": POLICIES, "reads": "open"}
    with proxy(tmp_path / "proxy", recording.url, backend=backend(recording.url, "team/dev"), **settings) as running:
        yield running


def test_no_header_of_a_client_is_believed(told: Proxy, recording: RecordingIndex) -> None:
    """Host and X-Outside-URL are ours and say the public URL; of the rest that devpi might believe, nothing arrives."""
    key = told.create_key()
    upload = post(body_of(parts_of(PACKAGE)), key=key.text, target="/team/dev", more=EVIL)
    assert wire.exchange(told.address, upload).status == 200
    for target in (
        "/team/dev/+simple/acme-core/",
        "/other/dev/+simple/acme-core/",
        "/team/dev/+api",
        f"/team/dev/{FILE}",
    ):
        wire.exchange(told.address, wire.get(target, [SESSION, *EVIL]))
    assert {seen.target for seen in recording.requests} >= {"/team/dev/", "/team/dev/+api"}
    for seen in recording.requests:
        headers = [(name.lower(), value) for name, value in seen.headers]
        assert [value for name, value in headers if name == "host"] == ["pypi.acme.test"]
        assert [value for name, value in headers if name == "x-outside-url"] == ["https://pypi.acme.test"]
        others = {name for name, _ in headers if name.startswith("x-")} - {"x-outside-url", "x-forwarded-for"}
        assert others == set()
        assert {"cookie", "forwarded"}.isdisjoint(dict(headers))
        assert {value for name, value in headers if name == "x-forwarded-for"} <= {"127.0.0.1"}
        assert b"evil" not in seen.raw


def test_the_service_account_is_lent_within_its_indexes_alone(told: Proxy, recording: RecordingIndex) -> None:
    """Also to everybody, under `reads: open`: not to an index that the config does not name, nor to what would name it."""
    lent = {}
    for target in ("/team/dev/+simple/", "/team/dev/acme-core", "/other/dev/+simple/", "/team/dev/+api", "/+api"):
        wire.exchange(told.address, wire.get(target))
        lent[target] = recording.requests[-1].header("Authorization") is not None
    assert lent == {
        "/team/dev/+simple/": True,
        "/team/dev/acme-core": True,
        "/other/dev/+simple/": False,
        "/team/dev/+api": False,
        "/+api": False,
    }


@pytest.fixture
def real(tmp_path: Path, devpi_server: Devpi) -> Iterator[tuple[Proxy, str, str]]:
    """A proxy before a real devpi, the index that the config names, and one that it does not."""
    index, other = devpi_server.new_index(), devpi_server.new_index()
    settings = {"service": (SERVICE, SERVICE_PASSWORD), "public_url": PUBLIC, "key_policies": POLICIES}
    with proxy(tmp_path / "proxy", devpi_server.url, backend=backend(devpi_server.url, index), **settings) as running:
        yield running, index, other


def outside(index: str) -> list[tuple[str, str]]:
    return [("X-Outside-URL", f"http://evil.test/{index}")]


def test_links_point_at_us_and_uploads_stay(real: tuple[Proxy, str, str], devpi_server: Devpi) -> None:
    """Whatever the client says of where it is: links have the public URL, and an upload lands where it was sent."""
    running, index, other = real
    key = running.create_key()
    sent = post(body_of(parts_of(PACKAGE)), key=key.text, target=f"/{index}/", more=outside(other))
    assert wire.exchange(running.address, sent).status == 200
    assert (devpi_server.releases(index, "acme-core"), devpi_server.releases(other, "acme-core")) == (
        {"1.0": [PACKAGE.filename]},
        {},
    )
    accept = ("Accept", "application/json")
    for target in (f"/{index}/+api", f"/{index}/acme-core", f"/{index}/acme-core/1.0"):
        page = wire.exchange(running.address, wire.get(target, [accept, *outside(other)]))
        assert f'"{PUBLIC}{index}/' in page.text
        assert "evil" not in page.text
    redirect = wire.exchange(running.address, wire.get(f"/{index}/Acme_Core", [accept, *outside(other)]))
    assert (redirect.status, redirect.header("Location")) == (302, f"{PUBLIC}{index}/acme-core")
    for target in (f"/{index}/+simple/acme-core/", f"/{index}/+simple/"):
        assert "evil" not in wire.exchange(running.address, wire.get(target, outside(other))).text


def test_devpi_itself_believes_the_header(real: tuple[Proxy, str, str], devpi_server: Devpi) -> None:
    """The control: asked without us, it builds its links with it, and moves an upload to another index."""
    _, index, other = real
    page = devpi_server.ask("GET", f"/{index}/+api", headers={"X-Outside-URL": "http://evil.test"})
    assert "http://evil.test/" in page.text
    # The prefix is cut off the path, so that what is left of it is the other index.
    moving = [("X-Outside-URL", f"http://evil.test/{index}"), *devpi_server.as_service()]
    sent = post(body_of(parts_of(PACKAGE)), key=None, target=f"/{index}/{other}/", more=moving)
    assert wire.exchange(devpi_server.address, sent).status == 200
    assert devpi_server.releases(other, "acme-core") == {"1.0": [PACKAGE.filename]}


def test_the_service_account_is_not_shown(real: tuple[Proxy, str, str]) -> None:
    """`+api` says who is logged in; through us that is the key, or nobody."""
    running, index, _ = real
    key = running.create_key()
    shown = wire.basic("__token__", key.text)
    for more, who in (
        ([], ["noauth", "", []]),
        ([("Authorization", shown)], ["ok", f"{key.id}0", []]),
        ([("X-Devpi-Auth", shown.removeprefix("Basic "))], ["ok", f"{key.id}0", []]),
    ):
        for target in ("/+api", f"/{index}/+api"):
            page = wire.exchange(running.address, wire.get(target, [("Accept", "application/json"), *more]))
            assert json.loads(page.text)["result"]["authstatus"] == who
            assert SERVICE not in page.text
