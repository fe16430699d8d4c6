"""The indexes of the demo: real programs, set up with one account, on loopback, with no way to the public index."""

import http.client
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from authproxy.cli.demo import upstreams
from authproxy.cli.demo.children import LOOPBACK, ChildFailed, free_ports, running, wait_until_ready
from authproxy.cli.demo.clients import clean_environment
from authproxy.cli.demo.upstreams import DEVPI, PYPISERVER, UPSTREAMS, Upstream
from authproxy.config import FlavourName

PASSWORD = "correct-horse-battery-staple"


def test_every_kind_of_index_has_a_row() -> None:
    """Whatever the proxy can stand before, the demo can show."""
    assert set(UPSTREAMS) == {flavour.value for flavour in FlavourName}


@pytest.mark.parametrize("upstream", UPSTREAMS.values(), ids=list(UPSTREAMS))
def test_it_listens_on_loopback_and_shows_no_password(upstream: Upstream, tmp_path: Path) -> None:
    """The address is among the arguments; the password is in no argument, and in no file as it is."""
    upstream.prepare(tmp_path, PASSWORD)
    command = upstream.command(tmp_path, 18081)
    assert LOOPBACK in command
    assert "18081" in command
    assert PASSWORD not in " ".join(command)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.name for path in files if PASSWORD.encode() in path.read_bytes()] == []


def test_pypiserver_has_one_account_and_no_fallback(tmp_path: Path) -> None:
    """pypiserver itself, uploads behind the password, and never a redirect to the public index."""
    PYPISERVER.prepare(tmp_path, PASSWORD)
    htpasswd = tmp_path / "htpasswd"
    user, _, digest = htpasswd.read_text().strip().partition(":")
    assert user == "authproxy"
    assert bcrypt.checkpw(PASSWORD.encode(), digest.encode())
    assert stat.S_IMODE(htpasswd.stat().st_mode) == 0o600
    command = PYPISERVER.command(tmp_path, 1)
    assert command[1:4] == ["-m", "pypiserver", "run"]
    assert "--disable-fallback" in command
    assert command[command.index("-a") + 1] == "update"


@pytest.fixture
def devpi(tmp_path: Path) -> Iterator[int]:
    """The port of a devpi-server that runs as the demo runs it."""
    (port,) = free_ports(None)
    DEVPI.prepare(tmp_path, PASSWORD)
    argv, environment = DEVPI.command(tmp_path, port), clean_environment(tmp_path)
    with running("the index", argv, log=tmp_path / "index.log", environment=environment) as index:
        wait_until_ready(index, port, DEVPI.ready)
        yield port


def asked(port: int, method: str, target: str, body: object = None) -> tuple[int, Any]:
    """The status and the document of one request in JSON."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=30)
    sent = {"Accept": "application/json", "Content-Type": "application/json"}
    connection.request(method, target, None if body is None else json.dumps(body), sent)
    answer = connection.getresponse()
    found = answer.status, json.loads(answer.read())
    connection.close()
    return found


@pytest.mark.e2e
def test_devpi_has_one_index_and_no_mirror(devpi: int) -> None:
    """No root/pypi, nothing inherited, no replacing of files, and nobody but the account uploads."""
    status, page = asked(devpi, "GET", "/")
    assert status == 200
    indexes = {f"{user}/{name}": index for user, it in page["result"].items() for name, index in it["indexes"].items()}
    assert set(indexes) == {"team/dev"}
    settings = indexes["team/dev"]
    assert (settings["bases"], settings["volatile"], settings["acl_upload"]) == ([], False, ["authproxy"])
    assert settings["type"] == "stage"


@pytest.mark.e2e
def test_devpi_knows_three_passwords_and_nothing_empty(devpi: int, tmp_path: Path) -> None:
    """The account's is the one given, the two owners' stands in its file, and an empty one opens nothing."""
    owners = (tmp_path / "devpi-password").read_text().strip()
    for user, password, wanted in (
        ("authproxy", PASSWORD, 200),
        ("authproxy", owners, 401),
        ("root", owners, 200),
        ("root", "", 401),
        ("root", PASSWORD, 401),
        ("team", owners, 200),
        ("team", "", 401),
    ):
        assert asked(devpi, "POST", "/+login", {"user": user, "password": password})[0] == wanted, (user, wanted)
    for name in ("devpi-password", "devpi-secret"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "devpi").stat().st_mode) == 0o700
    assert not (tmp_path / "devpi-import").exists()


def test_a_devpi_that_cannot_be_set_up_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The failing program and its last words, instead of an index that is not what was promised."""
    monkeypatch.setattr(upstreams, "INDEX", "team/no good")
    with pytest.raises(ChildFailed, match=r"(?s)devpi-import ended with status 1.*contains characters"):
        DEVPI.prepare(tmp_path, PASSWORD)
