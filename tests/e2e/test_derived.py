"""Derived keys from end to end: made by `authproxy exec` and by the keyring, for real clients, before real indexes.

The packages ask for signed uploads, and reading takes a key, so whatever gets through came with a derived one or with
the right to read.
"""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.printed import FLIT, HATCHLING, POETRY, Machine
from tests.peers.clients import Ran
from tests.peers.derived import key_file
from tests.peers.devpi import SERVICE as USER
from tests.peers.devpi import SERVICE_PASSWORD as PASSWORD
from tests.peers.devpi import Devpi
from tests.peers.masters import with_master
from tests.peers.packages import wheel
from tests.peers.proxy import AUTHPROXY, Key, Proxy, proxy
from tests.peers.pypiserver import pypiserver
from tests.peers.toolbox import Toolbox

pytestmark = pytest.mark.e2e

POLICIES = {"release": {"allow": [{"actions": ["upload", "read"], "packages": ["acme-*"], "create": True}]}}
SIGNED = ({"match": "acme-*", "require": "signed"},)
NAME = "acme-core"
FILES = {"acme_core-1.0.tar.gz", "acme_core-1.0-py3-none-any.whl"}


@dataclass(frozen=True, slots=True)
class Scene:
    """A proxy before a pypiserver and one before a devpi, and a key of each."""

    proxies: dict[str, Proxy]
    keys: dict[str, Key]
    paths: dict[str, str]

    def url(self, flavour: str) -> str:
        return self.proxies[flavour].url + self.paths[flavour]

    def uploads(self, flavour: str) -> list[dict[str, object]]:
        """What the record says of uploads that were stored."""
        rows = self.proxies[flavour].rows("record")
        return [row for row in rows if row["action"] == "upload" and row["outcome"] == "stored"]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, devpi_server: Devpi) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("derived")
    with ExitStack() as stack:
        index = stack.enter_context(
            pypiserver(folder / "index", htpasswd=(USER, PASSWORD), protect="update,list,download")
        )
        account = {"username": USER, "password": {"file": "backend-password"}}
        name = devpi_server.new_index(volatile=True)
        backends = {
            "pypiserver": {"flavour": "pypiserver", "url": index.url, **account},
            "devpi": {"flavour": "devpi", "url": devpi_server.url, "indexes": [name], **account},
        }
        proxies = {}
        for flavour, backend in backends.items():
            home = folder / flavour
            settings = {"key_policies": POLICIES, "packages": SIGNED, "reads": "key", "backend": backend}
            master = with_master(home)
            proxies[flavour] = stack.enter_context(
                proxy(home, str(backend["url"]), service=(USER, PASSWORD), keys=master, **settings)
            )
        keys = {flavour: running.create_key() for flavour, running in proxies.items()}
        yield Scene(proxies, keys, {"pypiserver": "", "devpi": f"{name}/"})


@dataclass(frozen=True, slots=True)
class Uploader:
    """Somebody with a project, and the key of one of the proxies in a file."""

    machine: Machine
    scene: Scene
    flavour: str

    def run(self, line: str, **env: str) -> Ran:
        program = f"{' '.join(AUTHPROXY)} exec --key-file ~/the.key --url <url>"
        text = line.replace("<exec>", program).replace("<url>", self.scene.url(self.flavour))
        return self.machine.sh(text, **env)


def somebody(
    request: pytest.FixtureRequest, scene: Scene, flavour: str, backend: tuple[str, str], *more: Path
) -> Uploader:
    tmp_path, tools = request.getfixturevalue("tmp_path"), request.getfixturevalue("tools")
    name = "acme-" + re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[-30:].strip("-")
    machine = Machine(tmp_path, name, (*more, tools.today))
    machine.begin(*backend)
    key_file(tmp_path, scene.keys[flavour].text)
    return Uploader(machine, scene, flavour)


CLIENTS = [
    pytest.param("twine upload --non-interactive dist/*", "pypiserver", HATCHLING, id="twine"),
    pytest.param("uv publish", "pypiserver", HATCHLING, id="uv"),
    pytest.param("poetry publish --no-interaction", "pypiserver", POETRY, id="poetry"),
    pytest.param("flit publish", "pypiserver", FLIT, id="flit"),
    pytest.param("hatch publish", "pypiserver", HATCHLING, id="hatch"),
    pytest.param("pdm publish --no-build", "pypiserver", HATCHLING, id="pdm"),
    pytest.param("devpi upload dist/*", "devpi", HATCHLING, id="devpi"),
    pytest.param("twine upload --non-interactive dist/*", "devpi", HATCHLING, id="twine to devpi"),
]


