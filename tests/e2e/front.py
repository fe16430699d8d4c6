"""nginx with the shipped recipe before authproxy and pypiserver: what the tests of the recipe stand on.

Only ports and paths of the recipe are replaced.
"""

import re
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from tests.peers.clients import Client
from tests.peers.nginx import installed, nginx
from tests.peers.packages import sdist, wheel
from tests.peers.ports import LOOPBACK, Address, reserved_port
from tests.peers.programs import Program
from tests.peers.proxy import Proxy, proxy
from tests.peers.pypiserver import PypiServer, pypiserver
from tests.peers.wire import Answer, Conversation, basic, head

needs_nginx = pytest.mark.skipif(installed() is None, reason="nginx is not installed (Debian package nginx-light)")

RECIPE = (Path(__file__).parents[2] / "deploy" / "nginx" / "authproxy.conf").read_text(encoding="utf-8")
FILES = re.compile(r"\n    location ~ \^/packages/\(\?<package>.*?\n    }\n", re.DOTALL)
READS = {
    "release": {"allow": [{"actions": ["upload"], "packages": ["acme-*"], "create": True}]},
    "acme": {"allow": [{"actions": ["read"], "packages": ["acme-*"]}]},
    "all": {"allow": [{"actions": ["read"], "packages": ["*"]}]},
}
LOCAL = wheel("acme-local", "1.0+cu12")
CORE = sdist("acme-core", payload=b"c" * 100_000)
VICTIM = wheel("victim")


class Secure(Conversation):
    """A conversation over TLS with the one certificate that these tests trust."""

    def __init__(self, address: Address, context: ssl.SSLContext) -> None:
        super().__init__(address)
        self._socket = context.wrap_socket(self._socket, server_hostname=LOOPBACK)


@dataclass(frozen=True, slots=True)
class Front:
    """nginx with the recipe."""

    address: Address
    folder: Path
    program: Program
    trust: ssl.SSLContext

    @property
    def url(self) -> str:
        return f"https://{self.address[0]}:{self.address[1]}/"

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def log(self) -> str:
        return (self.folder / "access.log").read_text(encoding="utf-8")

    def ask(self, raw: bytes) -> Answer:
        with Secure(self.address, self.trust) as conversation:
            conversation.send_what_it_takes(raw)
            return conversation.answer(to_head=raw.startswith(b"HEAD "))


@contextmanager
def front(folder: Path, authproxy: Address, index: Address, packages: Path, recipe: str = RECIPE) -> Iterator[Front]:
    """Run the recipe, with a certificate of its own."""
    folder.mkdir()
    authority, address = trustme.CA(), (LOOPBACK, reserved_port())
    certificate = authority.issue_cert(LOOPBACK)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    replaced = {
        "listen 443 ssl": f"listen {address[0]}:{address[1]} ssl",
        "server 127.0.0.1:8080": f"server {authproxy[0]}:{authproxy[1]}",
        "server 127.0.0.1:8081": f"server {index[0]}:{index[1]}",
        "/etc/nginx/pypi.example.com.pem": f"{folder}/server.pem",
        "/etc/nginx/pypi.example.com.key": f"{folder}/server.pem",
        "/var/log/nginx/pypi.example.com.log": f"{folder}/access.log",
        "/srv/pypi/packages": str(packages),
    }
    for shipped, here in replaced.items():
        assert recipe.count(shipped) == 1 or (shipped not in recipe and recipe is not RECIPE), shipped
        recipe = recipe.replace(shipped, here)
    trust = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    with nginx(folder / "nginx", recipe, address) as program:
        yield Front(address, folder, program, trust)


@dataclass(frozen=True, slots=True)
class Scene:
    """The recipe in front of authproxy and of pypiserver, which holds packages of two teams."""

    front: Front
    proxy: Proxy
    index: PypiServer
    client: Client
    keys: dict[str, str]

    def get(self, target: str, who: str | None = "acme", *more: tuple[str, str], method: str = "GET") -> Answer:
        credential = [] if who is None else [("Authorization", basic("__token__", self.keys[who]))]
        return self.front.ask(head(method, target, [("Connection", "close"), *credential, *more]))


@contextmanager
def set_up(folder: Path) -> Iterator[Scene]:
    """Start it all in a folder that is there."""
    (folder / "home").mkdir()
    settings = {"reads": "key", "trusted_proxies": [LOOPBACK], "key_policies": READS}
    with ExitStack() as stack:
        index = stack.enter_context(pypiserver(folder / "index"))
        for package in (LOCAL, CORE, VICTIM, wheel("victim", "2.0")):
            package.write(index.packages)
        wheel("victim", "3.0").write(index.packages / "old")
        (index.packages / "secret-notes.txt").write_text("the code is 1234")
        (index.packages / ".hidden").mkdir()
        wheel("acme-hidden").write(index.packages / ".hidden")
        running = stack.enter_context(proxy(folder / "proxy", index.url, **settings))
        before = stack.enter_context(front(folder / "front", running.address, index.address, index.packages))
        keys = {policy: running.create_key(policy=policy).text for policy in READS}
        yield Scene(before, running, index, Client(folder / "home"), keys)
