"""The clients that are not among authproxy's own test requirements: poetry, flit, hatch, pdm, in an environment apart.

Apart, because together they pin some thirty libraries, of which authproxy uses a few itself.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

INSTALLED_WITHIN = 300.0  # seconds; from a warm cache it takes four
REQUIREMENTS = (
    "poetry==2.5.1",
    "flit==4.2",
    "hatch==1.18.2",
    "pdm==2.29.3",
    "hishel[httpx]==1.2.1",  # with newer ones pdm 2.29.3 does not start
    "unearth==0.18.2",
)


def toolbox(folder: Path) -> Path:
    """Install them into a new environment; the folder of its programs. Skips the test where there is no network."""
    uv = str(Path(sys.executable).with_name("uv"))
    python = folder / "bin" / "python"
    for command in (
        ["venv", "--quiet", "--python", sys.executable, folder],
        ["pip", "install", "--quiet", "--python", python, *REQUIREMENTS],
    ):
        ran = subprocess.run(
            [uv, *map(str, command)],
            env=os.environ,
            capture_output=True,
            text=True,
            timeout=INSTALLED_WITHIN,
            check=False,
        )
        if ran.returncode != 0:
            pytest.skip(f"poetry, flit, hatch and pdm could not be installed: {ran.stderr.strip()[-300:]}")
    return folder / "bin"
