"""The shipped Caddyfile, word for word: real Caddy, real authproxy, real pypiserver, real clients, over TLS."""

import json
import random
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from tests.e2e.front import CORE, LOCAL, READS, VICTIM, Front
from tests.peers.caddy import caddy, installed
from tests.peers.clients import Client, with_credentials
from tests.peers.packages import sdist, wheel
from tests.peers.ports import LOOPBACK, Address, reserved_port
from tests.peers.proxy import Proxy, proxy
from tests.peers.pypiserver import PypiServer, pypiserver
from tests.peers.wire import Answer, basic, exchange, head

RECIPE = (Path(__file__).parents[2] / "deploy" / "caddy" / "Caddyfile").read_text(encoding="utf-8")
NAME = "pypi.example.com"
LIMIT = 64 * 1024 * 1024
LARGE = random.Random(1).randbytes(20 * 1024 * 1024)  # no web server's limit or buffer is as large by default

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(installed() is None, reason="Caddy is not installed (Debian package caddy, or AUTHPROXY_CADDY)"),
]


@dataclass(frozen=True, slots=True)
class Scene:
    """Caddy in front of authproxy and of pypiserver."""

    front: Front
    plain: Address
    proxy: Proxy
    index: PypiServer
    client: Client
    keys: dict[str, str]

    def get(self, target: str, who: str = "acme", *more: tuple[str, str], host: str = LOOPBACK) -> Answer:
        credential = ("Authorization", basic("__token__", self.keys[who]))
        return self.front.ask(head("GET", target, [("Connection", "close"), credential, *more], host=host))


@contextmanager
def front(folder: Path, authproxy: Address, plain: Address) -> Iterator[Front]:
    """Run the recipe, with a certificate of its own."""
    folder.mkdir()
    authority, address = trustme.CA(), (LOOPBACK, reserved_port())
    authority.cert_pem.write_to_path(folder / "ca.pem")
    authority.issue_cert(LOOPBACK).private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    recipe = RECIPE
    replaced = {
        f"\nhttps://{NAME} {{": f"\nhttps://{LOOPBACK} {{",
        f"tls /etc/caddy/{NAME}.pem /etc/caddy/{NAME}.key": f"tls {folder}/server.pem {folder}/server.pem",
        "reverse_proxy 127.0.0.1:8080": f"reverse_proxy {authproxy[0]}:{authproxy[1]}",
    }
    for shipped, here in replaced.items():
        assert recipe.count(shipped) == 1, shipped
        recipe = recipe.replace(shipped, here)
    trust = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    with caddy(folder / "caddy", recipe, address, plain) as program:
        yield Front(address, folder, program, trust)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("caddy")
    (folder / "home").mkdir()
    settings = {"reads": "key", "trusted_proxies": [LOOPBACK], "key_policies": READS, "limits": {"max_upload": "64MiB"}}
    with ExitStack() as stack:
        index = stack.enter_context(pypiserver(folder / "index"))
        for package in (LOCAL, CORE, VICTIM):
            package.write(index.packages)
        running = stack.enter_context(proxy(folder / "proxy", index.url, **settings))
        plain = (LOOPBACK, reserved_port())
        before = stack.enter_context(front(folder / "front", running.address, plain))
        keys = {policy: running.create_key(policy=policy).text for policy in READS}
        yield Scene(before, plain, running, index, Client(folder / "home"), keys)


def test_real_clients_upload_and_download_through_caddy(scene: Scene) -> None:
    """twine and uv upload, one of them 20 MiB, and pip and uv install what they have sent."""
    client, secure = scene.client, ["--cert", str(scene.front.ca)]
    large, small = sdist("acme-new", "2.0", payload=LARGE), wheel("acme-new", "1.0")
    sent = [package.write(client.home / "dist") for package in (large, small)]
    ran = client.twine(scene.front.url, scene.keys["release"], sent[0], options=secure)
    assert ran.code == 0, ran.said
    uv, trusting = client._uv(), {"SSL_CERT_FILE": str(scene.front.ca)}
    publish: list[str | Path] = [uv, "publish", "--trusted-publishing", "never", "--publish-url", scene.front.url]
    ran = client.run([*publish, sent[1]], UV_PUBLISH_TOKEN=scene.keys["release"], **trusting)
    assert ran.code == 0, ran.said
    assert {package.filename: package.content for package in (large, small)}.items() <= scene.index.files().items()
    url = with_credentials(scene.front.url, "__token__", scene.keys["acme"])
    python = client.environment("env-pip")
    ran = client.pip_install(python, url, "acme-new==1.0", options=secure)
    assert ran.code == 0, ran.said
    install: list[str | Path] = [uv, "pip", "install", "--no-config", "--no-cache", "--no-deps"]
    into = client.environment("env-uv")
    ran = client.run([*install, "--python", into, "-i", f"{url}simple/", "acme-local==1.0+cu12"], **trusting)
    assert ran.code == 0, ran.said


