"""`authproxy probe`: well, not well, nobody there; with a URL and by the configuration."""

import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import trustme

from authproxy.cli import probe
from tests.cli.conftest import Cli
from tests.peers.ports import LOOPBACK, reserved_port
from tests.peers.proxy import Proxy, proxy
from tests.peers.pypiserver import pypiserver

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"


@contextmanager
def says(
    *pieces: bytes, silent: bool = False, path: Path | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    """A server that answers one request with these bytes, or with nothing at all; its URL."""
    with closing(socket.create_server((LOOPBACK, 0)) if path is None else socket.socket(socket.AF_UNIX)) as listener:
        if path is not None:
            listener.bind(str(path))
            listener.listen()
        done = threading.Event()

        def serve() -> None:
            accepted = listener.accept()[0]
            with closing(accepted if tls is None else tls.wrap_socket(accepted, server_side=True)) as connection:
                connection.recv(4096)
                for piece in pieces:
                    connection.sendall(piece)
                if silent:
                    done.wait(20)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            scheme = "http" if tls is None else "https"
            yield f"unix:{path}" if path else f"{scheme}://{LOOPBACK}:{listener.getsockname()[1]}/"
        finally:
            done.set()
            thread.join(20)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A proxy whose index has gone away since: it is well, and not ready."""
    folder = tmp_path_factory.mktemp("probe")
    with pypiserver(folder / "index") as index, proxy(folder / "proxy", index.url) as made:
        index.program.stop()
        yield made


def test_a_proxy_that_is_well(running: Proxy) -> None:
    """The configuration says where it listens; one line, status 0."""
    ran = running.run("probe")
    assert (ran.code, ran.said) == (0, "ok\n")


def test_a_url_is_enough(running: Proxy, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration that has since got a mistake in it makes no server look dead."""
    broken = tmp_path / "broken.yaml"
    broken.write_text("listen: [\n", encoding="utf-8")
    monkeypatch.setenv("AUTHPROXY_CONFIG", str(broken))
    assert cli("probe", running.url).status == 0
    assert cli("probe").status == 1


def test_what_is_not_ready_is_said(running: Proxy) -> None:
    """Status 3: it answers, and the answer is no; as lines and as JSON."""
    ran = running.run("probe", "--ready")
    assert ran.code == 3
    assert ran.said.startswith("index: ")
    document = json.loads(running.run("probe", "--ready", "--json").said)
    assert (document["well"], document["status"], document["page"]) == (False, 503, "/-/readyz")
    assert document["said"] == ran.said.splitlines()


def test_nobody_there(cli: Cli) -> None:
    """Status 1 and one sentence."""
    url = f"http://{LOOPBACK}:{reserved_port()}/"
    ran = cli("probe", url)
    assert (ran.status, ran.stdout) == (1, "")
    assert ran.stderr == f"authproxy: the proxy at {url} does not answer: connection refused\n"


@pytest.mark.parametrize(
    ("pieces", "silent", "why"),
    [
        pytest.param((), False, "it hangs up without a word", id="a server that hangs up"),
        pytest.param((b"hello\r\n\r\n",), False, "what it says is not HTTP", id="a server of another kind"),
        pytest.param((), True, "nothing within 1 seconds", id="a server that hangs"),
        pytest.param((b"HTTP/1.1 200 OK\r\n",), True, "nothing within 1 seconds", id="a server that stops in the head"),
    ],
)
def test_what_is_no_answer(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, pieces: tuple[bytes, ...], silent: bool, why: str
) -> None:
    """Each way of not answering has a sentence, and a hanging server does not hold up whoever asks."""
    monkeypatch.setattr(probe, "PATIENCE", 1.0)
    with says(*pieces, silent=silent) as url:
        ran = cli("probe", url)
    assert ran.status == 1
    assert ran.stderr.endswith(f" does not answer: {why}\n")


def test_a_redirect_is_not_followed(cli: Cli) -> None:
    """Another server's word about itself is none about the proxy."""
    with says(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n") as url:
        assert cli("probe", url).status == 3


@pytest.mark.parametrize(
    ("head", "body", "well"),
    [
        (b"Server: nginx\r\n", b"<html>\n", False),
        (b"Server: nginx\r\n", b"ok\n", True),
        (b"", b"hello\n", False),
    ],
    ids=["another", "a web server before ours", "one without a name"],
)
def test_something_else_that_answers_is_named_so(cli: Cli, head: bytes, body: bytes, well: bool) -> None:
    """A 200 of whoever has the port is no sign of the proxy's life: 3, and a sentence in the place of its page."""
    with says(b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s" % (head, len(body), body)) as url:
        ran = cli("probe", url)
    expected = (0, "ok\n") if well else (3, f"something else than authproxy answers at {url}\n")
    assert (ran.status, ran.stdout) == expected


def test_a_unix_socket(cli: Cli, tmp_path: Path) -> None:
    """By its path; and the sentence where nobody listens at it."""
    with says(OK, path=tmp_path / "s") as url:
        assert (cli("probe", url).status, cli("probe", f"{url}x").status) == (0, 1)


def test_tls_of_its_own(cli: Cli) -> None:
    """Its certificate is for the public name, and it is asked at a loopback address."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("pypi.example.com").configure_cert(tls)
    with says(OK, tls=tls) as url:
        ran = cli("probe", url)
    assert (ran.status, ran.stdout) == (0, "ok\n")


def test_elsewhere_the_certificate_counts() -> None:
    """Beyond this machine anybody could be asked."""
    away, here = (probe._connection(f"https://{host}/", b"") for host in ("proxy.example.com", LOOPBACK))
    assert (away._context.verify_mode, away._context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert here._context.verify_mode == ssl.CERT_NONE


def test_a_proxy_behind_a_balancer(tmp_path: Path, cli: Cli) -> None:
    """It is asked as the balancer asks: by the configuration, by the flag; and hangs up on who sends no header."""
    nobody = f"http://{LOOPBACK}:{reserved_port()}/"
    with proxy(tmp_path / "behind", nobody, trusted_proxies=[LOOPBACK], proxy_protocol=True) as made:
        assert cli("probe", "--config", made.config).status == 0
        url, wanted = probe.described(made.config)
        assert wanted
        assert cli("probe", "--proxy-protocol", url).status == 0
        assert cli("probe", url).status == 1


def test_no_tls_where_it_was_asked_for(cli: Cli) -> None:
    """A wrong scheme has its sentence."""
    with says(OK) as url:
        ran = cli("probe", url.replace("http:", "https:"))
    assert ran.stderr.endswith(" does not answer: it does not speak TLS\n")


@pytest.mark.parametrize(
    "url",
    [
        "unix:s",
        "127.0.0.1:8080",
        "ftp://127.0.0.1/",
        "http://",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:99999/",
        "http://u:p@127.0.0.1/",
        "http://127.0.0.1/a",
        "http://127.0.0.1/?a",
        "http://[::1",
        "http://" + "a" * 300,
    ],
)
def test_what_is_no_url(cli: Cli, url: str) -> None:
    """Wrong usage, and the sentence says what is taken; what was typed is not repeated."""
    ran = cli("probe", url)
    assert ran.status == 2
    assert "a URL is http://HOST:PORT/" in ran.stderr
    assert "u:p@" not in ran.stderr


def test_a_port_of_the_systems_choice(cli: Cli) -> None:
    """`listen: 127.0.0.1:0` says nothing about where the proxy is."""
    ran = cli("probe")
    assert ran.status == 2
    assert "name the URL" in ran.stderr


def test_nothing_is_named(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a URL nor a configuration: wrong usage."""
    monkeypatch.delenv("AUTHPROXY_CONFIG")
    ran = cli("probe")
    assert ran.status == 2
    assert "its URL" in ran.stderr


@pytest.mark.parametrize(
    ("listen", "asked"),
    [
        pytest.param("0.0.0.0:8080", "http://127.0.0.1:8080/", id="every address"),
        pytest.param("'[::]:8080'", "http://[::1]:8080/", id="every address, the new kind"),
        pytest.param("unix:/run/authproxy/s", "unix:/run/authproxy/s", id="a socket"),
    ],
)
def test_where_the_configuration_says(config_file: Path, listen: str, asked: str) -> None:
    """A proxy in a container listens everywhere; nobody can connect to everywhere."""
    text = config_file.read_text(encoding="utf-8").replace("127.0.0.1:0", listen)
    config_file.write_text(text, encoding="utf-8")
    assert probe.described(config_file) == (asked, False)


def test_it_is_light() -> None:
    """It runs every half minute beside the server: the configuration's library is not loaded for a URL."""
    script = "import sys; from authproxy.cli.probe import probe; print(any(m in sys.modules for m in ('pydantic', 'aiohttp', 'sqlalchemy', 'rich')))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout == "False\n"
