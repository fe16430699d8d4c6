"""The demo itself, with real clients: what it prints works, what it starts ends, what it keeps can be run."""

import http.client
import importlib.util
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from authproxy.cli.demo import clients, trustedtest
from authproxy.cli.demo.children import running, wait_until_ready
from authproxy.cli.demo.installation import Installation
from authproxy.cli.demo.selftest import STEPS
from authproxy.cli.demo.upstreams import UPSTREAMS
from authproxy.config import load
from tests.cli.conftest import Cli
from tests.peers.toolbox import Toolbox

DEMO = [sys.executable, "-m", "authproxy", "demo"]
SECONDS = 100.0

on_each_index = pytest.mark.parametrize("flavour", list(UPSTREAMS))


@contextmanager
def _demo(tmp_path: Path, *arguments: str) -> Iterator[tuple["subprocess.Popen[bytes]", Path, Path]]:
    """A demo that waits for Ctrl-C, with what it printed in two files."""
    out, err = tmp_path / "out", tmp_path / "err"
    environment = {**os.environ, "TMPDIR": str(tmp_path), "HOME": str(tmp_path), "NO_PROXY": "*"}
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            [*DEMO, *arguments], stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env=environment
        )
    try:
        deadline = time.monotonic() + SECONDS
        while "Ctrl-C stops" not in err.read_text():
            assert process.poll() is None, err.read_text()
            assert time.monotonic() < deadline, err.read_text()
            time.sleep(0.1)
        yield process, out, err
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(SECONDS)


def _children(process: "subprocess.Popen[bytes]") -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def _shell(line: str, tmp_path: Path) -> "subprocess.CompletedProcess[str]":
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "NO_PROXY": "*",
        "UV_CACHE_DIR": str(tmp_path / "uv"),
        **{name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ},
    }
    return subprocess.run(
        ["sh", "-c", line], env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )


@pytest.mark.e2e
@on_each_index
def test_the_self_test_passes(flavour: str) -> None:
    """Every step, with the real clients and either index; one line each on stdout."""
    argv = [*DEMO, "--upstream", flavour, "--self-test"]
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    lines = ran.stdout.splitlines()
    assert [line[0] for line in lines[:-1]] == ["✓"] * len(STEPS)
    assert "apx_" not in ran.stdout + ran.stderr


@pytest.mark.e2e
@on_each_index
def test_the_self_test_without_keys_passes(flavour: str, tools: Toolbox) -> None:
    """Real uv and pdm, and twine by `authproxy exec`, over TLS and with no credential; pdm is installed apart."""
    argv = [*DEMO, "--upstream", flavour, "--oidc", "--self-test"]
    environ = {**os.environ, "PATH": f"{tools.today}:{os.environ['PATH']}"}
    ran = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    lines = ran.stdout.splitlines()
    assert [line[0] for line in lines[:-1]] == ["✓"] * len(trustedtest.STEPS)
    assert "apx_" not in ran.stdout + ran.stderr


