"""`authproxy doctor`: what it prints, for a person and for a script, and with which status it ends."""

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from authproxy.store import migrate
from tests.cli.checkup.conftest import nothing_changes
from tests.cli.conftest import Cli
from tests.peers.clients import Client
from tests.peers.proxy import Proxy, proxy
from tests.peers.pypiserver import PypiServer, pypiserver

SERVICE = ("authproxy", "s3rvice-passw0rd")


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PypiServer]:
    """An index with one account."""
    with pypiserver(tmp_path_factory.mktemp("index") / "index", htpasswd=SERVICE) as running:
        yield running


@pytest.fixture
def served(tmp_path: Path, behind: PypiServer) -> Iterator[Proxy]:
    """The proxy at work before it, with the right password and a limit that any disk has room for."""
    with proxy(tmp_path / "proxy", behind.url, service=SERVICE, limits={"max_upload": "1MiB"}) as running:
        (running.folder / "backend-password").chmod(0o600)
        yield running


def test_a_proxy_at_work(served: Proxy, behind: PypiServer) -> None:
    """Beside a running server: nothing is wrong, the status is 0, and neither the store nor the index is another."""
    key = served.create_key()
    with nothing_changes(served.folder, behind.packages.parent):
        ran = served.run("doctor")
    assert ran.code == 0, ran.said
    assert ran.said.splitlines()[-1] == "no problems, no warnings"
    assert all(line.startswith("ok ") for line in ran.said.splitlines()[:-1]), ran.said
    assert not [secret for secret in (SERVICE[1], key.text) if secret in ran.said]


def test_warnings_alone_are_no_failure(served: Proxy) -> None:
    """A key without an end is worth a line; the status is 0, and JSON says the same."""
    served.create_key()
    (served.folder / "backend-password").chmod(0o644)
    ran = served.run("doctor", "--json")
    document = json.loads(ran.said)
    assert ran.code == 0
    assert (document["healthy"], document["problems"], document["warnings"]) == (True, 0, 1)
    [warning] = [each for each in document["checks"] if each["verdict"] == "warning"]
    assert set(warning) == {"name", "verdict", "sentence", "advice"}
    assert (warning["name"], bool(warning["advice"])) == ("config", True)


def test_a_problem_is_status_3(served: Proxy) -> None:
    """A wrong password: the answer is no, the account is named, what to do stands below, the password nowhere."""
    (served.folder / "backend-password").write_text("another-passw0rd\n")
    ran = served.run("doctor")
    assert ran.code == 3
    assert ran.said.splitlines()[-1] == "1 problem, no warnings"
    lines = ran.said.splitlines()
    [number] = [number for number, line in enumerate(lines) if line.startswith("problem")]
    assert lines[number].split()[:2] == ["problem", "index-account"]
    assert lines[number + 1].lstrip().startswith("-> mend backend.username")
    assert "passw0rd" not in ran.said


def test_a_dead_index_and_no_store(cli: Cli, tmp_path: Path) -> None:
    """Both are said at once, the one as what a first start mends, and no store is made by looking for one."""
    with nothing_changes(tmp_path):
        ran = cli("doctor", "--json")
    assert ran.status == 3
    verdicts = {each["name"]: each["verdict"] for each in ran.json["checks"]}
    assert (verdicts["store"], verdicts["index"]) == ("warning", "problem")
    assert "hunter2" not in ran.stdout + ran.stderr


def test_a_configuration_with_mistakes(cli: Cli, config_file: Path) -> None:
    """Each is a problem with its place; nothing else is looked at, since nobody knows what it would be."""
    config_file.write_text(config_file.read_text() + "nonsense: 1\nmore_nonsense: 2\n")
    ran = cli("doctor", "--json")
    assert ran.status == 3
    assert [each["name"] for each in ran.json["checks"]] == ["config", "config"]
    assert f"{config_file}:" in ran.json["checks"][0]["sentence"]


def test_a_webhook_without_its_secret(cli: Cli, config_file: Path) -> None:
    """Nothing could be signed: a problem that names the file, before anything is tried."""
    hook = "{name: ops, url: 'https://ops.example.com/', secret: {file: hook-secret}, events: [key.created]}"
    config_file.write_text(config_file.read_text() + f"webhooks: [{hook}]\n")
    ran = cli("doctor", "--json")
    [found] = ran.json["checks"]
    assert (ran.status, found["verdict"]) == (3, "problem")
    assert "webhooks[0].secret" in found["sentence"]
    assert "hook-secret" in found["sentence"]


def test_no_configuration(cli: Cli, tmp_path: Path) -> None:
    """There was nothing to look at, so it could not run: status 1, one line."""
    ran = cli("doctor", "--config", tmp_path / "no")
    assert (ran.status, ran.stdout, len(ran.stderr.splitlines())) == (1, "", 1)


def test_no_name_of_a_configuration(tmp_path: Path) -> None:
    """Wrong usage, as with every command."""
    ran = Client(tmp_path).run([sys.executable, "-m", "authproxy", "doctor"])
    assert (ran.code, "name the configuration" in ran.said) == (2, True)


def test_an_owner_with_an_escape_sequence(cli: Cli, config_file: Path) -> None:
    """What stands in the store does not drive the terminal of whoever looks."""
    from contextlib import closing

    from authproxy.store.driver import sqlite3

    asyncio.run(migrate(f"sqlite:///{config_file.with_name('authproxy.db')}"))
    assert cli("key", "create", "--policy", "forever", "--owner", "ci@acme", "--expires", "never").status == 0
    with closing(sqlite3.connect(config_file.with_name("authproxy.db"))) as connection, connection:
        connection.execute("UPDATE keys SET owner = ?", ("\x1b[2Jmallory",))
    ran = cli("doctor")
    assert "\x1b" not in ran.stdout
    assert "\\x1b[2Jmallory" in ran.stdout
