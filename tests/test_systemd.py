"""The systemd units: systemd itself finds nothing to say about them, and they stay as closed as they are."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "systemd"
UNIT = FOLDER / "authproxy.service"
BACKUP = FOLDER / "authproxy-backup.service"
LOOSEST = 1.5  # `systemd-analyze security`: 0 is closed, 10 is open

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False)


@needs_systemd
@pytest.mark.parametrize("unit", sorted(FOLDER.iterdir()), ids=lambda unit: unit.name)
def test_systemd_has_nothing_to_say_about_the_unit(unit: Path) -> None:
    """Its verify exits with 0 on a misspelt directive, so stderr has to be empty too. A timer needs its service."""
    ran = analyze("verify", *({unit, unit.with_suffix(".service")}))
    assert (ran.returncode, ran.stderr) == (0, "")


@needs_systemd
def test_control_a_misspelt_directive_is_seen(tmp_path: Path) -> None:
    """What the test above would say if a directive were misspelt."""
    wrong = tmp_path / UNIT.name
    wrong.write_text(UNIT.read_text(encoding="utf-8").replace("ProtectSystem", "ProtectSytem"), encoding="utf-8")
    assert "ProtectSytem" in analyze("verify", wrong).stderr


@needs_systemd
@pytest.mark.parametrize("unit", [UNIT, BACKUP], ids=lambda unit: unit.name)
def test_the_unit_is_closed(unit: Path) -> None:
    """No directive that hardens it may be lost unnoticed."""
    said = analyze("security", "--offline=true", unit).stdout
    level = re.search(r"exposure level for \S+ ([\d.]+)", said)
    assert level, said
    assert float(level[1]) <= LOOSEST