@pytest.mark.e2e
def test_the_lines_without_keys_do_what_they_say(
    tmp_path: Path, tools: Toolbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell runs the pasted lines: the jobs of the right repository publish, the stranger's does not, and the minted
    keys are listed; Ctrl-C leaves nothing.
    """
    monkeypatch.setenv("PATH", f"{tools.today}:{os.environ['PATH']}")
    with _demo(tmp_path, "--oidc") as (process, out, _):
        for number, line in enumerate(out.read_text().splitlines()):
            ran = _shell(line, tmp_path)
            said = ran.stdout + ran.stderr
            assert (ran.returncode == 0) == (number != 3), f"{line}\n{said}"
            assert number != 3 or "no trusted publisher takes this token" in " ".join(said.split())
        assert "github https://" in ran.stdout, "the last line lists the publishers"
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0
    assert list(tmp_path.glob("authproxy-*")) == []


def test_an_issuer_is_not_kept(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody should go on to trust it."""
    monkeypatch.setattr(clients, "start", lambda name: [name])
    ran = cli("demo", "--oidc", "--keep", tmp_path / "kept")
    assert (ran.status, "--oidc cannot be kept" in ran.stderr) == (2, True)
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("absent", ["pdm", "trustme"])
def test_without_what_oidc_needs_one_sentence_says_what_to_install(
    absent: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pdm may stand in an environment of its own; there is none here."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == absent else name)
    monkeypatch.setenv("PATH", "/nowhere")
    ran = cli("demo", "--oidc")
    assert (ran.status, ran.stdout) == (1, "")
    assert f"{absent} is not installed: pip install '.[demo-oidc]' in a checkout" in ran.stderr


@pytest.mark.e2e
@on_each_index
def test_the_lines_do_what_they_say_and_ctrl_c_ends_it_all(flavour: str, tmp_path: Path) -> None:
    """A shell runs the pasted lines: uploads and installs succeed, the line that must be refused is, and so is the
    first line after its key was revoked. Ctrl-C leaves no server and no file.
    """
    with _demo(tmp_path, "--upstream", flavour) as (process, out, _):
        lines = out.read_text().splitlines()
        for number, line in enumerate(lines):
            ran = _shell(line, tmp_path)
            said = ran.stdout + ran.stderr
            assert (ran.returncode == 0) == (number != 4), f"{line}\n{said}"
            assert number != 4 or "may not upload" in " ".join(said.split())
        assert _shell(lines[0].replace("acme_core-1.0*", "acme_core-1.1*"), tmp_path).returncode != 0
        servers = _children(process)
        assert len(servers) == 2
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0
        assert [pid for pid in servers if Path(f"/proc/{pid}").exists()] == []
    assert list(tmp_path.glob("authproxy-*")) == []


@pytest.mark.e2e
@on_each_index
def test_what_is_kept_can_be_run(flavour: str, tmp_path: Path) -> None:
    """After SIGTERM the directory stays, nobody else may read its secrets, and both servers start again from it."""
    kept = tmp_path / "kept"
    with _demo(tmp_path, "--upstream", flavour, "--keep", str(kept)) as (process, _, _err):
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
    private = {"pypiserver": ("htpasswd",), "devpi": ("devpi-secret", "devpi-password")}[flavour]
    for name in ("backend-password", "authproxy.db", *private):
        assert stat.S_IMODE((kept / name).stat().st_mode) == 0o600
    config = load(kept / "authproxy.yaml")
    index_port = int(config.backend.url.rpartition(":")[2].strip("/"))
    made = Installation(UPSTREAMS[flavour], kept, config.listen.port, index_port)
    environment = clients.clean_environment(tmp_path)
    with (
        running("the index", made.index_command(), log=tmp_path / "index.log", environment=environment) as index,
        running("the proxy", made.proxy_command(), log=tmp_path / "proxy.log", environment=environment) as proxy,
    ):
        wait_until_ready(index, made.index_port, made.upstream.ready)
        wait_until_ready(proxy, made.proxy_port, "/-/readyz")
        connection = http.client.HTTPConnection("127.0.0.1", made.proxy_port, timeout=10)
        connection.request("GET", f"/{made.upstream.pages}")
        assert connection.getresponse().status == 200
        connection.close()


@pytest.mark.e2e
def test_a_server_that_ends_ends_the_demo(tmp_path: Path) -> None:
    """The demo does not sit there with half of itself dead: status 1, which one, and its last words."""
    with _demo(tmp_path) as (process, _, err):
        os.kill(_children(process)[0], signal.SIGKILL)
        assert process.wait(SECONDS) == 1
        assert "the index ended with status -9" in err.read_text()
        assert "Traceback" not in err.read_text().partition("ended with status")[0]


def test_a_directory_that_is_in_use_is_refused(cli: Cli, tmp_path: Path) -> None:
    """The demo overwrites nothing."""
    (tmp_path / "precious").write_text("x")
    ran = cli("demo", "--keep", tmp_path)
    assert ran.status == 1
    assert "is not empty" in ran.stderr
    assert (tmp_path / "precious").read_text() == "x"


@pytest.mark.parametrize(
    ("flavour", "absent", "extra"),
    [
        ("pypiserver", "pypiserver", "demo"),
        ("pypiserver", "twine", "demo"),
        ("devpi", "devpi_server", "demo-devpi"),
        ("devpi", "uv", "demo-devpi"),
    ],
)
def test_without_its_extra_one_sentence_says_what_to_install(
    flavour: str, absent: str, extra: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is missing, and the command that brings it."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == absent else name)
    ran = cli("demo", "--upstream", flavour)
    assert (ran.status, ran.stdout) == (1, "")
    assert f"{absent.replace('_', '-')} is not installed: pip install '.[{extra}]' in a checkout" in ran.stderr