def test_a_refusal_has_its_sentence_in_the_body_alone(scene: Scene) -> None:
    """Caddy writes reason phrases of its own: twine shows the sentence with --verbose, uv always does."""
    file = VICTIM.write(scene.client.home / "dist")
    secure = ["--cert", str(scene.front.ca)]
    ran = scene.client.twine(scene.front.url, scene.keys["release"], file, options=secure)
    assert ran.code == 1
    assert "may not upload 'victim': it may upload+create:acme-*" in " ".join(ran.said.split()), ran.said
    answer = scene.get("/simple/victim/")
    assert (answer.status, answer.reason, "may not read 'victim'" in answer.text) == (403, "Forbidden", True)


def test_files_come_as_http_has_them(scene: Scene) -> None:
    """Whole or a part; an escaped `+` and a plain one are the same file."""
    plain, escaped = f"/packages/{LOCAL.filename}", f"/packages/{LOCAL.filename.replace('+', '%2B')}"
    assert scene.get(plain).body == scene.get(escaped).body == LOCAL.content
    part = scene.get(f"/packages/{CORE.filename}", "acme", ("Range", "bytes=5-9"))
    assert (part.status, part.body) == (206, CORE.content[5:10])
    assert scene.get(f"/packages/{VICTIM.filename}").status == 403


def test_an_upload_is_passed_on_while_it_comes_in(scene: Scene) -> None:
    """authproxy refuses what is announced too large at once: that it could means that Caddy did not wait for the body.

    Go sends a head together with the first 4 KiB behind it, so that some of the body has to come.
    """
    credential = ("Authorization", basic("__token__", scene.keys["release"]))
    form = ("Content-Type", "multipart/form-data; boundary=b")
    raw = head("POST", "/", [credential, form, ("Content-Length", str(LIMIT * 2))], host=LOOPBACK)
    assert scene.front.ask(raw + LARGE[:65_536]).status == 413


def test_networks_of_a_key_are_those_of_the_client(scene: Scene) -> None:
    """Caddy says who asked it, and not what that one says of others."""
    options = ("--network", "10.0.0.0/8"), ("--network", LOOPBACK)
    for option, status in zip(options, (403, 200), strict=True):
        scene.keys["placed"] = scene.proxy.create_key(*option, policy="all").text
        for more in ((), (("X-Forwarded-For", "10.1.2.3"),)):
            assert scene.get(f"/packages/{CORE.filename}", "placed", *more).status == status


@pytest.mark.parametrize("target", ["/-/auth", f"/-/auth/packages/{CORE.filename}", "/-/auth?x", "/-/%61uth"])
def test_nobody_asks_in_the_name_of_caddy(scene: Scene, target: str) -> None:
    """Caddy is a trusted proxy, so that what it passes on would be believed."""
    said = [("X-Forwarded-Uri", f"/packages/{CORE.filename}"), ("X-Forwarded-Method", "GET")]
    answer = scene.get(target, "acme", *said)
    assert (answer.status, answer.header("X-Authproxy-Key")) == (404, None)


def test_no_upload_is_lost_in_an_empty_success(scene: Scene) -> None:
    """What Caddy has no site for it answers with 200 and nothing; no name and no scheme is left to that here."""
    credential = ("Authorization", basic("__token__", scene.keys["release"]))
    raw = head("POST", "/", [credential, ("Content-Length", "0"), ("Connection", "close")], host="another.example.com")
    assert scene.front.ask(raw).status == 421
    assert exchange(scene.plain, raw).status == 403


def test_caddy_has_nothing_to_complain_of(scene: Scene) -> None:
    """No error, and no warning but that our certificate has no OCSP, that it has no API here, and what plain HTTP is."""
    lines = [json.loads(line) for line in scene.front.program.output().splitlines() if line.startswith("{")]
    told = {line["msg"] for line in lines if line["level"] not in ("info", "debug")}
    plain = "server is listening only on the HTTP port, so no automatic HTTPS will be applied to this server"
    assert told <= {"stapling OCSP", "admin endpoint disabled", plain}
