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
trap 'kill $(jobs -p) 2>/dev/null || :' EXIT
mkdir packages
"""


def blocks(section: str) -> tuple[str, list[str]]:
    """The config of a section, and its commands."""
    config, *_ = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)  # what comes later is more to say in it
    shown = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    return config, [line.removeprefix("$ ") for block in shown for line in block.splitlines() if line.startswith("$ ")]


def quickstart() -> tuple[str, list[str]]:
    """The config and the commands of the README's section."""
    config, commands = blocks(
        README[README.index("## Before an existing pypiserver") : README.index("## A key's life")]
    )
    assert commands[0] == "python3 -m pip install ."
    return config, commands[1:]


def script(commands: list[str], ports: dict[str, int], prelude: str = PRELUDE) -> str:
    """The commands as one script: wait for what is started."""
    lines = []
    for command in commands:
        lines.append(command)
        if command.endswith(" &"):
            lines.append(f"listening {ports['8081' if 'pypi-server' in command else '8080']}")
    text = prelude + "\n".join(lines) + "\necho the end\n"
    return replaced(text, ports)


def replaced(text: str, ports: dict[str, int]) -> str:
    for written, port in ports.items():
        text = text.replace(f":{written}", f":{port}").replace(f"-p {written}", f"-p {port}")
    return text


def paste(text: str, folder: Path, **more: str) -> Path:
    """Run a script to its end on a machine with a Python environment of its own, which is returned."""
    reader = folder / "reader"
    subprocess.run([sys.executable, "-m", "venv", reader], check=True, timeout=PATIENCE)
    path = f"{reader / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = clean_environment(folder, PATH=path, VIRTUAL_ENV=str(reader), PYTHON=sys.executable, **more)
    log = folder / "said"
    with log.open("wb") as said:
        running = subprocess.Popen(
            ["bash", "-c", text], cwd=folder, env=env, stdout=said, stderr=said, start_new_session=True
        )
        try:
            code = running.wait(PATIENCE)
        finally:
            with suppress(ProcessLookupError):  # the script ends what it has started, where it gets to its end
                os.killpg(running.pid, signal.SIGKILL)
    printed = log.read_text(encoding="utf-8", errors="replace")
    assert code == 0, printed
    assert "\nthe end\n" in printed, printed
    return reader


def test_the_five_minutes_of_the_readme(tmp_path: Path) -> None:
    """Whoever pastes the README's commands has the proxy running, has uploaded twice, and has installed it back twice."""
    config, commands = quickstart()
    ports = {"8080": reserved_port(), "8081": reserved_port()}
    (tmp_path / "authproxy.yaml").write_text(replaced(config, ports), encoding="utf-8")
    uploaded = [wheel("acme-core"), sdist("acme-core")]
    for package in uploaded:
        package.write(tmp_path / "dist")
    reader = paste(script(commands, ports), tmp_path)
    assert {p.filename: p.content for p in uploaded} == {
        path.name: path.read_bytes() for path in (tmp_path / "packages").iterdir()
    }
    assert list(reader.rglob("acme_core/__init__.py")) != []


def test_passwords_go_on_beside_the_five_minutes(tmp_path: Path) -> None:
    """The other page, section 1, by its words: this `passwords`, this in place of `packages`, and alice still uploads."""
    config, commands = quickstart()
    page = (Path(__file__).parents[2] / "docs" / "from-passwords-to-keys.md").read_text(encoding="utf-8")
    written = re.search(r"```yaml\n(passwords:\n.*?)```", page, re.DOTALL)
    assert written is not None
    ports = {"8080": reserved_port(), "8081": reserved_port()}
    config = config[: config.index("\npackages:") + 1] + written[1]
    (tmp_path / "authproxy.yaml").write_text(replaced(config, ports), encoding="utf-8")
    package = wheel("acme-core")
    package.write(tmp_path / "dist")
    started = commands[: 1 + next(i for i, each in enumerate(commands) if "authproxy serve" in each)]
    account = next(i for i, each in enumerate(started) if each.startswith("htpasswd"))
    started.insert(account + 1, "cp htpasswd first && echo alices-passw0rd | htpasswd -i -B -C 4 htpasswd alice")
    started.insert(account + 2, "cat first >> htpasswd")
    upload = "twine upload -u alice -p alices-passw0rd --repository-url http://127.0.0.1:8080/ dist/*"
    listing = "authproxy audit passwords | grep ^alice"
    paste(script([*started, upload, listing], ports), tmp_path)
    assert [path.name for path in (tmp_path / "packages").iterdir()] == [package.filename]
