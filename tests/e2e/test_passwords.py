"""From passwords to keys, with the real twine and uv before a real pypiserver that has an htpasswd file."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_clients import unwrapped
from tests.peers.clients import Client, Ran
from tests.peers.packages import Package, wheel
from tests.peers.proxy import Proxy, installation, served
from tests.peers.pypiserver import PypiServer, pypiserver

pytestmark = pytest.mark.e2e

SERVICE = ("authproxy", "s3rvice-passw0rd")
ALICE, PASSWORD = "alice", "her-own:passw0rd"
WAY_OVER = "ask the operator for a key, and upload as user __token__ with the key as the password"
TODAY = datetime.now(UTC).date()
CLIENTS = ("twine", "uv")


@dataclass(frozen=True, slots=True)
class Scene:
    client: Client
    proxy: Proxy
    index: PypiServer

    def publish(self, program: str, package: Package, password: str = PASSWORD) -> Ran:
        """Upload as alice does, with the client's own settings for a user name and a password."""
        path = package.write(self.client.home / "dist")
        if program == "twine":
            env = {"TWINE_USERNAME": ALICE, "TWINE_PASSWORD": password}
            argv = [sys.executable, "-m", "twine", "upload", "--non-interactive", "--disable-progress-bar", "--verbose"]
            return self.client.run([*argv, "--repository-url", self.proxy.url, path], **env)
        env = {"UV_PUBLISH_USERNAME": ALICE, "UV_PUBLISH_PASSWORD": password}
        argv = [Path(sys.executable).parent / "uv", "publish", "--trusted-publishing", "never", "--verbose"]
        return self.client.run([*argv, "--publish-url", self.proxy.url, path], **env)


Staged = Callable[..., AbstractContextManager[Scene]]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PypiServer]:
    """One pypiserver for all; it knows the service account and alice."""
    folder = tmp_path_factory.mktemp("guarded")
    with pypiserver(folder / "index", htpasswd=SERVICE, users={ALICE: PASSWORD}) as index:
        yield index


@pytest.fixture
def staged(tmp_path: Path, client: Client, guarded: PypiServer) -> Staged:
    """A proxy with these settings, and the machine of somebody with a password."""

    @contextmanager
    def stage(passwords: Mapping[str, str], **more: Any) -> Iterator[Scene]:
        made = installation(tmp_path / "proxy", guarded.url, service=SERVICE, passwords=dict(passwords), **more)
        with served(made) as proxy:
            yield Scene(client, proxy, guarded)

    return stage


@pytest.fixture(params=CLIENTS)
def program(request: pytest.FixtureRequest) -> str:
    """Which client alice uses."""
    name: str = request.param
    return name


@pytest.fixture
def package(request: pytest.FixtureRequest) -> Package:
    """A project that no other test uses."""
    return wheel("acme-" + "".join(c if c.isalnum() else "-" for c in request.node.name).strip("-").lower())


def used(scene: Scene) -> list[dict[str, Any]]:
    """`authproxy audit passwords`."""
    ran = scene.proxy.run("audit", "passwords", "--json")
    assert ran.code == 0, ran.said
    found: list[dict[str, Any]] = json.loads(ran.said)
    return found


def assert_nowhere(scene: Scene, *secrets: str) -> None:
    """No secret is in what the proxy wrote anywhere, nor in what the index logged."""
    for secret in secrets:
        assert secret not in scene.proxy.log
        assert secret not in scene.index.program.output()
        for path in scene.proxy.folder.rglob("*"):
            assert not path.is_file() or secret.encode() not in path.read_bytes(), path


def test_allow_is_as_before(staged: Staged, program: str, package: Package) -> None:
    """The upload arrives, under her own name in the index's log, nobody is told anything, and the audit names her."""
    with staged({"uploads": "allow"}) as scene:
        ran = scene.publish(program, package)
        assert ran.code == 0, ran.said
        assert scene.index.files()[package.filename] == package.content
        assert f"User '{ALICE}' stored '{package.filename}'" in scene.index.program.output()
        assert "operator" not in ran.said
        [use] = used(scene)
        assert (use["user"], use["package"], use["address"], use["stored"]) == (ALICE, package.name, "127.0.0.1", 1)
        assert use["client"].startswith(program)
        assert_nowhere(scene, PASSWORD)


def test_warn_uploads_and_says_what_to_do(staged: Staged, program: str, package: Package) -> None:
    """Each client shows on success what its docs/from-passwords-to-keys.md says it shows."""
    last = TODAY + timedelta(30)
    with staged({"uploads": "warn", "until": str(last)}) as scene:
        ran = scene.publish(program, package)
        assert ran.code == 0, ran.said
        assert scene.index.files()[package.filename] == package.content
        print(ran.said)
        assert (f"this password uploads until {last}: {WAY_OVER}" in unwrapped(ran)) == (program == "twine")
        [row] = scene.proxy.rows("record")
        assert row["reason"] == f"this password uploads until {last}: {WAY_OVER}"


def test_refuse_is_the_default(staged: Staged, program: str, package: Package) -> None:
    """The user reads what to use instead."""
    with staged({}) as scene:
        ran = scene.publish(program, package)
        assert ran.code != 0
        assert "this proxy takes API keys only: user __token__, the key as the password" in unwrapped(ran), ran.said
        assert package.filename not in scene.index.files()
        assert used(scene) == []


def test_the_day_after_the_last(staged: Staged, program: str, package: Package) -> None:
    """The user reads that it is over, and what to do."""
    last = TODAY - timedelta(1)
    with staged({"uploads": "warn", "until": str(last)}) as scene:
        ran = scene.publish(program, package)
        assert ran.code != 0
        assert f"passwords upload nothing since {last} has passed: {WAY_OVER}" in unwrapped(ran), ran.said
        assert package.filename not in scene.index.files()


def test_a_wrong_password(staged: Staged, program: str, package: Package) -> None:
    """401 and a sentence of the user's own, nothing of it kept; the right one works after it."""
    with staged({"uploads": "allow"}) as scene:
        ran = scene.publish(program, package, "guessed-passw0rd")
        assert ran.code != 0
        assert "the index takes no uploads with this user name and password" in unwrapped(ran), ran.said
        assert package.filename not in scene.index.files()
        assert scene.proxy.rows("record") == []
        assert_nowhere(scene, "guessed-passw0rd")
        assert scene.publish(program, package).code == 0


def test_package_by_package(staged: Staged, program: str, package: Package) -> None:
    """One package has moved and takes keys alone, another has not; a key uploads to both."""
    closed = wheel(f"moved-{package.name}")
    rules = [{"match": "moved-*", "passwords": "refuse"}, {"match": "*"}]
    policies = {"release": {"allow": [{"actions": ["upload"], "packages": ["*"], "create": True}]}}
    with staged({"uploads": "allow"}, packages=rules, key_policies=policies) as scene:
        assert scene.publish(program, package).code == 0
        ran = scene.publish(program, closed)
        assert ran.code != 0
        assert f"packages[0] moved-* takes no passwords: {WAY_OVER}" in unwrapped(ran), ran.said
        assert closed.filename not in scene.index.files()
        assert {(use["package"], use["stored"], use["tries"]) for use in used(scene)} == {
            (package.name, 1, 1),
            (closed.name, 0, 1),
        }
        key = scene.proxy.create_key()
        ran = scene.client.twine(scene.proxy.url, key.text, closed.write(scene.client.home / "dist"))
        assert ran.code == 0, ran.said
