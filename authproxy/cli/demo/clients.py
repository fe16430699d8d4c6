"""twine, uv and pip: one table of how each is called, for the lines a person pastes and for the self-test.

Both come from the same `Command`, so that what the demo shows is what the self-test proves. Keys travel in environment
variables, never in an argument: every user of a machine can list those (CWE-214).
"""

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from authproxy.cli.logs import redact

# One client call on a busy machine with two cores takes 1 to 6 s; pip and uv make a virtual environment for an sdist.
CLIENT_SECONDS = 90.0

# The modules of the clients, which is also what they are called.
CLIENTS = ("twine", "uv", "pip")


def missing(requires: Sequence[str], programs: Sequence[str] = ()) -> tuple[str, ...]:
    """Name what is not installed in this environment: of the clients, of these modules, and of programs anywhere."""
    absent = [module for module in (*requires, *CLIENTS) if importlib.util.find_spec(module) is None]
    absent += [program for program in programs if start(program) is None]
    return tuple(name.replace("_", "-") for name in absent)


def start(client: str) -> list[str] | None:
    """Say how a client is started: as a module of this environment, else as a program that stands apart; None: not."""
    if importlib.util.find_spec(client) is not None:
        return [sys.executable, "-m", client]
    found = shutil.which(client)
    return None if found is None else [found]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a client ended. `output` is what it showed, both streams together, without any secret."""

    status: int
    output: str

    @property
    def words(self) -> str:
        """The output in one line; clients wrap a sentence to the width of a terminal, and draw bars beside it."""
        return " ".join(word for word in self.output.split() if word not in {"│", "|", "╰─▶", "├─▶"})


@dataclass(frozen=True, slots=True)
class Command:
    """A call of one of the clients. `quiet` are arguments that only the self-test adds."""

    client: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    quiet: tuple[str, ...] = ()

    def line(self) -> str:
        """The command as a person pastes it into a shell."""
        variables = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        return " ".join([*variables, *map(_word, (program(self.client), *self.arguments))])

    def run(self, home: Path) -> Outcome:
        """Run it with nothing of this user's configuration, bounded in time. `home` is a directory to spoil."""
        argv = [*(start(self.client) or [self.client]), *self.arguments, *self.quiet]
        try:
            ended = subprocess.run(  # noqa: S603 - our own interpreter, arguments as a list
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**clean_environment(home), **self.environment},
                cwd=home,
                timeout=CLIENT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as expired:
            shown = expired.stdout.decode(errors="backslashreplace") if expired.stdout else ""
            return Outcome(124, redact(f"{shown}\n{self.client} did not end within {CLIENT_SECONDS:.0f} seconds"))
        return Outcome(ended.returncode, redact(ended.stdout.decode(errors="backslashreplace")))


def _word(text: str) -> str:
    """An argument as a shell takes it; a `*` at the end stays one. Without a shell twine and uv expand it alone."""
    return f"{shlex.quote(text[:-1])}*" if text.endswith("*") else shlex.quote(text)


def program(client: str) -> str:
    """The name alone where the shell would find this environment's own, else its path."""
    own = Path(sys.executable).with_name(client)
    found = shutil.which(client)
    return client if found and (Path(found) == own or not own.exists()) else str(own)


def clean_environment(home: Path) -> dict[str, str]:
    """An environment without keys, proxies, caches or package indexes of the user's own."""
    kept = {
        name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ
    }
    return {
        **kept,
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "NO_COLOR": "1",
        "NO_PROXY": "*",
        "PYTHONUTF8": "1",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_CACHE_DIR": "1",
        "UV_CACHE_DIR": str(home / "uv-cache"),
        "UV_NO_CONFIG": "1",
        "UV_PYTHON_DOWNLOADS": "never",
    }


def twine_upload(url: str, key: str, files: str) -> Command:
    """Upload files with twine; `files` is a path or a glob."""
    return Command(
        "twine",
        ("upload", "--repository-url", url, files),
        {"TWINE_USERNAME": "__token__", "TWINE_PASSWORD": key},
        ("--non-interactive", "--disable-progress-bar"),
    )


def uv_publish(url: str, key: str, files: str) -> Command:
    """Upload files with uv; `files` is a path or a glob."""
    return Command("uv", ("publish", "--publish-url", url, files), {"UV_PUBLISH_TOKEN": key})


def pip_install(pages: str, requirement: str, target: Path) -> Command:
    """Install one package with pip, from these pages and nowhere else, into a directory of its own."""
    return Command(
        "pip",
        ("install", "--no-deps", "--index-url", pages, "--target", str(target), requirement),
        quiet=("--isolated", "--no-input"),
    )


def uv_install(pages: str, requirement: str, target: Path) -> Command:
    """Install one package with uv, from these pages and nowhere else, into a directory of its own."""
    python = ("--python", sys.executable)
    return Command(
        "uv",
        ("pip", "install", "--no-deps", *python, "--index-url", pages, "--target", str(target), requirement),
    )
