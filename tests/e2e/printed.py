"""What `authproxy client-config` prints, put where a person puts it, on a machine with one project and a shell."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from authproxy.cli.clientlines import CLIENTS
from tests.peers.clients import Client, Ran
from tests.peers.packages import sdist, wheel
from tests.peers.proxy import Installation

OWN = Path(sys.executable).parent

# Where a file belongs, below the home.
PLACES = {
    "pip.conf": ".config/pip/pip.conf",
    ".pypirc": ".pypirc",
    "config.toml": ".config/hatch/config.toml",
    "pyproject.toml": "project/pyproject.toml",
}

HATCHLING = ("hatchling.build", "hatchling")
POETRY = ("poetry.core.masonry.api", "poetry-core")
FLIT = ("flit_core.buildapi", "flit_core")

PROJECT = """\
[project]
name = "{name}"
version = "1.0"
description = "made by a test"
requires-python = ">=3.11"
dependencies = []

[build-system]
requires = ["{requires}"]
build-backend = "{backend}"

"""


@dataclass(frozen=True, slots=True)
class Printed:
    """The text, and the file that it is; None: lines for a shell."""

    text: str
    file: str | None

    @property
    def shell(self) -> str:
        """What is for a shell: all of it, or the lines of the comment that are indented by three spaces."""
        return self.text if self.file is None else "\n".join(re.findall(r"^#   (.+)$", self.text, re.MULTILINE))


def printed(made: Installation, folder: Path, client: str, form: str, purpose: str) -> Printed:
    """Run the command, as its operator does."""
    path = folder / "printed"
    ran = made.run("client-config", client, "--as", form, "--for", purpose, "-o", path)
    assert ran.code == 0, ran.said
    return Printed(path.read_text(encoding="utf-8"), CLIENTS[client][form].file)


@dataclass(frozen=True, slots=True)
class Machine:
    """A person's home. `programs` are folders that stand first on the PATH."""

    home: Path
    name: str  # of the project
    programs: tuple[Path, ...]

    @property
    def project(self) -> Path:
        return self.home / "project"

    @property
    def stem(self) -> str:
        """How filenames of the project begin."""
        return self.name.replace("-", "_")

    def begin(self, backend: str, requires: str) -> None:
        """Write the project, and the files that building it would make."""
        (self.project / self.stem).mkdir(parents=True)
        (self.project / self.stem / "__init__.py").write_text('"""Made by a test."""\n', encoding="ascii")
        text = PROJECT.format(name=self.name, backend=backend, requires=requires)
        (self.project / "pyproject.toml").write_text(text, encoding="ascii")
        for package in (wheel(self.name), sdist(self.name)):
            package.write(self.project / "dist")

    def settle(self, made: Printed) -> None:
        """Write the file where it belongs; what is there already stays before it."""
        if made.file is not None:
            path = self.home / PLACES[made.file]
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as stream:
                stream.write(made.text)

    def sh(self, script: str, **env: str) -> Ran:
        """Run lines in the project; the first that fails ends them."""
        path = ":".join(map(str, (*self.programs, OWN, "/usr/bin", "/bin")))
        quiet = {"PDM_CHECK_UPDATE": "0", "POETRY_VIRTUALENVS_CREATE": "false", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        argv = ["sh", "-euc", f'cd "$HOME/project"\n{script}']
        return Client(self.home).run(argv, **{"PATH": path, **quiet, **env})
