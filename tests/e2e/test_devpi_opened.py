"""What devpi takes besides packages, through the proxy, from the real devpi-client with a password of devpi's own."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.peers import wire
from tests.peers.clients import Client, Ran, with_credentials
from tests.peers.devpi import SERVICE, SERVICE_PASSWORD, Devpi
from tests.peers.forms import body_of, parts_of, post
from tests.peers.packages import wheel
from tests.peers.proxy import Proxy, proxy

pytestmark = pytest.mark.e2e

DEVPI = Path(sys.executable).with_name("devpi")
TEAM = ("team", "team-passw0rd")
ALL = ("indexes", "users", "tox-results")
JSON = ("Content-Type", "application/json")


@dataclass(frozen=True)
class Machine:
    """Somebody's machine with devpi-client on it."""

    client: Client
    proxy: Proxy
    index: Devpi
    name: str  # of the index

    def devpi(self, *arguments: str) -> Ran:
        return self.client.run([DEVPI, *arguments])

    def use(self, user: str, password: str) -> None:
        ran = self.devpi("use", with_credentials(f"{self.proxy.url}{self.name}", user, password))
        assert ran.code == 0, ran.said

    def as_logged_in(self, user: str, password: str) -> None:
        """What `devpi index` looks for before it asks anything: the very same pair where a login is kept."""
        file = self.client.home / ".devpi" / "client" / "auth.json"
        kept = json.loads(file.read_text())  # the pair of the URL
        file.write_text(json.dumps(kept | {"auth": {self.proxy.url: [[user, password]]}}))

    def ask(self, method: str, target: str, body: object, user: tuple[str, str] | None) -> wire.Answer:
        octets = b"" if body is None else json.dumps(body).encode()
        shown = [] if user is None else [("Authorization", wire.basic(*user))]
        headers = [*shown, JSON, ("Accept", "application/json"), ("Content-Length", str(len(octets)))]
        return wire.exchange(
            self.proxy.address, wire.head(method, target, [*headers, ("Connection", "close")]) + octets
        )

    def volatile(self) -> bool:
        found: bool = self.index.result("GET", f"/{self.name}")["volatile"]
        return found


@pytest.fixture
def machine(request: pytest.FixtureRequest, tmp_path: Path, client: Client, devpi_server: Devpi) -> Iterator[Machine]:
    """Before a new index of the user `team`, with what `request.param` opens."""
    name = devpi_server.new_index(volatile=True)
    account = {"username": SERVICE, "password": {"file": "backend-password"}}
    backend = {"flavour": "devpi", "url": devpi_server.url, "indexes": [name], "opens": list(request.param), **account}
    with proxy(tmp_path / "proxy", devpi_server.url, service=(SERVICE, SERVICE_PASSWORD), backend=backend) as running:
        yield Machine(client, running, devpi_server, name)


opened = pytest.mark.parametrize("machine", [ALL], indirect=True, ids=["open"])
closed = pytest.mark.parametrize("machine", [()], indirect=True, ids=["closed"])


@opened
def test_an_index_is_changed_and_made_and_ended(machine: Machine) -> None:
    """`devpi index` with key=value, which sends a list; `-c` where the config names it; `--delete`."""
    machine.use(*TEAM)
    machine.as_logged_in(*TEAM)
    ran = machine.devpi("index", machine.name, "bases=", "volatile=False")
    assert ran.code == 0, ran.said
    assert not machine.volatile()
    assert machine.devpi("index", machine.name, "volatile=True").code == 0
    assert machine.devpi("index", "-y", "--delete", machine.name).code == 0
    assert machine.index.ask("GET", f"/{machine.name}").status == 404
    ran = machine.devpi("index", "-c", machine.name, "bases=")
    assert ran.code == 0, ran.said
    assert machine.volatile()
    ran = machine.devpi("index", "-c", "team/another", "bases=")
    assert ran.code == 1
    assert "is not passed on" in " ".join(ran.said.split())
    assert SERVICE_PASSWORD not in machine.proxy.log
    assert TEAM[1] not in machine.proxy.log


