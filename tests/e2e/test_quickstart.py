"""The README's five minutes, as they stand there: its config, its commands, in its order, on other ports."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.peers.packages import sdist, wheel
from tests.peers.ports import reserved_port
from tests.peers.programs import clean_environment

pytestmark = pytest.mark.e2e

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
PATIENCE = 110.0  # seconds; two clients upload, two install

# The machine that the README supposes: Apache's htpasswd is there, and servers take a moment.
PRELUDE = """
set -eu
htpasswd() {  # -i -B -C 4 FILE USER, the password on stdin
    "$PYTHON" -c 'import bcrypt, sys
print(sys.argv[2] + ":" + bcrypt.hashpw(sys.stdin.readline().strip().encode(), bcrypt.gensalt(4)).decode())' "$5" "$6" > "$5"
}
listening() {
    "$PYTHON" -c 'import socket, sys, time
for _ in range(300):
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1).close()
        break
    except OSError:
        time.sleep(0.1)
else:
    sys.exit("nobody listens on port " + sys.argv[1])' "$1"
}
trap 'kill $(jobs -p) 2>/dev/null' EXIT
mkdir packages
"""


def quickstart() -> tuple[str, list[str]]:
    """The config and the commands of the README's section."""
    section = README[README.index("## Before an existing pypiserver") : README.index("## A key's life")]
    [config] = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    blocks = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    commands = [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    assert commands[0] == "python3 -m pip install ."
    return config, commands[1:]


def script(commands: list[str], ports: dict[str, int]) -> str:
    """The commands as one script: wait for what is started."""
    lines = []
    for command in commands:
        lines.append(command)
        if command.endswith(" &"):
            lines.append(f"listening {ports['8081' if 'pypi-server' in command else '8080']}")
    text = PRELUDE + "\n".join(lines) + "\necho the end\n"
    return replaced(text, ports)


def replaced(text: str, ports: dict[str, int]) -> str:
    for written, port in ports.items():
        text = text.replace(f":{written}", f":{port}").replace(f"-p {written}", f"-p {port}")
    return text


def test_the_five_minutes_of_the_readme(tmp_path: Path) -> None:
    """Whoever pastes the README's commands has the proxy running, has uploaded twice, and has installed it back twice."""
    config, commands = quickstart()
    ports = {"8080": reserved_port(), "8081": reserved_port()}
    (tmp_path / "authproxy.yaml").write_text(replaced(config, ports), encoding="utf-8")
    uploaded = [wheel("acme-core"), sdist("acme-core")]
    for package in uploaded:
        package.write(tmp_path / "dist")
    reader = tmp_path / "reader"
    subprocess.run([sys.executable, "-m", "venv", reader], check=True, timeout=PATIENCE)
    path = f"{reader / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = clean_environment(tmp_path, PATH=path, VIRTUAL_ENV=str(reader), PYTHON=sys.executable)
    log = tmp_path / "said"
    with log.open("wb") as said:
        running = subprocess.Popen(
            ["bash", "-c", script(commands, ports)],
            cwd=tmp_path,
            env=env,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            code = running.wait(PATIENCE)
        finally:
            with suppress(ProcessLookupError):  # the script ends what it has started, where it gets to its end
                os.killpg(running.pid, signal.SIGKILL)
    text = log.read_text(encoding="utf-8", errors="replace")
    assert code == 0, text
    assert "\nthe end\n" in text, text
    assert {p.filename: p.content for p in uploaded} == {
        path.name: path.read_bytes() for path in (tmp_path / "packages").iterdir()
    }
    assert list(reader.rglob("acme_core/__init__.py")) != []
