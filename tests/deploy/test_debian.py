"""The guide for Debian, line by line, on a Debian with a real systemd: up to a wheel in a real pypiserver.

`make image` runs it; it takes root, mmdebstrap and systemd-nspawn, and is skipped where they are missing.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from tests.deploy import debian, guide
from tests.deploy.debian import Debian, need_nspawn
from tests.peers.clients import Client
from tests.peers.packages import wheel
from tests.peers.programs import Program, clean_environment

pytestmark = [pytest.mark.image, pytest.mark.timeout(1200)]

ROOT = Path(__file__).parents[2]
CHECKOUT = "/srv/checkout"
PROXY = "http://127.0.0.1:8080/"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Debian]:
    """As the guide leaves it before its last step: installed, configured, and booted."""
    need_nspawn()
    root = tmp_path_factory.mktemp("debian") / "root"
    debian.make(root)
    shutil.copytree(ROOT / "authproxy", f"{root}{CHECKOUT}/authproxy", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "systemd", f"{root}{CHECKOUT}/systemd")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, f"{root}{CHECKOUT}")
    prepared = debian.prepare(root, CHECKOUT, guide.commands()[0])
    assert prepared.code == 0, prepared.said
    (root / "etc/authproxy/authproxy.yaml").write_text(guide.configuration(), encoding="utf-8")
    with debian.booted(root) as running:
        yield running
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def packages(machine: Debian, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a pypiserver on that machine, which knows the proxy's password and no other."""
    folder = tmp_path_factory.mktemp("index")
    (folder / "packages").mkdir()
    password = (machine.root / "etc/authproxy/backend-password").read_bytes().strip()
    (folder / "htpasswd").write_bytes(b"authproxy:" + bcrypt.hashpw(password, bcrypt.gensalt(4)) + b"\n")
    serve = [sys.executable, "-m", "pypiserver", "run", "-i", "127.0.0.1", "-p", "8081", "-a", "update"]
    argv = machine.here(*serve, "-P", folder / "htpasswd", "--disable-fallback", folder / "packages")
    program = Program(argv, log=folder / "log", env=clean_environment(folder))
    yield folder / "packages"
    program.stop()


@pytest.fixture(scope="module")
def typed(machine: Debian, packages: Path) -> str:
    """What the rest of the guide prints; it ends with the socket in systemd's hands."""
    ran = machine.run(CHECKOUT, guide.commands()[1])
    assert ran.code == 0, ran.said
    return ran.said


def test_the_guide_leads_to_a_wheel_in_the_index(machine: Debian, typed: str, packages: Path, tmp_path: Path) -> None:
    """Every line of it succeeds, and its key uploads."""
    [key] = re.findall(r"^apx_\w+$", typed, re.MULTILINE)
    package = wheel("acme-core", payload=os.urandom(100_000))
    twine = [sys.executable, "-m", "twine", "upload", "--non-interactive", "--repository-url", PROXY]
    argv = machine.here(*twine, package.write(tmp_path))
    sent = Client(tmp_path).run(argv, TWINE_USERNAME="__token__", TWINE_PASSWORD=key)
    assert sent.code == 0, sent.said
    assert (packages / package.filename).read_bytes() == package.content


def test_the_unit_tells_systemd_how_it_is(machine: Debian, typed: str) -> None:
    """It is active once it listens, a reload is waited for, and the process has no right that it was not given."""
    show = "systemctl show authproxy.service --property Type,ActiveState,SubState,NRestarts,StatusText"
    shown = machine.run("/", ["systemctl reload authproxy.service", show]).said
    assert {"Type=notify", "ActiveState=active", "SubState=running", "NRestarts=0"} <= set(shown.splitlines())
    status = machine.run(
        "/", ['cat "/proc/$(systemctl show --property MainPID --value authproxy.service)/status"']
    ).said
    told = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert "0" not in told["Uid"].split()
    assert (int(told["CapEff"], 16), told["NoNewPrivs"], told["Seccomp"]) == (0, "1", "2")


def test_the_secret_is_for_the_service_alone(machine: Debian, typed: str) -> None:
    """Neither in the log nor in the environment of the process, and root's file stays root's."""
    password = (machine.root / "etc/authproxy/backend-password").read_text(encoding="utf-8").strip()
    seen = [
        "journalctl --no-pager",
        'cat "/proc/$(systemctl show --property MainPID --value authproxy.service)/environ"',
    ]
    assert password not in machine.run("/", seen).said
    assert (machine.root / "etc/authproxy/backend-password").stat().st_mode & 0o777 == 0o600


def test_who_comes_during_a_restart_waits(machine: Debian, typed: str, tmp_path: Path) -> None:
    """The socket is systemd's: with the service stopped a request starts it, and is answered."""
    ask = f"import urllib.request; print(urllib.request.urlopen('{PROXY}-/healthz', timeout=60).read())"
    stopped = machine.run("/", ["systemctl stop authproxy.service", "systemctl is-active authproxy.service || true"])
    assert "inactive" in stopped.said
    assert Client(tmp_path).run(machine.here(sys.executable, "-c", ask)).said == "b'ok\\n'\n"
    assert machine.run("/", ["systemctl is-active authproxy.service"]).said == "active\n"


def test_the_nightly_backup_is_made(machine: Debian, typed: str) -> None:
    """As its timer would: a copy beside the running server."""
    ran = machine.run("/", ["systemctl start authproxy-backup.service", "ls /var/lib/private/authproxy-backups"])
    assert ran.code == 0, ran.said
    assert re.search(r"^authproxy-\d{8}T\d{6}Z\.db$", ran.said, re.MULTILINE)