@opened
def test_a_user_is_made_and_changed_and_ended(machine: Machine) -> None:
    """`devpi user` with the password in the URL alone; what devpi answers is its own."""
    machine.use(*TEAM)
    new = f"new-{machine.name.rpartition('/')[2]}"
    ran = machine.devpi("user", "-c", new, "password=new-passw0rd")
    assert ran.code == 0, ran.said
    assert machine.index.result("GET", f"/{new}")["username"] == new
    refused = machine.devpi("user", "-m", new, "title=mine")
    assert (refused.code, "403" in refused.said) == (1, True)
    assert machine.devpi("user", "-m", "team", "title=ours").code == 0
    assert machine.index.result("GET", "/team")["title"] == "ours"
    own = (new, "new-passw0rd")
    assert machine.ask("PATCH", f"/{new}", {"password": "other-passw0rd"}, own).status == 200
    assert machine.ask("DELETE", f"/{new}", None, own).status == 401
    assert machine.ask("DELETE", f"/{new}", None, (new, "other-passw0rd")).status == 200
    assert machine.index.ask("GET", f"/{new}").status == 404


@opened
def test_test_results_are_taken(machine: Machine) -> None:
    """With a password; a key posts none, though devpi would take them from anybody."""
    package, key = wheel("acme-core"), machine.proxy.create_key()
    sent = post(body_of(parts_of(package)), key=key.text, target=f"/{machine.name}/")
    assert wire.exchange(machine.proxy.address, sent).status == 200
    [[link]] = [each["+links"] for each in machine.index.result("GET", f"/{machine.name}/acme-core").values()]
    target = link["href"][link["href"].index(f"/{machine.name}/") :]
    results = {"testenvs": {}, "toxversion": "4"}
    for user in (None, ("__token__", key.text), ("team", "wrong-passw0rd")):
        assert machine.ask("POST", target, results, user).status in {401, 403}
    assert len(machine.index.result("GET", f"/{machine.name}/acme-core")["1.0"]["+links"]) == 1
    answer = machine.ask("POST", target, results, TEAM)
    assert (answer.status, json.loads(answer.body)["type"]) == (200, "toxresultpath")
    assert machine.ask("POST", target.replace("acme", "acma"), results, TEAM).status == 404


@opened
def test_devpi_judges_its_users(machine: Machine) -> None:
    """Another user's right password changes nothing here, a wrong one makes no user; devpi itself would make it."""
    serial = machine.index.serial()
    assert machine.ask("PATCH", f"/{machine.name}", ["volatile=False"], ("other", "other-passw0rd")).status == 403
    for user in (None, ("team", "wrong-passw0rd"), ("nobody", "wrong-passw0rd")):
        assert machine.ask("PUT", "/mallory", {"password": "mine-passw0rd"}, user).status == 401
    assert machine.index.serial() == serial
    made = machine.index.ask("PUT", "/mallory", {"password": "mine-passw0rd"}, user=None)  # the control
    assert made.status == 201
    machine.index.result("DELETE", "/mallory")


@closed
def test_nothing_is_open_by_default(machine: Machine) -> None:
    """The same commands with the same password: refused, and devpi is as it was."""
    machine.use(*TEAM)
    machine.as_logged_in(*TEAM)
    serial = machine.index.serial()
    for command in (
        ("index", machine.name, "volatile=False"),
        ("index", "-y", "--delete", machine.name),
        ("user", "-c", "mallory", "password=mine-passw0rd"),
        ("user", "-m", "team", "title=mine"),
    ):
        ran = machine.devpi(*command)
        assert ran.code == 1, ran.said
        assert "is not passed on" in " ".join(ran.said.split())
    assert machine.index.serial() == serial


@opened
def test_what_devpi_index_asks_for_first(machine: Machine) -> None:
    """A login, which the proxy gives to keys alone: so the page says how to do without devpi-client."""
    machine.use(*TEAM)
    ran = machine.devpi("index", machine.name, "volatile=False")
    assert (ran.code, "you need to be logged in" in ran.said) == (1, True)
    assert machine.volatile()
    assert machine.ask("PATCH", f"/{machine.name}", ["volatile=False"], TEAM).status == 200
    assert not machine.volatile()
