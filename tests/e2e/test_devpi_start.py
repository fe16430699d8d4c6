"""docs/devpi.md as it stands there: its config, its commands, in its order, on other ports, before a real devpi."""

from pathlib import Path

import pytest

from tests.e2e.test_quickstart import PRELUDE, blocks, paste, replaced, script
from tests.peers.devpi import ROOT_PASSWORD, SERVICE, devpi
from tests.peers.packages import sdist, wheel
from tests.peers.ports import reserved_port

pytestmark = pytest.mark.e2e

PAGE = (Path(__file__).parents[2] / "docs" / "devpi.md").read_text(encoding="utf-8")

# Where devpi-client would ask a person for root's password, it is told.
ASKED = """
devpi() {
    if [ "$*" = "login root" ]; then set -- "$@" "--password=$ROOT_PASSWORD"; fi
    command devpi "$@"
}
"""


def test_the_five_minutes_before_devpi(tmp_path: Path) -> None:
    """Whoever pastes the commands has uploaded and installed twice by a key, has ended passwords, and not before that."""
    config, commands = blocks(PAGE.partition("\n## ")[0])
    *before, ending = commands
    assert ending.startswith("devpi index "), "the last command ends the passwords"
    with devpi(tmp_path / "devpi") as server:
        server.result("DELETE", f"/{SERVICE}")  # the page makes it
        server.result("PUT", "/team/dev", {"type": "stage", "bases": [], "volatile": False, "acl_upload": ["team"]})
        ports = {"8080": reserved_port(), "3141": server.address[1]}
        (tmp_path / "authproxy.yaml").write_text(replaced(config, ports), encoding="utf-8")
        uploaded = [wheel("acme-core"), sdist("acme-core")]
        for package in uploaded:
            package.write(tmp_path / "dist")
        reader = paste(script(before, ports, PRELUDE + ASKED), tmp_path, ROOT_PASSWORD=ROOT_PASSWORD)
        files = server.files("team/dev")
        assert {p.filename: p.content for p in uploaded} == {name.rpartition("/")[2]: files[name] for name in files}
        assert list(reader.rglob("acme_core/__init__.py")) != []
        assert server.result("GET", "/team/dev")["acl_upload"] == ["team", SERVICE]
        (tmp_path / "ending").mkdir()
        login = f"devpi use {server.url} && devpi login root"
        paste(script([login, ending], ports, PRELUDE + ASKED), tmp_path / "ending", ROOT_PASSWORD=ROOT_PASSWORD)
        assert server.result("GET", "/team/dev")["acl_upload"] == [SERVICE]
