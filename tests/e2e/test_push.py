"""Pushes, with the command and on the wire, before the real devpi: equal bytes arrive, and nothing else can be reached."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.scene import assert_is_one_sentence
from tests.peers import wire
from tests.peers.clients import Client, Ran
from tests.peers.devpi import SERVICE, SERVICE_PASSWORD, Devpi
from tests.peers.forms import body_of, parts_of, post
from tests.peers.packages import Package, sdist, wheel
from tests.peers.proxy import Key, Proxy, proxy

pytestmark = pytest.mark.e2e

RELEASE = (wheel("acme-core", "1.0"), sdist("acme-core", "1.0"))
OTHER = wheel("acme-core", "1.0", payload=b"other")
NAMES = {f"acme-core/1.0/{package.filename}" for package in RELEASE}


@dataclass(frozen=True)
class Scene:
    """A devpi with two indexes that the config names, and one that it does not; the release lies in `dev`."""

    proxy: Proxy
    server: Devpi
    dev: str
    stable: str
    outside: str
    client: Client

    def key(self, *allow: str) -> Key:
        """A key that may do this and no more; `DEV` and `STABLE` stand for the indexes."""
        named = [each.replace("DEV", self.dev).replace("STABLE", self.stable) for each in allow]
        return self.proxy.create_key(*(word for each in named for word in ("--allow", each)))

    def push(self, key: Key, release: str = "acme-core==1.0", *way: str, options: tuple[str, ...] = ()) -> Ran:
        """`authproxy push` as its user runs it."""
        argv = [sys.executable, "-m", "authproxy", "push", release, *(way or (self.dev, self.stable)), *options]
        return self.client.run([*argv, "--url", self.proxy.url], AUTHPROXY_KEY=key.text)

    def ask(self, key: Key, **changes: object) -> wire.Answer:
        """The request on the wire."""
        fields = {"name": "acme-core", "version": "1.0", "source": self.dev, "target": self.stable} | changes
        body, json_ = json.dumps(fields).encode(), "application/json"
        return wire.exchange(self.proxy.address, post(body, key=key.text, target="/-/push", content_type=json_))

    def put(self, package: Package, index: str) -> None:
        """Upload straight to devpi."""
        raw = post(body_of(parts_of(package)), key=None, target=f"/{index}/", more=self.server.as_service())
        assert wire.exchange(self.server.address, raw).status == 200


def settings(url: str, *indexes: str) -> dict[str, Any]:
    both = [{"actions": ["upload", "push"], "packages": ["*"], "create": True}]
    backend = {
        "flavour": "devpi", "url": url, "indexes": list(indexes),
        "username": SERVICE, "password": {"file": "backend-password"},
    }  # fmt: skip
    packages = [
        {"match": "acme-*", "indexes": [indexes[1]], "versions": ["1.*"]},
        {"match": "wheels-*", "indexes": [indexes[1]], "filetypes": ["wheel"]},
        {"match": "*", "indexes": [indexes[0]]},
    ]
    plain = {"service": (SERVICE, SERVICE_PASSWORD), "backend": backend, "packages": packages}
    return plain | {"key_policies": {"release": {"allow": both}}}


@pytest.fixture
def scene(tmp_path: Path, devpi_server: Devpi, client: Client) -> Iterator[Scene]:
    indexes = [devpi_server.new_index(volatile=volatile) for volatile in (True, True, True)]
    with proxy(tmp_path / "proxy", devpi_server.url, **settings(devpi_server.url, *indexes[:2])) as served:
        made = Scene(served, devpi_server, indexes[0], indexes[1], indexes[2], client)
        for package in RELEASE:
            made.put(package, made.dev)
        yield made


BOTH = "push+create:acme-*@DEV,STABLE"


def test_a_release_arrives_with_equal_bytes(scene: Scene) -> None:
    """Wheel and sdist, on record; again it is there already; and from then on their names are theirs."""
    key = scene.key(BOTH, "upload:acme-*")
    ran = scene.push(key)
    assert ran.code == 0, ran.said
    assert ran.said.startswith(f"pushed acme-core 1.0 from {scene.dev} to {scene.stable}: "), ran.said
    held = scene.server.files(scene.stable)
    assert held == scene.server.files(scene.dev)
    assert set(held) == NAMES
    rows = scene.proxy.rows("record")
    assert {(row["action"], row["outcome"], row["index_name"], row["source"]) for row in rows} == {
        ("push", "stored", scene.stable, scene.dev)
    }
    assert len(rows) == 2
    again = scene.push(key, "Acme_Core==1.0.0", options=("--json",))
    assert (again.code, json.loads(again.said)["pushed"]) == (0, False), again.said
    refused = wire.exchange(
        scene.proxy.address, post(body_of(parts_of(OTHER)), key=key.text, target=f"/{scene.stable}/")
    )
    assert (refused.status, "File already exists" in refused.reason) == (400, True), refused


def nothing_changed(scene: Scene, ran: Ran, words: str, code: int = 3) -> None:
    """The refusal is one line with these words, and the target is as empty as it was."""
    assert ran.code == code, ran.said
    assert words in ran.said, ran.said
    assert len(ran.said.splitlines()) == 1, ran.said
    assert "apx_" not in ran.said
    assert scene.server.files(scene.stable) == {}


def test_what_a_key_may_not_push(scene: Scene) -> None:
    """Each side takes the grant, in the policy and in the key; uploading is another right; a new project another still."""
    core = "may not push 'acme-core'"
    serial = scene.server.serial()
    for allow, words in (
        (["push+create:acme-*@DEV"], f"{core} into {scene.stable}"),
        (["push+create:acme-*@STABLE"], f"{core} from {scene.dev}"),
        (["upload+create:acme-*"], f"{core} from {scene.dev}: it may upload+create:acme-*"),
        (["push+create:acme@DEV,STABLE"], core),
        (["push:acme-*@DEV,STABLE"], "may not create the project 'acme-core'"),
        (["push:acme-*", "upload+create:acme-*"], "may not create the project 'acme-core'"),
    ):
        nothing_changed(scene, scene.push(scene.key(*allow)), words)
    assert scene.server.serial() == serial
    assert scene.push(scene.key("push:acme-*@DEV", "push+create:acme-*@STABLE")).code == 0  # the control


def test_where_nothing_is_pushed_to(scene: Scene) -> None:
    """Two indexes of the config, letter by letter; devpi is not asked."""
    key, serial = scene.key(BOTH), scene.server.serial()
    user, name = scene.stable.split("/")
    for target in (
        scene.outside,
        f"{user}/../{scene.stable}",
        f"{user}%2F{name}",
        scene.stable.upper(),
        f"{scene.stable}/",
        f"/{scene.stable}",
        f" {scene.stable}",
        f"{scene.stable}?force",
        "http://192.0.2.1/legacy/",
        f"http://127.0.0.1/{scene.stable}",
        "",
        "\N{FULLWIDTH LATIN SMALL LETTER T}eam/dev1",
    ):
        for changes in ({"target": target}, {"source": target}):
            answer = scene.ask(key, **changes)
            assert answer.status == 400, answer
            assert "is no index behind this proxy" in answer.reason
            assert_is_one_sentence(answer)
    assert "is both source and target" in scene.ask(key, target=scene.dev).reason
    for more in ({"posturl": "http://192.0.2.1/"}, {"targetindex": scene.outside}, {"username": "a", "password": "b"}):
        answer = scene.ask(key, **more)
        assert (answer.status, "four strings, each once" in answer.reason) == (400, True)
    nothing_changed(scene, scene.push(key, "acme-core==1.0", scene.dev, scene.outside), "is no index behind this proxy")
    assert scene.server.serial() == serial


def test_what_the_target_does_not_take(scene: Scene) -> None:
    """Its package rules, other bytes under a name that it has, files that nobody can read, what is not there."""
    key, serial = scene.key("push+create:*", "upload+create:*"), 0
    for package in (wheel("acme-core", "2.0"), wheel("wheels-a"), sdist("wheels-a"), wheel("nobody")):
        scene.put(package, scene.dev)
    scene.put(Package("acme_core-1.5.egg", "acme-core", "1.5", "bdist_egg", b"egg"), scene.dev)
    scene.put(wheel("acme", "1.0", filename="acme_core-1.0-py3-none-any.whl"), scene.dev)
    serial = scene.server.serial()
    for release, words in (
        ("acme-core==2.0", "version '2.0' may not be uploaded: packages[0]"),
        ("wheels-a==1.0", "is of the type sdist: packages[1]"),
        ("nobody==1.0", "no package rule is about 'nobody'"),
        ("acme-core==1.5", "neither a wheel nor an sdist"),
        ("acme==1.0", "no package rule is about 'acme'"),
        ("acme-core==1.9", "there is nothing to push"),
        ("acme-web==1.0", "there is nothing to push"),
    ):
        nothing_changed(scene, scene.push(key, release), words)
    assert scene.server.serial() == serial
    scene.put(OTHER, scene.stable)
    ran = scene.push(key)
    assert (ran.code, "File already exists" in ran.said, "with other bytes" in ran.said) == (3, True, True), ran.said
    assert scene.server.files(scene.stable) == {f"acme-core/1.0/{OTHER.filename}": OTHER.content}
    denied = [row for row in scene.proxy.rows("record") if row["outcome"] == "denied"]
    assert {(row["action"], row["index_name"]) for row in denied} == {("push", scene.stable)}
    assert len(denied) == 8


def test_devpi_itself_would_do_it(scene: Scene) -> None:
    """The control: the same account, asked without us, pushes over other bytes and into any index."""
    scene.put(OTHER, scene.stable)
    for target in (scene.stable, scene.outside):
        body = {"name": "acme-core", "version": "1.0", "targetindex": target}
        service = (SERVICE, SERVICE_PASSWORD)
        assert scene.server.ask("PUSH", f"/{scene.dev}", body, user=service).status == 200
        assert set(scene.server.files(target)) == NAMES
    assert scene.server.files(scene.stable)[f"acme-core/1.0/{OTHER.filename}"] == RELEASE[0].content


def test_the_method_itself_does_not_pass(scene: Scene) -> None:
    """Why there is a command: the parser knows no PUSH, and no route of ours is one."""
    key = scene.key(BOTH)
    body = json.dumps({"name": "acme-core", "version": "1.0", "targetindex": scene.stable}).encode()
    credential = ("Authorization", wire.basic("__token__", key.text))
    framing = [("Content-Length", str(len(body))), ("Content-Type", "application/json"), ("Connection", "close")]
    raw = wire.head("PUSH", f"/{scene.dev}", [credential, *framing]) + body
    assert wire.exchange(scene.proxy.address, raw).status == 400
    assert scene.server.files(scene.stable) == {}


def test_a_non_volatile_target_takes_whole_releases_alone(tmp_path: Path, devpi_server: Devpi, client: Client) -> None:
    """devpi refuses a release of which it has a file, be it the same: its sentence, never its 409."""
    dev, fixed = devpi_server.new_index(volatile=True), devpi_server.new_index(volatile=False)
    with proxy(tmp_path / "proxy", devpi_server.url, **settings(devpi_server.url, dev, fixed)) as served:
        scene = Scene(served, devpi_server, dev, fixed, "", client)
        key = scene.key(BOTH)
        for package in RELEASE:
            scene.put(package, dev)
        scene.put(RELEASE[0], fixed)
        answer = scene.ask(key)
        assert (answer.status, "already exists in non-volatile index" in answer.reason) == (400, True), answer
        assert set(scene.server.files(fixed)) == {f"acme-core/1.0/{RELEASE[0].filename}"}
        assert [row["outcome"] for row in served.rows("record") if row["code"] is None] == ["refused"]
