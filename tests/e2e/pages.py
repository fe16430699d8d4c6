"""A page of docs/ as an operator works through it: its `$ ` lines, in their order, as one script."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tests.peers.clients import Ran
from tests.peers.programs import clean_environment
from tests.peers.proxy import Installation

PATIENCE = 110.0  # seconds
DOCS = Path(__file__).parents[2] / "docs"

PRELUDE = """
set -eu
authproxy() { "$PYTHON" -m authproxy "$@"; }
"""


def commands(page: str) -> list[str]:
    """The lines of its console blocks."""
    blocks = re.findall(r"```console\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]


def run(lines: list[str], made: Installation, folder: Path, *, prelude: str = "", **env: str) -> Ran:
    """Run them before an installation; the first that fails ends them. Each is printed before it is run."""
    folder.mkdir(exist_ok=True)
    script = PRELUDE + prelude + "\nset -v\n" + "\n".join(lines) + "\necho the end\n"
    all_of = {"PYTHON": sys.executable, "AUTHPROXY_CONFIG": str(made.config), "PATH": os.environ["PATH"], **env}
    (folder / "script").write_text(script, encoding="utf-8")
    log = folder / "said"
    with log.open("wb") as said:
        running = subprocess.Popen(
            ["bash", folder / "script"],
            cwd=folder,
            env=clean_environment(folder, **all_of),
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            code = running.wait(PATIENCE)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
    return Ran(code, log.read_text(encoding="utf-8", errors="replace"))
