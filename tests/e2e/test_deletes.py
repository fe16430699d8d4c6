"""Deletes, before the real pypiserver and the real devpi: what was asked for is gone, and nothing else can be hit."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.peers import wire
from tests.peers.clients import Client
from tests.peers.devpi import SERVICE, SERVICE_PASSWORD, Devpi
from tests.peers.forms import Part, body_of, parts_of, post, upload
from tests.peers.packages import Package, sdist, wheel
from tests.peers.proxy import Key, Proxy, proxy
from tests.peers.pypiserver import SERVERS, PypiServer, pypiserver

pytestmark = pytest.mark.e2e

HTPASSWD = ("authproxy", "s3rvice-passw0rd")
POLICIES = {
    "release": {"allow": [{"actions": ["upload"], "packages": ["acme-*"], "create": True}]},
    "clean": {"allow": [{"actions": ["delete"], "packages": ["acme-*"]}]},
    "all": {"allow": [{"actions": ["delete"], "packages": ["*"]}]},
}
# Files that lie in the index before us, by hands that knew no rules.
HELD: tuple[Package, ...] = (
    wheel("acme-core", "1.0"),
    sdist("acme-core", "1.0", filename="Acme_Core-1.0.0.tar.gz"),
    wheel("acme-core", "1.0", filename="acme_core-1.0-2-py3-none-any.whl"),
    wheel("acme-core", "1.0.1"),
    sdist("acme-core", "10", filename="acme-core-10.tar.gz"),
    wheel("acme-core-x", "1.0"),
    wheel("acme", "1.0"),
    wheel("victim", "1.0"),
    sdist("victim", "1.0", filename="victim-1.0-2.tar.gz"),
)
NAMES = {package.filename for package in HELD}


@dataclass(frozen=True, slots=True)
class Scene:
    proxy: Proxy
    index: PypiServer
    clean: Key
    release: Key

    def delete(self, name: str, version: str, key: Key | None = None, *more: Part) -> wire.Answer:
        """A `remove_pkg` form, as curl sends it."""
        parts = [Part(":action", b"remove_pkg"), Part("name", name.encode()), Part("version", version.encode()), *more]
        return wire.exchange(self.proxy.address, post(body_of(parts), key=(key or self.clean).text))

    def held(self) -> set[str]:
        """The names of the files in the index."""
        return set(self.index.files())


@pytest.fixture(scope="module", params=SERVERS)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("deletes")
    with (
        pypiserver(folder / "index", server=request.param, htpasswd=HTPASSWD) as index,
        proxy(folder / "proxy", index.url, service=HTPASSWD, key_policies=POLICIES) as served,
    ):
        yield Scene(served, index, served.create_key(policy="clean"), served.create_key())


@pytest.fixture
def scene(running: Scene) -> Scene:
    """The index as it was."""
    for name in running.held() - NAMES:
        (running.index.packages / name).unlink()
    for package in HELD:
        package.write(running.index.packages)
    return running


RELEASES = [
    ("acme-core", "1.0", {"acme_core-1.0-py3-none-any.whl", "Acme_Core-1.0.0.tar.gz", "acme_core-1.0-2-py3-none-any.whl"}),
    ("ACME__core", "1", {"acme_core-1.0-py3-none-any.whl", "Acme_Core-1.0.0.tar.gz", "acme_core-1.0-2-py3-none-any.whl"}),
    ("acme-core", "1.0.1", {"acme_core-1.0.1-py3-none-any.whl"}),
    ("acme-core", "10", {"acme-core-10.tar.gz"}),
    ("acme-core-x", "1.0", {"acme_core_x-1.0-py3-none-any.whl"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "version", "gone"), RELEASES)
def test_exactly_this_release_is_deleted(scene: Scene, name: str, version: str, gone: set[str]) -> None:
    """All its files in all their spellings, and no other file of the index; the record says who."""
    answer = scene.delete(name, version)
    assert answer.status == 200, answer.text
    assert scene.held() == NAMES - gone
    last = scene.proxy.rows("record")[-1]
    assert (last["action"], last["outcome"], last["key_id"]) == ("delete", "removed", scene.clean.id)


HOSTILE: list[tuple[str, str]] = [
    ("victim", "1.0"),
    ("acme", "1.0"),
    ("acme-core", ""),
    ("", "1.0"),
    ("acme-core", "*"),
    ("acme-*", "1.0"),
    ("acme-core-1.0", "1.0"),
    ("acme-core", "1.0-2-py3-none-any"),
    ("acme-core\r\nname: victim", "1.0"),
    ("acme-core&name=victim", "1.0"),
    ("acme-core", "1.0&name=victim"),
    ("acme-core;name=victim", "1.0"),
    ("acme-core%00", "1.0"),
    ("../acme-core", "1.0"),
    ("acme-core", "1.0/../../victim"),
    ("acme-\N{KELVIN SIGN}ore", "1.0"),
    ("acme-core ", "1.0\t"),
    ("acme-core", "1.0.post2"),
    ("acme-core", "1.0.2"),
    ("acme-core", "0.1.0"),
]


@pytest.mark.parametrize(("name", "version"), HOSTILE)
def test_nothing_else_can_be_hit(scene: Scene, name: str, version: str) -> None:
    """Whatever is written for name and version, a key for acme-* deletes a release of acme-* or nothing."""
    before = len(scene.proxy.rows("record"))
    answer = scene.delete(name, version)
    if answer.status == 200:  # white space around what is plainly meant is read as any reader of metadata reads it
        assert (name.strip(), version.strip()) == ("acme-core", "1.0")
    else:
        assert answer.status in {400, 403, 404}, answer
        assert scene.held() == NAMES
    assert {"victim-1.0-py3-none-any.whl", "victim-1.0-2.tar.gz", "acme-1.0-py3-none-any.whl"} <= scene.held()
    assert len(scene.proxy.rows("record")) <= before + 1


def test_a_file_that_two_read_differently_is_not_deleted(scene: Scene) -> None:
    """`victim-1.0-2.tar.gz` is post-release 2 to pip and version 1.0-2 to pypiserver, and to packaging another project."""
    key = scene.proxy.create_key(policy="all")
    for name, version in (("victim", "1.0.post2"), ("victim", "1.0-2"), ("victim-1-0", "2")):
        answer = scene.delete(name, version, key)
        assert (answer.status == 200) == ("victim-1.0-2.tar.gz" not in scene.held())
    assert "victim-1.0-py3-none-any.whl" in scene.held()
    assert scene.delete("victim", "1.0", key).status == 200
    assert "victim-1.0-py3-none-any.whl" not in scene.held()


def test_never_with_an_upload_key(scene: Scene) -> None:
    """Nor with an upload that says delete, nor without a key; each control beside it is what works."""
    for answer in (
        scene.delete("acme-core", "1.0", scene.release),
        wire.exchange(scene.proxy.address, upload(HELD[0], scene.release.text, action="remove_pkg")),
        wire.exchange(scene.proxy.address, upload(HELD[0], scene.clean.text, action="remove_pkg")),
        wire.exchange(scene.proxy.address, post(body_of(parts_of(HELD[0])), key=scene.clean.text)),
    ):
        assert answer.status in {400, 403}, answer
        assert scene.held() == NAMES
    assert scene.delete("acme-core", "1.0").status == 200


def test_a_naive_form_would_hit_more(scene: Scene) -> None:
    """The control: what the client wrote, sent on as it is, deletes by pypiserver's reading and not by the standards'."""
    body = b":action=remove_pkg&name=victim&version=1.0-2"
    credential = wire.basic(*HTPASSWD)
    headers = [("Authorization", credential), ("Content-Type", "application/x-www-form-urlencoded")]
    raw = wire.head("POST", "/", [*headers, ("Content-Length", str(len(body))), ("Connection", "close")]) + body
    assert wire.exchange(scene.index.address, raw).status == 200
    assert "victim-1.0-2.tar.gz" not in scene.held()


def test_the_same_bytes_come_again_and_no_others(scene: Scene) -> None:
    """Somebody may have pinned the hash of what was deleted."""
    package = wheel("acme-again", "1.0")
    put = [wire.exchange(scene.proxy.address, upload(package, scene.release.text))]
    assert scene.delete("acme-again", "1.0").status == 200
    other = wheel("acme-again", "1.0", payload=b"other")
    refused = wire.exchange(scene.proxy.address, upload(other, scene.release.text))
    put.append(wire.exchange(scene.proxy.address, upload(package, scene.release.text)))
    assert [answer.status for answer in put] == [200, 200]
    assert (refused.status, "was deleted and had other bytes" in refused.reason) == (400, True)
    assert scene.index.files()[package.filename] == package.content


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_deletes_as_the_page_says(scene: Scene, tmp_path: Path) -> None:
    """The line of docs/deletes.md, with the key in a .netrc."""
    (tmp_path / ".netrc").write_text(f"machine {scene.proxy.address[0]} login __token__ password {scene.clean.text}\n")
    fields = [
        f"{name}={value}" for name, value in ((":action", "remove_pkg"), ("name", "acme-core"), ("version", "1.0"))
    ]
    argv = ["curl", "--silent", "--netrc", *(word for field in fields for word in ("-F", field)), scene.proxy.url]
    ran = Client(tmp_path).run(argv)
    assert ran.said.startswith("deleted acme-core 1.0: "), ran.said
    assert len(scene.held()) == len(NAMES) - 3


@dataclass(frozen=True, slots=True)
class DevpiScene:
    proxy: Proxy
    server: Devpi
    volatile: str
    fixed: str
    outside: str
    clean: Key

    def delete(self, target: str, key: Key | None = None, *more: tuple[str, str]) -> wire.Answer:
        headers = [("Authorization", wire.basic("__token__", (key or self.clean).text)), *more]
        raw = wire.head("DELETE", target, [*headers, ("Content-Length", "0"), ("Connection", "close")])
        return wire.exchange(self.proxy.address, raw)


@pytest.fixture
def before_devpi(tmp_path: Path, devpi_server: Devpi) -> Iterator[DevpiScene]:
    """Three indexes, two of them behind us, all with releases 1.0 and 2.0 of acme-core, and a victim."""
    indexes = [devpi_server.new_index(volatile=volatile) for volatile in (True, False, True)]
    backend: dict[str, Any] = {
        "flavour": "devpi", "url": devpi_server.url, "indexes": indexes[:2],
        "username": SERVICE, "password": {"file": "backend-password"},
    }  # fmt: skip
    for index in indexes:
        for package in (
            wheel("acme-core", "1.0"),
            sdist("acme-core", "1.0"),
            wheel("acme-core", "2.0"),
            wheel("victim"),
        ):
            body = body_of(parts_of(package))
            raw = post(
                body, key=None, target=f"/{index}/", more=[("Authorization", wire.basic(SERVICE, SERVICE_PASSWORD))]
            )
            assert wire.exchange(devpi_server.address, raw).status == 200
    settings = {"key_policies": POLICIES, "service": (SERVICE, SERVICE_PASSWORD), "backend": backend}
    with proxy(tmp_path / "proxy", devpi_server.url, **settings) as served:
        yield DevpiScene(served, devpi_server, *indexes, served.create_key(policy="clean"))


def test_devpi_loses_a_release(before_devpi: DevpiScene) -> None:
    """By its own DELETE, in this index alone; the record says who."""
    scene = before_devpi
    answer = scene.delete(f"/{scene.volatile}/Acme_Core/1")
    assert answer.status == 200, answer.text
    assert set(scene.server.releases(scene.volatile, "acme-core")) == {"2.0"}
    assert set(scene.server.releases(scene.fixed, "acme-core")) == {"1.0", "2.0"}
    [row] = scene.proxy.rows("record")
    assert (row["action"], row["outcome"], row["index_name"], row["project"]) == (
        "delete",
        "removed",
        scene.volatile,
        "acme-core",
    )


def test_devpi_keeps_what_a_non_volatile_index_has(before_devpi: DevpiScene) -> None:
    """Its own rule, in its own words, and no way around it by force."""
    scene = before_devpi
    answer = scene.delete(f"/{scene.fixed}/acme-core/1.0")
    assert (answer.status, "non-volatile" in answer.reason) == (400, True), answer
    assert scene.delete(f"/{scene.fixed}/acme-core/1.0?force").status in {400, 403}
    assert set(scene.server.releases(scene.fixed, "acme-core")) == {"1.0", "2.0"}


def test_devpi_is_asked_for_nothing_larger_than_a_release(before_devpi: DevpiScene) -> None:
    """Projects, indexes, users, files, other indexes, other projects, other spellings of the path: refused, unchanged."""
    scene = before_devpi
    user, name = scene.volatile.split("/")
    serial = scene.server.serial()
    for target in (
        f"/{scene.volatile}/acme-core",
        f"/{scene.volatile}/acme-core/",
        f"/{scene.volatile}",
        f"/{user}",
        f"/{scene.volatile}/victim/1.0",
        f"/{scene.outside}/acme-core/1.0",
        f"/{scene.volatile}/acme-core/1.0/",
        f"/{scene.volatile}/acme-core/1.0?force",
        f"/{scene.volatile}/acme-core/1.0?force=",
        f"/{scene.volatile}/acme-core/../victim/1.0",
        f"/{scene.volatile}/acme-core/%2e%2e/victim",
        f"/{scene.volatile}/acme-core%2f1.0",
        f"//{scene.volatile}/acme-core/1.0",
        f"/{user}/%{ord(name[0]):x}{name[1:]}/acme-core/1.0",
        f"/{scene.volatile}/+f/012/0123456789012/acme_core-1.0-py3-none-any.whl",
    ):
        assert scene.delete(target).status in {400, 403}, target
    release = scene.proxy.create_key()
    assert scene.delete(f"/{scene.volatile}/acme-core/1.0", release).status == 403
    form = post(
        body_of([Part(":action", b"remove_pkg"), Part("name", b"acme-core"), Part("version", b"1.0")]),
        key=release.text,
        target=f"/{scene.volatile}/",
    )
    assert wire.exchange(scene.proxy.address, form).status in {400, 403}
    assert scene.server.serial() == serial
    outside = scene.delete(
        f"/{scene.volatile}/acme-core/1.0", None, ("X-Outside-URL", "http://x/"), ("X-Devpi-Auth", "cg==")
    )
    assert outside.status in {200, 400}
    assert set(scene.server.releases(scene.outside, "acme-core")) == {"1.0", "2.0"}
