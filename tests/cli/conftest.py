"""The command line as a function: arguments in, exit status and both streams out, on a real store."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from authproxy.cli import main
from authproxy.cli.options import CONFIG_VARIABLE

CONFIG = """\
listen: 127.0.0.1:0
public_url: http://127.0.0.1:8080/
backend:
  flavour: pypiserver
  url: http://127.0.0.1:9/
  username: svc
  password: {file: backend-password}
store: sqlite:///authproxy.db
state_directory: state
key_policies:
  release:
    allow:
      - {actions: [upload], packages: ["acme-*"], create: true}
      - {actions: [read], packages: ["*"]}
    lifetime: 90d
    networks: [10.0.0.0/8]
    uses: 10
  forever:
    allow:
      - {actions: [upload], packages: ["acme-core"]}
    lifetime: never
packages:
  - {match: "acme-*", require: key, filetypes: [wheel], max_size: 1MiB, versions: ["1.*"]}
  - {match: "*", require: key}
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.stdout)


Cli = Callable[..., Ran]


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    """A configuration whose store does not exist yet."""
    (tmp_path / "backend-password").write_text("hunter2-of-the-index\n")
    (tmp_path / "backend-password").chmod(0o600)
    path = tmp_path / "authproxy.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def cli(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command; the environment names the configuration."""
    monkeypatch.setenv(CONFIG_VARIABLE, str(config_file))
    monkeypatch.delenv("NO_COLOR", raising=False)

    def run(*arguments: str | Path, input: str | bytes | None = None) -> Ran:  # noqa: A002 - click calls it so
        result = CliRunner().invoke(main, [str(each) for each in arguments], input=input, prog_name="authproxy")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    return run


@dataclass(frozen=True, slots=True)
class Created:
    """A key that was made for a test."""

    id: str
    key: str

    @property
    def secret(self) -> str:
        """What nobody may see again."""
        return self.key.rpartition("_")[2]


@pytest.fixture
def created(cli: Cli) -> Callable[..., Created]:
    """Make a key; it may do all of its policy unless more options are given."""

    def create(*options: str, policy: str = "release", owner: str = "ci@acme") -> Created:
        ran = cli("key", "create", "--policy", policy, "--owner", owner, "--json", *options)
        assert ran.status == 0, ran.stderr
        return Created(ran.json["id"], ran.json["key"])

    return create


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let the clock of the command line run ahead by so many seconds."""

    def ahead(seconds: int) -> None:
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + seconds)

    return ahead
