"""The compose files: an engine's own parser takes them, nobody gets past the proxy, and what they mount is there."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from authproxy.config import Address, load
from tests.peers.clients import Client
from tests.peers.packages import wheel
from tests.peers.ports import LOOPBACK, reserved_port, wait_until_open
from tests.peers.programs import Program, clean_environment
from tests.peers.proxy import proxy

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "compose"
FILES = sorted(FOLDER.glob("*/compose.yaml"))
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")

each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)


def services(path: Path) -> Mapping[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))["services"]


def test_there_is_one_for_each_index() -> None:
    """As many as there are indexes."""
    assert [path.parent.name for path in FILES] == ["devpi", "pypiserver"]


def parse(path: Path, home: Path) -> subprocess.CompletedProcess[str]:
    argv = ["docker-compose", "--file", str(path), "config"]
    return subprocess.run(
        argv, capture_output=True, text=True, timeout=60, check=False, env=clean_environment(home, PYTHONPATH="")
    )


needs_parser = pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed")


@needs_parser
@each_file
def test_docker_compose_takes_it(path: Path, tmp_path: Path) -> None:
    """Its parser needs no engine. What it makes of the file has all services."""
    ran = parse(path, tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert set(yaml.safe_load(ran.stdout)["services"]) == set(services(path))


@needs_parser
@each_file
def test_control_a_misspelt_key_is_seen(path: Path, tmp_path: Path) -> None:
    """What the test above would say if one were misspelt."""
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(path.read_text(encoding="utf-8").replace("read_only:", "readonly:"), encoding="utf-8")
    ran = parse(wrong, tmp_path)
    assert ran.returncode != 0
    assert "readonly" in ran.stderr


@each_file
def test_everything_is_closed(path: Path) -> None:
    """No root file system that can be written to, no capability, no way to more rights: for each of the services."""
    for name, service in services(path).items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not {"privileged", "cap_add", "devices", "pid", "ipc"} & set(service), name


def ways_past(document: Mapping[str, Any]) -> list[str]:
    """How somebody could reach the index without the proxy."""
    found = []
    index = document["services"]["index"]
    found += [f"index publishes {port}" for port in index.get("ports", [])]
    for network in index.get("networks", ["default"]):
        if not (document["networks"].get(network) or {}).get("internal"):
            found.append(f"{network} is not internal")
        members = {name for name, each in document["services"].items() if network in each.get("networks", ["default"])}
        if "network_mode" not in index and members != {"authproxy", "index"}:
            found.append(f"{network} has {members}")
    return found


@each_file
def test_nobody_gets_past_the_proxy(path: Path) -> None:
    """The index publishes nothing, and is in one inner network with the proxy and nobody else."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert ways_past(document) == []
    assert document["services"]["authproxy"]["ports"] == ["127.0.0.1:8080:8080"]


@each_file
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"ports": ["8081:8081"]}, id="a port of its own"),
        pytest.param({"networks": ["front"]}, id="in the outer network"),
        pytest.param({"networks": ["back", "front"]}, id="in both"),
    ],
)
def test_control_a_way_past_it_is_seen(path: Path, change: Mapping[str, Any]) -> None:
    """What the test above would say of each."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["services"]["index"] |= change
    assert ways_past(document) != []


@each_file
def test_the_configuration_fits(path: Path) -> None:
    """It has no mistake, it listens where it is published, and it speaks to the index's service at its port."""
    config = load(path.with_name("authproxy.yaml"), secrets=False)
    named = services(path)
    assert isinstance(config.listen, Address)
    assert named["authproxy"]["ports"][0].endswith(f":{config.listen.port}")
    [dockerfile] = list(path.parent.glob("**/*Dockerfile"))
    [port] = re.findall(r"^EXPOSE (\d+)$", dockerfile.read_text(encoding="utf-8"), re.MULTILINE)
    assert config.backend.url == f"http://index:{port}/"


@each_file
def test_the_proxy_writes_to_what_lasts(path: Path) -> None:
    """The store and the spool are in the image's volume, which both of its services mount from a named one."""
    config = load(path.with_name("authproxy.yaml"), secrets=False)
    [volume] = re.findall(r"^VOLUME (\S+)$", DOCKERFILE, re.MULTILINE)
    [where] = re.findall(r"AUTHPROXY_CONFIG=(\S+)", DOCKERFILE)
    assert str(config.state_directory) == volume
    assert config.store.startswith(f"sqlite:///{volume}/")
    for name in ("authproxy", "migrate"):
        assert services(path)[name]["volumes"] == [f"./authproxy.yaml:{where}:ro", f"state:{volume}"]


@each_file
def test_uploads_under_way_are_waited_for(path: Path) -> None:
    """An engine kills after ten seconds otherwise."""
    config = load(path.with_name("authproxy.yaml"), secrets=False)
    minutes = int(services(path)["authproxy"]["stop_grace_period"].removesuffix("m"))
    assert minutes * 60 > config.limits.upload_deadline


@pytest.mark.e2e
@pytest.mark.timeout(300)
def test_devpi_is_made_and_set_up(tmp_path: Path) -> None:
    """What the container of devpi starts, twice, and the one command after it: then the proxy's account uploads."""
    scripts, secrets = FOLDER / "devpi" / "index", tmp_path / "secrets"
    secrets.mkdir()
    for name in ("root-password", "backend-password"):
        (secrets / name).write_text(f"the-{name}\n", encoding="utf-8")
    port = reserved_port()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    told = {"DEVPI_DIRECTORY": str(tmp_path / "devpi"), "DEVPI_HOST": LOOPBACK, "DEVPI_PORT": str(port)}
    env = clean_environment(tmp_path, SECRETS=str(secrets), PATH=path, **told)
    for again in (False, True):
        program = Program([scripts / "start"], log=tmp_path / "log", env=env, cwd=tmp_path)
        try:
            with suppress(RuntimeError):  # the first start makes a directory first, which takes as long again
                wait_until_open((LOOPBACK, port), program.is_alive)
            wait_until_open((LOOPBACK, port), program.is_alive)
            if not again:
                ran = Client(tmp_path).run([scripts / "set-up"], **env)
                assert ran.code == 0, ran.said
                assert "the-backend-password" not in ran.said
                continue
            more = {
                "backend": {
                    "flavour": "devpi",
                    "url": f"http://{LOOPBACK}:{port}/",
                    "indexes": ["team/dev"],
                    "username": "authproxy",
                    "password": {"file": str(secrets / "backend-password")},
                }
            }
            with proxy(tmp_path / "proxy", "", **more) as running:
                sent = Client(tmp_path).twine(
                    f"{running.url}team/dev/", running.create_key().text, wheel("acme-core").write(tmp_path)
                )
            assert sent.code == 0, sent.said
        finally:
            program.stop()
