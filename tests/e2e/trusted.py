"""The whole of trusted publishing on one machine: an index, the proxy, TLS before it, and a CI that hands out tokens."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from authproxy.cli.demo.issuer import GITHUB_JOB, RUNNER
from tests.e2e.indexes import PASSWORD, USER, Flavour
from tests.e2e.printed import HATCHLING, Machine
from tests.peers.ci_claims import gitlab
from tests.peers.devpi import Devpi
from tests.peers.issuer import LocalIssuer, local_issuer
from tests.peers.ports import reserved_port
from tests.peers.proxy import Proxy, proxy
from tests.peers.pypiserver import PypiServer, pypiserver
from tests.peers.tls import Secured, tls_before

AUDIENCE = "pypi.acme.test"


@dataclass(frozen=True, slots=True)
class Scene:
    """All of it; `path` is that of the upload URL."""

    proxy: Proxy
    front: Secured
    issuer: LocalIssuer
    index: PypiServer | Devpi
    path: str
    home: Path

    @property
    def url(self) -> str:
        return self.front.url + self.path

    @property
    def trust(self) -> Path:
        """Both CAs in one file, as SSL_CERT_FILE wants them."""
        file = self.home / "trust.pem"
        file.write_bytes(self.front.ca_file.read_bytes() + self.issuer.ca_file.read_bytes())
        return file

    def machine(self, name: str, *programs: Path) -> Machine:
        made = Machine(self.home / name, name, programs)
        made.begin(*HATCHLING)
        return made

    def stored(self) -> list[dict[str, object]]:
        """The rows of the record, with what the tokens said."""
        return [row | {"claims": json.loads(str(row["claims"]))} for row in self.proxy.rows("record")]


@contextmanager
def scene(flavour: Flavour, folder: Path, devpi_server: Devpi | None) -> Iterator[Scene]:
    with ExitStack() as stack:
        issuer = stack.enter_context(local_issuer(folder))
        port = reserved_port()
        settings: dict[str, object] = {
            "public_url": f"https://127.0.0.1:{port}/",
            "key_policies": {},
            "packages": [{"match": "acme-*", "require": "trusted-publisher"}],
            "publishers": [
                {
                    "kind": "github",
                    "issuer": issuer.url,
                    "repository": "Acme/Core",
                    "workflow": "release.yml",
                    "environment": "pypi",
                    "packages": ["acme-*"],
                    "create": True,
                },
                {
                    "kind": "gitlab",
                    "issuer": issuer.url,
                    "project": "acme/core",
                    "pipeline": ".gitlab-ci.yml",
                    "packages": ["acme-*"],
                    "create": True,
                },
            ],
            "trusted_publishing": {"audience": AUDIENCE, "issuers": {issuer.url: {"ca_file": str(issuer.ca_file)}}},
        }
        index: PypiServer | Devpi
        path = ""
        if flavour == "devpi":
            assert devpi_server is not None
            index, name = devpi_server, devpi_server.new_index()
            path = f"{name}/"
            account = {"username": USER, "password": {"file": "backend-password"}}
            settings["backend"] = {"flavour": "devpi", "url": index.url, "indexes": [name], **account}
        else:
            index = stack.enter_context(pypiserver(folder / "index", htpasswd=(USER, PASSWORD), protect="update,list"))
        running = stack.enter_context(proxy(folder / "proxy", index.url, service=(USER, PASSWORD), **settings))
        front = stack.enter_context(tls_before(running.address, folder, port=port))
        home = folder / "home"
        home.mkdir()
        yield Scene(running, front, issuer, index, path, home)


def on_github(scene: Scene) -> dict[str, str]:
    return {
        "GITHUB_ACTIONS": "true",
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{scene.issuer.url}{GITHUB_JOB}?token=1",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": RUNNER,
        "SSL_CERT_FILE": str(scene.trust),
        "REQUESTS_CA_BUNDLE": str(scene.trust),
    }


def on_gitlab(scene: Scene, **claims: object) -> dict[str, str]:
    said = gitlab(scene.issuer.url, AUDIENCE, int(time.time())) | {"jti": f"gl-{time.monotonic_ns()}", **claims}
    return {
        "GITLAB_CI": "true",
        "PYPI_ACME_TEST_ID_TOKEN": scene.issuer.token(said),
        "SSL_CERT_FILE": str(scene.trust),
        "REQUESTS_CA_BUNDLE": str(scene.trust),
    }
