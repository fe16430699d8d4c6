"""docs/fronts.md: its nginx is run as it stands there, and its Traefik read as far as that goes without one."""

import re
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from authproxy.config.settings import Limits, Timeouts
from authproxy.config.values import duration
from authproxy.web.protocol import IDLE
from tests.e2e.front import READS, VICTIM, Front, needs_nginx
from tests.peers.clients import Client
from tests.peers.nginx import nginx
from tests.peers.packages import wheel
from tests.peers.ports import LOOPBACK, reserved_port
from tests.peers.proxy import proxy
from tests.peers.pypiserver import PypiServer
from tests.peers.wire import basic, head

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "fronts.md").read_text(encoding="utf-8")
LARGE = wheel("acme-large", payload=bytes(range(256)) * 8192)  # more than nginx takes where nobody says otherwise


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / "deploy" / "traefik" / name).read_text(encoding="utf-8"))


@pytest.mark.e2e
@needs_nginx
def test_the_nginx_of_the_page(tmp_path: Path, index: PypiServer) -> None:
    """twine uploads through it and shows why it may not, nobody chooses an address, and `/-/auth` is nobody's."""
    [site] = re.findall(r"^```nginx\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    authority, address = trustme.CA(), (LOOPBACK, reserved_port())
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert(LOOPBACK).private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    (tmp_path / "home").mkdir()
    client = Client(tmp_path / "home")
    settings = {"reads": "key", "trusted_proxies": [LOOPBACK], "key_policies": READS}
    with proxy(tmp_path / "proxy", index.url, **settings) as running:
        for shipped, here in {
            "listen 443": f"listen {address[0]}:{address[1]}",
            "/etc/nginx/pypi.example.com.pem": f"{tmp_path}/server.pem",
            "/etc/nginx/pypi.example.com.key": f"{tmp_path}/server.pem",
            "127.0.0.1:8080": f"{running.address[0]}:{running.address[1]}",
        }.items():
            assert site.count(shipped) == 1, shipped
            site = site.replace(shipped, here)
        key, elsewhere = running.create_key(), running.create_key("--network", "10.0.0.0/8", policy="all")
        with nginx(tmp_path / "nginx", f"access_log off;\n{site}", address) as program:
            front = Front(address, tmp_path, program, ssl.create_default_context(cafile=str(tmp_path / "ca.pem")))
            secure = ["--cert", str(front.ca)]
            ran = client.twine(front.url, key.text, LARGE.write(tmp_path / "dist"), options=secure)
            assert ran.code == 0, ran.said
            assert index.files()[LARGE.filename] == LARGE.content
            ran = client.twine(front.url, key.text, VICTIM.write(tmp_path / "dist"), options=secure)
            assert (ran.code, "may not upload 'victim'" in ran.said.rpartition("HTTPError")[2]) == (1, True), ran.said
            more = [("Authorization", basic("__token__", elsewhere.text)), ("X-Forwarded-For", "10.1.2.3")]
            for target, status in (("/simple/acme-large/", 403), ("/-/auth", 404)):
                assert front.ask(head("GET", target, [*more, ("Connection", "close")])).status == status


def test_what_traefik_is_told_fits_together() -> None:
    """Its parts name each other, its times fit ours, and it believes no client."""
    static, dynamic = read("traefik.yaml"), read("dynamic.yaml")
    [router] = dynamic["http"]["routers"].values()
    service = dynamic["http"]["services"][router["service"]]["loadBalancer"]
    times = dynamic["http"]["serversTransports"][service["serversTransport"]]["forwardingTimeouts"]
    [entry] = [static["entryPoints"][name] for name in router["entryPoints"]]
    assert "/-/auth" in router["rule"]
    assert "middlewares" not in router
    assert "forwardedHeaders" not in entry
    assert duration(entry["transport"]["respondingTimeouts"]["readTimeout"]) > Limits().upload_deadline
    assert duration(times["responseHeaderTimeout"]) > Timeouts().upload
    assert duration(times["idleConnTimeout"]) < IDLE


@pytest.mark.parametrize("name", ["traefik.yaml", "dynamic.yaml"])
def test_the_page_names_what_traefik_is_given(name: str) -> None:
    """Both files are linked, and the sentence says that no Traefik ran."""
    assert f"../deploy/traefik/{name}" in PAGE
    assert "Traefik was not to" in PAGE