@pytest.mark.parametrize(("command", "flavour", "backend"), CLIENTS)
def test_what_exec_signs_is_stored(
    request: pytest.FixtureRequest, scene: Scene, command: str, flavour: str, backend: tuple[str, str]
) -> None:
    """Both files of the project arrive, and the record has for each the derived key that brought it."""
    here = somebody(request, scene, flavour, backend)
    ran = here.run(f"<exec> -- {command}")
    assert ran.code == 0, ran.said + scene.proxies[flavour].log[-2000:]
    stored = [row for row in scene.uploads(flavour) if row["project"] == here.machine.name]
    assert len(stored) == 2
    for row in stored:
        caveats = json.loads(str(row["derived"]))
        assert here.machine.name in json.dumps(caveats)


def test_a_plain_key_is_told_what_to_run(request: pytest.FixtureRequest, scene: Scene) -> None:
    """The control: the same key, the same files, without exec; twine shows the line that helps."""
    here = somebody(request, scene, "pypiserver", HATCHLING)
    ran = here.run(
        "twine upload --non-interactive --repository-url <url> dist/*",
        TWINE_USERNAME="__token__",
        TWINE_PASSWORD=scene.keys["pypiserver"].text,
    )
    assert ran.code == 1
    assert "authproxy exec -- twine upload" in " ".join(ran.said.split())
    assert not [row for row in scene.uploads("pypiserver") if row["project"] == here.machine.name]


def test_a_file_that_changes_after_the_signing_is_refused(
    request: pytest.FixtureRequest, scene: Scene, tmp_path: Path
) -> None:
    """Somebody puts another wheel into dist while the client starts: its digest is none of the key's."""
    here = somebody(request, scene, "pypiserver", HATCHLING, tmp_path / "bin")
    other = wheel(here.machine.name, payload=b"of somebody else").write(tmp_path / "other")
    tools: Toolbox = request.getfixturevalue("tools")
    program = tmp_path / "bin" / "twine"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\ncp {other} dist/\nexec {tools.today}/twine "$@"\n')
    program.chmod(0o755)
    ran = here.run("<exec> -- twine upload --non-interactive dist/*.whl")
    assert ran.code == 1
    assert "was changed or built anew since" in " ".join(ran.said.split()), ran.said
    assert not [row for row in scene.uploads("pypiserver") if row["project"] == here.machine.name]


def test_the_keyring_uploads_and_installs(
    request: pytest.FixtureRequest, scene: Scene, beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One login, and then plain twine, pip and uv; what twine has uploaded is what pip and uv install."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    here = somebody(request, scene, "pypiserver", HATCHLING, beside)
    named = scene.url("pypiserver").replace("//", "//__token__@")
    lines = f"""
    authproxy login <url> < ~/the.key
    twine upload --non-interactive --repository-url <url> dist/*
    pip install --keyring-provider import --no-input --no-deps --no-cache-dir --target one --index-url <url>simple/ {here.machine.name}
    uv pip install --no-config --keyring-provider subprocess --no-deps --no-cache --target two --index-url {named}simple/ {here.machine.name}
    authproxy logout <url>
    """
    ran = here.run(lines)
    assert ran.code == 0, ran.said + scene.proxies["pypiserver"].log[-2000:]
    for folder in ("one", "two"):
        assert (here.machine.project / folder / here.machine.stem / "__init__.py").is_file()
    assert len([row for row in scene.uploads("pypiserver") if row["project"] == here.machine.name]) == 2
    refused = here.run(
        f"pip install --no-input --no-deps --no-cache-dir --target three -i <url>simple/ {here.machine.name}"
    )
    assert refused.code == 1


def test_revoking_the_key_ends_what_was_derived(request: pytest.FixtureRequest, scene: Scene) -> None:
    """The operator revokes the key: whatever it was made into is a wrong password, to every client."""
    here = somebody(request, scene, "pypiserver", HATCHLING)
    key = scene.proxies["pypiserver"].create_key()
    (here.machine.home / "the.key").write_text(key.text)
    assert here.run("<exec> -- twine upload --non-interactive dist/*.whl").code == 0
    revoked = scene.proxies["pypiserver"].run("key", "revoke", key.id)
    assert revoked.code == 0, revoked.said
    ran = here.run("<exec> -- twine upload --non-interactive dist/*.tar.gz")
    assert ran.code == 1
    assert "401" in ran.said
