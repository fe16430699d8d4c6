"""The servers that are compared: started as programs on loopback, pinned to a core, ended by their pid.

It owns their configurations, the plainest ones that a careful administrator would write for this job. Nothing here
writes an access log, authproxy included. A proxy that is not installed is left out, and the table says so.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import bcrypt

NGINX, HAPROXY = "nginx", "HAProxy"
# Debian keeps daemons where an ordinary user's PATH does not look.
SEARCH_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
START_SECONDS = 30.0
STOP_SECONDS = 10.0
# The least that is advised for bcrypt (OWASP); passlib's own default of 12 is four times slower.
BCRYPT_COST = 10
PASSWORD = "correct horse battery staple"
# Workers are killed after 30 s, and 1 GiB can take longer; the control socket would lie in the home folder.
GUNICORN = "--timeout 600 --no-control-socket"
NGINX_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
TICKS = os.sysconf("SC_CLK_TCK")


class PeerError(Exception):
    """A server did not come up, or died."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running program: where it listens, which program it is, where it writes."""

    name: str
    port: int
    pid: int
    log: Path

    def pids(self) -> list[int]:
        """The program and its workers."""
        found = [self.pid]
        for pid in found:
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                found += [int(child) for child in task.read_text().split()]
        return found

    def peak_memory(self) -> int:
        """The most that was ever resident, in bytes, over the program and its workers (VmHWM, proc(5))."""
        return sum(
            int(line.split()[1]) * 1024
            for pid in self.pids()
            for line in Path(f"/proc/{pid}/status").read_text().splitlines()
            if line.startswith("VmHWM:")
        )

    def cpu_seconds(self) -> float:
        """User and system time so far, over the program and its workers (proc(5), fields 14 and 15)."""
        rows = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self.pids())
        return sum(int(row[11]) + int(row[12]) for row in rows) / TICKS


def program(name: str) -> str | None:
    """The full path of an installed program."""
    return shutil.which(name, path=SEARCH_PATH)


