"""The proxy before each of the two real indexes, as the table of clients meets it: one key for everything, reads too."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from tests.peers import wire
from tests.peers.devpi import SERVICE as USER
from tests.peers.devpi import SERVICE_PASSWORD as PASSWORD
from tests.peers.devpi import Devpi
from tests.peers.forms import body_of, parts_of, post
from tests.peers.packages import Package, wheel
from tests.peers.proxy import Key, Proxy, proxy
from tests.peers.pypiserver import PypiServer, pypiserver
from tests.peers.wire import Answer

Flavour = Literal["pypiserver", "devpi"]
FLAVOURS: tuple[Flavour, ...] = ("pypiserver", "devpi")

POLICIES = {"release": {"allow": [{"actions": ["upload", "read"], "packages": ["acme-*"], "create": True}]}}
PATIENT = {"failures": 10_000}  # every client is tried with a wrong key too, all from one address
KNOWN, HIDDEN = wheel("acme-known"), wheel("hidden")  # what the index has from the start; the second no key may read


@dataclass(frozen=True, slots=True)
class Front:
    """A proxy, the index behind it, and a key for `acme-*`."""

    flavour: Flavour
    proxy: Proxy
    index: PypiServer | Devpi
    key: Key
    path: str  # of the upload URL: empty, or `team/dev1/`

    @property
    def url(self) -> str:
        return self.proxy.url + self.path

    @property
    def simple(self) -> str:
        """Where installers look."""
        return self.url + ("+simple/" if self.flavour == "devpi" else "simple/")

    def upload(self, package: Package) -> Answer:
        """An honest upload without any client."""
        body = body_of(parts_of(package))
        return wire.exchange(self.proxy.address, post(body, key=self.key.text, target=f"/{self.path}"))

    def holds(self, project: str) -> dict[str, bytes]:
        """The project's files as the index itself has them, by name."""
        if isinstance(self.index, PypiServer):
            stem = project.replace("-", "_")
            return {name: content for name, content in self.index.files().items() if name.startswith(f"{stem}-")}
        return _held(self.index, self.path, project)

    def changes(self) -> int:
        """A number that rises with whatever is changed: devpi's serial, pypiserver's count of files."""
        return len(self.index.files()) if isinstance(self.index, PypiServer) else self.index.serial()


def _held(index: Devpi, path: str, project: str) -> dict[str, bytes]:
    answer = index.ask("GET", f"/{path}{project}?ignore_bases=")
    releases = json.loads(answer.body)["result"].values() if answer.status == 200 else ()
    paths = [urlsplit(link["href"]).path for release in releases for link in release.get("+links", ())]
    return {each.rpartition("/")[2]: index.ask("GET", each, headers={"Accept": "*/*"}).body for each in paths}


@contextmanager
def front(flavour: Flavour, folder: Path, devpi_server: Devpi | None) -> Iterator[Front]:
    """Before a new pypiserver that asks its password for everything, or before a new index of a running devpi."""
    if devpi_server is None:
        with (
            pypiserver(folder / "index", htpasswd=(USER, PASSWORD), protect="update,list,download") as index,
            _proxy(folder, index.url, {}) as running,
        ):
            for package in (KNOWN, HIDDEN):
                package.write(index.packages)
            yield Front(flavour, running, index, running.create_key(), "")
        return
    name = devpi_server.new_index()
    account = {"username": USER, "password": {"file": "backend-password"}}
    backend = {"flavour": "devpi", "url": devpi_server.url, "indexes": [name], **account}
    for package in (KNOWN, HIDDEN):
        raw = post(body_of(parts_of(package)), key=None, target=f"/{name}/", more=devpi_server.as_service())
        assert wire.exchange(devpi_server.address, raw).status == 200
    with _proxy(folder, devpi_server.url, {"backend": backend}) as running:
        yield Front(flavour, running, devpi_server, running.create_key(), f"{name}/")


@contextmanager
def _proxy(folder: Path, url: str, more: Mapping[str, Any]) -> Iterator[Proxy]:
    settings = {"reads": "key", "key_policies": POLICIES, "throttle": PATIENT, **more}
    with proxy(folder / "proxy", url, service=(USER, PASSWORD), **settings) as running:
        yield running
