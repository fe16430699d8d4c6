"""The systemd units: systemd itself finds nothing to say about them, and they stay as closed as they are."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from authproxy.config import load
from tests.deploy.guide import commands, configuration

FOLDER = Path(__file__).parents[2] / "systemd"
UNIT = FOLDER / "authproxy.service"
BACKUP = FOLDER / "authproxy-backup.service"
LOOSEST = 1.5  # `systemd-analyze security`: 0 is closed, 10 is open

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
each_service = pytest.mark.parametrize("unit", [UNIT, BACKUP], ids=lambda unit: unit.name)


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False)


def exposure(unit: Path) -> subprocess.CompletedProcess[str]:
    """How open a unit is, from 0 to 10; the threshold counts in tenths, and passing it is a failure."""
    return analyze("security", "--offline=true", f"--threshold={LOOSEST * 10:.0f}", "--no-pager", unit)


def changed(unit: Path, folder: Path, old: str, new: str) -> Path:
    text = unit.read_text(encoding="utf-8")
    assert old in text
    (folder / unit.name).write_text(text.replace(old, new), encoding="utf-8")
    return folder / unit.name


@needs_systemd
@pytest.mark.parametrize("unit", sorted(FOLDER.iterdir()), ids=lambda unit: unit.name)
def test_systemd_has_nothing_to_say_about_the_unit(unit: Path) -> None:
    """Its verify exits with 0 on a misspelt directive, so stderr has to be empty too. The others need their service."""
    ran = analyze("verify", *({unit, unit.with_suffix(".service")}))
    assert (ran.returncode, ran.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize(
    ("unit", "old"),
    [(UNIT, "ProtectSystem="), (UNIT, "LoadCredential="), (UNIT, "WatchdogSec="), (BACKUP, "ProtectSystem=")],
    ids=lambda each: getattr(each, "name", each),
)
def test_control_a_misspelt_directive_is_seen(tmp_path: Path, unit: Path, old: str) -> None:
    """What the test above would say if a directive were misspelt."""
    new = old.replace("s", "z", 1) if "s" in old else old.replace("a", "e", 1)
    assert new.removesuffix("=") in analyze("verify", changed(unit, tmp_path, f"\n{old}", f"\n{new}")).stderr


@needs_systemd
@each_service
def test_the_unit_is_closed(unit: Path) -> None:
    """No directive that hardens it may be lost unnoticed."""
    ran = exposure(unit)
    level = re.search(r"exposure level for \S+ ([\d.]+)", ran.stdout)
    assert level, ran.stdout + ran.stderr
    assert float(level[1]) <= LOOSEST
    assert ran.returncode == 0


@needs_systemd
@pytest.mark.parametrize(
    ("unit", "lost"),
    [
        pytest.param(UNIT, ["CapabilityBoundingSet="], id="every capability"),
        pytest.param(UNIT, ["SystemCallFilter=@system-service"], id="every system call but a few"),
        pytest.param(UNIT, ["DynamicUser=yes", "User=authproxy", "PrivateUsers=yes"], id="root"),
        pytest.param(BACKUP, ["CapabilityBoundingSet=", "PrivateNetwork=yes"], id="the backup with a network"),
    ],
)
def test_control_a_loosened_unit_is_seen(tmp_path: Path, unit: Path, lost: list[str]) -> None:
    """What the test above would say if these were lost."""
    loose = changed(unit, tmp_path, lost[0], "")
    for line in lost[1:]:
        loose = changed(loose, tmp_path, f"\n{line}\n", "\n")
    assert exposure(loose).returncode != 0


def directives(unit: Path) -> list[tuple[str, str]]:
    lines = unit.read_text(encoding="utf-8").splitlines()
    return [(name, value) for name, sign, value in (line.partition("=") for line in lines if line[:1] != "#") if sign]


def test_the_stop_waits_for_uploads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """systemd kills after a minute and a half otherwise; and what the guide configures is what the unit provides."""
    (tmp_path / "backend-password").write_text("secret\n", encoding="utf-8")
    (tmp_path / "authproxy.yaml").write_text(configuration(), encoding="utf-8")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    config = load(tmp_path / "authproxy.yaml")
    told = dict(directives(UNIT))
    assert int(told["TimeoutStopSec"].removesuffix("min")) * 60 > config.limits.upload_deadline
    assert ("LoadCredential", "backend-password:/etc/authproxy/backend-password") in directives(UNIT)
    assert str(config.state_directory) == f"/var/lib/{told['StateDirectory']}"
    assert ("ListenStream", str(config.listen)) in directives(FOLDER / "authproxy.socket")


def test_backups_by_hand_go_where_the_unit_puts_them() -> None:
    """The `ap` of the guide sees a read-only machine but for its state directories, and upgrading.md names one of them."""
    backups = dict(directives(FOLDER / "authproxy-backup.service"))
    assert f'-p "StateDirectory={backups["StateDirectory"]}"' in "".join(commands()[1])
    page = (FOLDER.parent / "docs" / "upgrading.md").read_text(encoding="utf-8")
    folders = {f"/var/lib/{name}/" for name in backups["StateDirectory"].split()}
    named = set(re.findall(r"^ap db (?:backup|restore) (\S+/)", page, re.MULTILINE))
    assert named == {"/var/lib/authproxy-backups/"} <= folders
    assert f" {named.pop()} " in backups["ExecStart"]


def test_no_secret_is_in_the_environment() -> None:
    """Every program of the user sees an environment: secrets come as credentials."""
    assert not [name for unit in FOLDER.iterdir() for name, _ in directives(unit) if name.startswith("Environment")]
