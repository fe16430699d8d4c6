"""The real devpi-client with a key, through the proxy, before a real devpi: what works, what it shows, who learns of it."""

import json
import os
import sys
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.scene import secret_of
from tests.e2e.test_devpi import before
from tests.peers.clients import Client, Ran, with_credentials
from tests.peers.devpi import SERVICE, SERVICE_PASSWORD, Devpi
from tests.peers.packages import Package, sdist, wheel
from tests.peers.proxy import Key, Proxy, proxy
from tests.peers.recording import RecordingIndex, Reply, Script, Seen

pytestmark = pytest.mark.e2e

DEVPI = Path(sys.executable).with_name("devpi")
UPLOADS = {"actions": ["upload"], "packages": ["acme-*"], "create": True}
READS = {"actions": ["read"], "packages": ["*"]}
DELETES = {"actions": ["delete"], "packages": ["acme-*"]}
POLICIES = {
    "release": {"allow": [UPLOADS]},
    "both": {"allow": [UPLOADS, READS]},
    "cleaning": {"allow": [DELETES]},
}


@dataclass(frozen=True)
class Machine:
    """Somebody's machine with devpi-client on it, whose first pip on PATH is that of an environment of its own."""

    client: Client
    proxy: Proxy
    index: Devpi
    name: str  # of the index

    @property
    def url(self) -> str:
        return f"{self.proxy.url}{self.name}"

    def devpi(self, *arguments: str | Path, **env: str) -> Ran:
        path = f"{self.client.home / 'venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return self.client.run([DEVPI, *arguments], PATH=path, **env)

    def done(self, *arguments: str | Path) -> str:
        """What it said, once it has ended well."""
        ran = self.devpi(*arguments)
        assert ran.code == 0, ran.said
        return ran.said

    def refused(self, *arguments: str | Path) -> str:
        """What it said when it ended badly, on one line."""
        ran = self.devpi(*arguments)
        assert ran.code == 1, ran.said
        return " ".join(ran.said.split())

    def use(self, key: Key | None = None) -> str:
        return self.done("use", self.url if key is None else with_credentials(self.url, "__token__", key.text))

    def login(self, key: Key) -> str:
        return self.done("login", "__token__", f"--password={key.text}")

    def write(self, package: Package) -> Path:
        return package.write(self.client.home / "dist")


@pytest.fixture
def machine(request: pytest.FixtureRequest, tmp_path: Path, client: Client, devpi_server: Devpi) -> Iterator[Machine]:
    """With an index that nobody has used, which anybody may read or, by `request.param`, who has a key for it."""
    index = devpi_server.new_index(volatile=True)  # of another, devpi deletes nothing
    reads = getattr(request, "param", "index")
    with before(tmp_path / "proxy", devpi_server, index, reads=reads, key_policies=POLICIES) as running:
        yield Machine(client, running, devpi_server, index)


keyed = pytest.mark.parametrize("machine", ["key"], indirect=True)
both = pytest.mark.parametrize("machine", ["index", "key"], indirect=True)


def held(machine: Machine) -> dict[str, list[str]]:
    return machine.index.releases(machine.name, "acme-core")


@both
def test_a_day_with_a_login(machine: Machine) -> None:
    """`use`, `login`, `upload`, `list`, `use -l`, `install`: as with a devpi that has no proxy before it."""
    key = machine.proxy.create_key(policy="both")
    packages = [wheel("acme-core"), sdist("acme-core")]
    used = machine.devpi("use", machine.url)
    assert "(not logged in)" in used.said
    assert "logged in '__token__'" in machine.login(key)
    assert f"{machine.url} (logged in as __token__)" in machine.done("use")
    machine.done("upload", *map(machine.write, packages))
    assert held(machine) == {"1.0": [package.filename for package in packages]}
    machine.done("upload", *map(machine.write, packages))
    assert machine.done("list").split() == ["acme-core"]
    shown = machine.done("list", "acme-core").split()
    assert [url.rpartition("/")[2] for url in shown] == [package.filename for package in packages]
    assert all(url.startswith(machine.url) for url in shown)
    assert machine.name in machine.done("use", "-l")
    assert machine.name in machine.done("use", "-l", "--user", "team")
    python = machine.client.home / "venv" / "bin" / "python"
    machine.client.run([sys.executable, "-m", "venv", python.parents[1]])
    assert key.text not in machine.done("install", "acme-core")
    assert machine.client.run([python, "-c", "import acme_core as it; print(it.__version__)"]).said == "1.0\n"
    assert "not logged in" in machine.done("logoff") + machine.devpi("use").said
    assert secret_of(key) not in machine.proxy.log + machine.index.program.output()