def free_port() -> int:
    """A port that the system picked a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def started(
    name: str, command: Sequence[str], port: int, scratch: Path, cores: Sequence[int] | None
) -> Iterator[Server]:
    """Run a program until the block ends; yields when it accepts connections."""
    log = scratch / f"{name}-{port}.log"
    pinned = ["taskset", "--cpu-list", ",".join(map(str, cores))] if cores else []
    # whatever is temporary lands in the scratch directory: the same disk for all of them, gone with it
    env = {**os.environ, "TMPDIR": str(scratch), "GUNICORN_CMD_ARGS": GUNICORN}
    with log.open("wb") as out:
        running = subprocess.Popen([*pinned, *command], stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env)
    try:
        _wait_until_open(running, name, port, log)
        yield Server(name, port, running.pid, log)
    finally:
        running.terminate()
        try:
            running.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def _wait_until_open(running: "subprocess.Popen[bytes]", name: str, port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while running.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise PeerError(f"{name} did not start: {log.read_text(errors='replace')[-2000:]}")


@contextmanager
def pypiserver(
    scratch: Path, packages: Path, *, kind: str, checks: bool, cores: Sequence[int] | None
) -> Iterator[Server]:
    """The index: open to all, or checking a bcrypt htpasswd itself."""
    packages.mkdir(exist_ok=True)
    port = free_port()
    passwords, actions = (str(_htpasswd(scratch)), "update") if checks else (".", ".")
    command = [sys.executable, "-m", "pypiserver", "run", "-i", "127.0.0.1", "-p", str(port), "--server", kind]
    command += ["-P", passwords, "-a", actions, "--disable-fallback", str(packages)]
    with started(f"pypiserver-{kind}", command, port, scratch, cores) as server:
        yield server


def _htpasswd(scratch: Path) -> Path:
    path = scratch / "htpasswd"
    path.write_bytes(b"bench:" + bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(BCRYPT_COST)) + b"\n")
    return path


@contextmanager
def sink(scratch: Path, cores: Sequence[int] | None) -> Iterator[Server]:
    """An index that throws everything away."""
    port = free_port()
    with started("sink", [sys.executable, "-m", "bench.sink", str(port)], port, scratch, cores) as server:
        yield server


@contextmanager
def proxies(
    scratch: Path, behind: int, cores: Sequence[int] | None, *, keep: bool = False
) -> Iterator[dict[str, Server]]:
    """nginx and HAProxy in front of the port `behind`, as far as they are installed; `keep` as in `nginx`."""
    with ExitStack() as stack:
        running = {}
        if program("nginx"):
            running[NGINX] = stack.enter_context(nginx(scratch, behind, cores, keep=keep))
        if program("haproxy"):
            running[HAPROXY] = stack.enter_context(haproxy(scratch, behind, cores))
        yield running


@contextmanager
def nginx(scratch: Path, behind: int, cores: Sequence[int] | None, *, keep: bool = False) -> Iterator[Server]:
    """nginx as a reverse proxy: it buffers requests to disk before it forwards them, as authproxy does.

    `keep` keeps connections to the index open. That suits reads. Uploads then stall 40 ms each (measured with waitress
    behind): nginx sends a buffered body apart from its head, and Nagle's algorithm waits for a delayed
    acknowledgement. So uploads take nginx's default, a connection each.
    """
    upstream = f"upstream index {{ server 127.0.0.1:{behind}; {'keepalive 16;' if keep else ''} }}"
    location = "proxy_pass http://index;"
    if keep:
        location += ' proxy_http_version 1.1; proxy_set_header Connection "";'
    with _nginx(scratch, "nginx", upstream, location, cores) as server:
        yield server


@contextmanager
def nginx_static(scratch: Path, root: Path, cores: Sequence[int] | None) -> Iterator[Server]:
    """nginx serving files: as fast an index as there can be."""
    with _nginx(scratch, "static", "", f"root {root}; index index.html; default_type text/html;", cores) as server:
        yield server


@contextmanager
def _nginx(scratch: Path, name: str, upstream: str, location: str, cores: Sequence[int] | None) -> Iterator[Server]:
    port = free_port()
    home = scratch / f"{name}-{port}"
    home.mkdir()
    # a worker of an nginx that root started changes its user, and could not enter the scratch directory
    user = "user root;" if os.geteuid() == 0 else ""
    temporary = " ".join(f"{what}_temp_path {home}/{what};" for what in NGINX_TEMPORARY)
    (home / "nginx.conf").write_text(
        f"{user} daemon off; worker_processes 1; pid {home}/pid; error_log stderr;\n"
        "events { worker_connections 1024; }\n"
        f"http {{ access_log off; sendfile on; keepalive_requests 1000000; client_max_body_size 0; {temporary}\n"
        f"{upstream}\nserver {{ listen 127.0.0.1:{port}; location / {{ {location} }} }} }}\n"
    )
    command = [str(program("nginx")), "-p", str(home), "-c", str(home / "nginx.conf"), "-e", "stderr"]
    with started(name, command, port, scratch, cores) as server:
        yield server


@contextmanager
def haproxy(scratch: Path, behind: int, cores: Sequence[int] | None) -> Iterator[Server]:
    """HAProxy on one thread; it streams requests and buffers nothing."""
    port = free_port()
    config = scratch / f"haproxy-{port}.cfg"
    config.write_text(
        "global\n  nbthread 1\n"
        "defaults\n  mode http\n  timeout connect 5s\n  timeout client 120s\n  timeout server 120s\n"
        f"frontend clients\n  bind 127.0.0.1:{port}\n  default_backend index\n"
        f"backend index\n  server index 127.0.0.1:{behind}\n"
    )
    with started("haproxy", [str(program("haproxy")), "-db", "-f", str(config)], port, scratch, cores) as server:
        yield server