@both
def test_the_key_in_the_url(machine: Machine) -> None:
    """devpi-client then sends it as Basic with everything but `install`, and says that it would rather have a login."""
    key = machine.proxy.create_key(policy="both")
    assert f"current devpi index: {machine.url} (not logged in)" in machine.use(key)
    machine.done("upload", machine.write(wheel("acme-core")))
    assert list(held(machine)) == ["1.0"]
    assert machine.done("list").split() == ["acme-core"]
    assert machine.name in machine.done("use", "-l")
    machine.login(key)  # the same key twice is one credential
    machine.done("upload", machine.write(wheel("acme-core", "2.0")))
    assert sorted(held(machine)) == ["1.0", "2.0"]


def test_two_keys_at_once_are_told_apart(machine: Machine) -> None:
    """One in the URL, another by login: the sentence says how to be rid of either, and that works."""
    first, second = machine.proxy.create_key(), machine.proxy.create_key()
    machine.use(first)
    machine.devpi("login", "__token__", f"--password={second.text}")
    said = machine.refused("upload", machine.write(wheel("acme-core")))
    assert "hold two different credentials" in said
    machine.done("logoff")
    machine.done("upload", machine.write(wheel("acme-core")))
    assert list(held(machine)) == ["1.0"]


@keyed
def test_a_key_for_uploads_alone(machine: Machine) -> None:
    """It can use, log in and upload where it may not read, and is told so when it tries."""
    key = machine.proxy.create_key()
    machine.devpi("use", machine.url)
    assert "may not read" in machine.login(key)
    assert "(logged in as __token__)" in machine.done("use")
    machine.done("upload", machine.write(wheel("acme-core")))
    assert list(held(machine)) == ["1.0"]
    assert f"key {key.id}0 may not read" in machine.refused("list")


def test_a_wrong_package_is_refused_in_words(machine: Machine) -> None:
    """The client shows the sentence and ends with 1; devpi is as it was."""
    key = machine.proxy.create_key("--allow", "upload+create:acme-core")
    machine.use()
    machine.login(key)
    serial = machine.index.serial()
    said = machine.refused("upload", machine.write(wheel("acme-victim")))
    assert f"403 FAIL file_upload of acme_victim-1.0-py3-none-any.whl to {machine.url}/" in said
    assert f"key {key.id}0 may not upload 'acme-victim': it may upload+create:acme-core" in said
    assert machine.index.serial() == serial


def test_logins_that_are_none(machine: Machine) -> None:
    """A broken key, a password of the index and the service account's own: a sentence, and devpi is not asked."""
    key = machine.proxy.create_key()
    machine.use()
    asked = machine.index.program.output().count("POST /+login")
    assert "401 the key is not valid" in machine.refused("login", "__token__", f"--password={key.text[:-1]}")
    for user, password in (("team", "team-passw0rd"), (SERVICE, SERVICE_PASSWORD)):
        said = machine.refused("login", user, f"--password={password}")
        assert "401 this proxy takes API keys only" in said
        assert "WARN" not in said, "a reply without devpi's version"
    assert "(not logged in)" in machine.use()
    assert machine.index.program.output().count("POST /+login") == asked


def test_a_revoked_key_makes_place_for_the_next(machine: Machine) -> None:
    """devpi-client sends the old login along with the new one; that must not lock anybody out."""
    first, second = machine.proxy.create_key(), machine.proxy.create_key()
    machine.use()
    machine.login(first)
    assert machine.proxy.run("key", "revoke", first.id).code == 0
    assert "the key is not valid" in machine.refused("upload", machine.write(wheel("acme-core")))
    assert "the key is not valid" in machine.refused("use", machine.url)
    machine.login(second)
    machine.done("upload", machine.write(wheel("acme-core")))
    assert list(held(machine)) == ["1.0"]


def test_a_release_is_removed_by_a_key_that_may(machine: Machine) -> None:
    """And by no other: to whoever may upload alone, the client shows our sentence."""
    uploads, deletes = machine.proxy.create_key(), machine.proxy.create_key(policy="cleaning")
    machine.use()
    machine.login(uploads)
    machine.done("upload", machine.write(wheel("acme-core")))
    assert "may not delete 'acme-core'" in machine.refused("remove", "-y", "acme-core==1.0")
    assert list(held(machine)) == ["1.0"]
    machine.login(deletes)
    machine.done("remove", "-y", "acme-core==1.0")
    assert held(machine) == {}


def test_a_user_of_devpi_uploads_by_the_url_while_passwords_are_allowed(
    tmp_path: Path, client: Client, devpi_server: Devpi
) -> None:
    """By no login: that would be devpi's session, past our rules for passwords."""
    index = devpi_server.new_index(uploaders=(SERVICE, "team"))
    more: dict[str, Any] = {"passwords": {"uploads": "allow"}, "packages": [{"match": "acme-*", "passwords": "allow"}]}
    with before(tmp_path / "proxy", devpi_server, index, key_policies=POLICIES, **more) as running:
        machine = Machine(client, running, devpi_server, index)
        machine.use()
        assert "are not logged in through this proxy" in machine.refused("login", "team", "--password=team-passw0rd")
        machine.done("use", with_credentials(machine.url, "team", "team-passw0rd"))
        machine.done("upload", machine.write(wheel("acme-core")))
        assert list(held(machine)) == ["1.0"]


def test_a_session_with_the_index_is_no_credential(machine: Machine) -> None:
    """A login from before the proxy came: reads are asked as nobody, an upload asks for a key, devpi is told nothing."""
    machine.done("use", machine.index.url + machine.name)
    machine.done("login", "team", "--password=team-passw0rd")
    assert "(logged in as team)" in machine.done("use")
    for name in ("auth.json", "current.json"):
        file = machine.client.home / ".devpi" / "client" / name
        file.write_text(file.read_text().replace(machine.index.url, machine.proxy.url))
    machine.done("list")
    said = machine.refused("upload", machine.write(wheel("acme-core")))
    assert "401 FAIL" in said
    assert "this needs an API key" in said
    assert "(not logged in)" in machine.done("use")
    assert held(machine) == {}


def devpi_says(seen: Seen) -> Script:
    """A devpi with one empty index, which gives a session to whoever asks."""
    if seen.target == "/+login":
        return Reply(200, json.dumps({"result": {"password": "token", "expiration": 36000}}).encode())
    where = f"http://{seen.header('Host')}"
    places = {"login": f"{where}/+login", "pypisubmit": f"{where}/team/dev/", "index": f"{where}/team/dev"}
    pages: dict[str, object] = {
        "/team/dev/+api": {"type": "apiconfig", "result": {**places, "authstatus": ["noauth", "", []]}},
        "/+api": {"type": "apiconfig", "result": {"login": places["login"], "authstatus": ["noauth", "", []]}},
        "/team/dev": {"type": "indexconfig", "result": {"projects": []}},
        "/": {"type": "list:userconfig", "result": {}},
    }
    page = pages.get(seen.target.partition("?")[0])
    if page is None:
        return Reply(200) if seen.method == "POST" else Reply(404)
    return Reply(200, json.dumps(page).encode(), (("Content-Type", "application/json"),))


def test_the_index_learns_of_no_key(tmp_path: Path, client: Client, recording: RecordingIndex) -> None:
    """Every byte that devpi gets while devpi-client uses, logs in, lists and uploads: no key and no login of it."""
    recording.answer = devpi_says
    account = {"username": SERVICE, "password": {"file": "backend-password"}}
    backend = {"flavour": "devpi", "url": recording.url, "indexes": ["team/dev"], **account}
    more: dict[str, Any] = {"key_policies": POLICIES, "service": (SERVICE, SERVICE_PASSWORD), "backend": backend}
    with proxy(tmp_path / "proxy", recording.url, **more) as running:
        machine = Machine(client, running, Devpi(recording.address, tmp_path, running.program), "team/dev")
        key = running.create_key(policy="both")
        machine.use()
        machine.login(key)
        machine.done("use")
        machine.done("use", "-l")
        machine.done("list")
        machine.done("upload", machine.write(wheel("acme-core")))
        machine.use(key)
        machine.done("list")
        assert [seen.target for seen in recording.requests].count("/team/dev/") == 1
        logins = [json.loads(seen.body) for seen in recording.requests if seen.target == "/+login"]
        assert logins == [{"user": SERVICE, "password": SERVICE_PASSWORD}]
        octets = recording.octets.lower()
        encoded = b64encode(f"__token__:{key.text}".encode()).decode()
        for told in (key.text, encoded, "x-devpi-auth", key.id, "__token__"):
            assert told.lower().encode() not in octets, told
        assert [each.body for each in recording.requests if each.method == "GET" and each.body] == []
        about = [each for each in recording.requests if each.target.endswith("/+api")]
        assert {each.header("Authorization") for each in about} == {None}
        assert secret_of(key) not in running.log
