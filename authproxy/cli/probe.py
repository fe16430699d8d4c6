"""`authproxy probe`: ask a running proxy how it is, for what watches a container or a unit and has no curl.

It knows `/-/healthz` and `/-/readyz` and nothing else. With a URL it reads no configuration: one with a mistake in it
changes nothing in the server that runs, so it must not make that server look dead. It runs every half minute as long as
the container does: `checkup.wire`, which asks in much the same way, would bring pydantic along, a second of one core
and 70 MiB each time (measured).
"""

import http.client
import os
import re
import socket
import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import click

from authproxy.cli.failures import Exit, Failure
from authproxy.cli.options import NAME_ONE, load_config, may_take_config, prints
from authproxy.cli.output import Output

if TYPE_CHECKING:
    from authproxy.config import Config

# Seconds: less than the HEALTHCHECK in the Dockerfile grants, so that there is a sentence before there is a kill.
PATIENCE: Final = 4.0
# What a listener at every address is asked by.
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing listens here
_UNIX: Final = "unix:"
# What a balancer sends ahead of its own health check: a connection of its own, for no client. (`web.preface`)
_OF_NOBODY: Final = b"PROXY UNKNOWN\r\n"
# Characters; a host name has 253 at most, the path of a socket 107.
_URL_LIMIT: Final = 300
# Bytes of an answer that are shown: `readyz` has a sentence for each thing that is missing.
_ANSWER_LIMIT: Final = 16 * 1024
# How our pages begin: `healthz`, and `readyz` with each thing that may be missing (`web.readiness`).
_PAGE: Final = re.compile(r"(?:ok|ready)\n|(?:store|spool|index): ")


@click.command(short_help="Ask a running proxy whether it is well.")
@click.argument("url", required=False)
@click.option("--ready", is_flag=True, help="Ask whether an upload could pass, store and index included.")
@click.option(
    "--proxy-protocol", "prefaced", is_flag=True, help="Begin with a PROXY protocol header, as a balancer does."
)
@may_take_config
@prints
def probe(url: str | None, ready: bool, prefaced: bool, config_path: Path | None, out: Output) -> Exit:
    """Ask a proxy how it is: at URL, as in http://127.0.0.1:8080/ or unix:/run/authproxy.sock, or where it listens.

    Without a URL the configuration says where that is, and whether it wants a PROXY protocol header first. Then the
    address of this program has to be one of its trusted_proxies.

    Exit status 0: it is well, or with --ready, an upload could pass. 3: it answers, and says no. 1: it does not answer.
    """
    asked, wanted = (_origin(url), False) if url is not None else described(config_path)
    page = "/-/readyz" if ready else "/-/healthz"
    answer = ask(asked, page, prefaced=prefaced or wanted)
    well = answer.is_ours and answer.status == 200
    said = answer.text.splitlines() if answer.is_ours else [f"something else than authproxy answers at {asked}"]
    out.document({"url": asked, "page": page, "well": well, "status": answer.status, "said": said}, said)
    return Exit.DONE if well else Exit.NO


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said, and what the server calls itself."""

    status: int
    server: str
    text: str

    @property
    def is_ours(self) -> bool:
        """Whether it is a proxy's: a web server before it may write its own name over ours, and not our page."""
        return self.server == "authproxy" or (self.status in (200, 503) and _PAGE.match(self.text) is not None)


class NobodyThere(Failure):
    """Nobody listens where it was asked."""


def ask(url: str, page: str, *, prefaced: bool) -> Answer:
    """Ask once, on a connection of its own. No credentials go along, and no redirect is followed.

    Raises Failure where there is no answer, NobodyThere where nobody could give one.
    """
    connection = _connection(url, _OF_NOBODY if prefaced else b"")
    try:
        connection.request("GET", page, headers={"User-Agent": "authproxy-probe", "Connection": "close"})
        response = connection.getresponse()
        text = response.read(_ANSWER_LIMIT).decode("utf-8", "replace")
        return Answer(response.status, response.headers.get("Server", ""), text)
    except (ConnectionRefusedError, FileNotFoundError) as error:
        why = os.strerror(error.errno or 0).lower()
        raise NobodyThere(f"the proxy at {url} does not answer: {why}") from None
    except TimeoutError:
        why = f"nothing within {PATIENCE:.0f} seconds"
    except ssl.SSLCertVerificationError as error:
        why = f"its certificate is not trusted: {error.verify_message}"
    except ssl.SSLError:
        why = "it does not speak TLS"
    except http.client.RemoteDisconnected:
        why = "it hangs up without a word"
    except http.client.HTTPException:
        why = "what it says is not HTTP"
    except OSError as error:
        why = (error.strerror or "it cannot be reached").lower()
    finally:
        connection.close()
    raise Failure(f"the proxy at {url} does not answer: {why}")


class _Connection(http.client.HTTPConnection):
    """A connection that begins with something else than the request, if need be."""

    preface = b""

    def connect(self) -> None:
        super().connect()
        self.sock.sendall(self.preface)


class _TlsConnection(http.client.HTTPSConnection, _Connection):
    """The same ahead of a handshake: that of HTTPSConnection is made on what the next class here has connected."""


class _UnixConnection(http.client.HTTPConnection):
    """A connection to a socket in the file system."""

    def __init__(self, path: str, preface: bytes) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path
        self._preface = preface

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self._path)
        self.sock.sendall(self._preface)


def _connection(url: str, preface: bytes) -> http.client.HTTPConnection:
    if url.startswith(_UNIX):
        return _UnixConnection(url.removeprefix(_UNIX), preface)
    made = _reaching(url)
    made.preface = preface
    return made


def _reaching(url: str) -> _Connection:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "http":
        return _Connection(host, parts.port, timeout=PATIENCE)
    context = ssl.create_default_context()
    if _is_here(host):
        # The certificate is for the name that clients use. No secret goes along, and who listens here is the operator.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return _TlsConnection(host, parts.port, timeout=PATIENCE, context=context)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _origin(url: str) -> str:
    """Read what was typed: a scheme, a host, perhaps a port, and no more; or a socket."""
    wanted = "a URL is http://HOST:PORT/ or https://HOST:PORT/, without a path, or unix:/PATH/OF/THE/SOCKET"
    if url.startswith(f"{_UNIX}/") and len(url) <= _URL_LIMIT and url.isprintable():
        return url
    try:
        parts = urlsplit(url if len(url) <= _URL_LIMIT else "")
        whole = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        raise click.UsageError(wanted) from None
    if not whole or parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise click.UsageError(wanted)
    return f"{parts.scheme}://{parts.netloc}/"


def described(config_path: Path | None) -> tuple[str, bool]:
    """Say where the proxy listens by its configuration, and whether a connection begins with a header there."""
    if config_path is None:
        raise click.UsageError(f"name the proxy: its URL, or {NAME_ONE.partition(': ')[2]}")
    from authproxy.config import Address

    config = load_config(config_path, secrets=False)
    if not isinstance(config.listen, Address):
        return str(config.listen), config.proxy_protocol
    if config.listen.port == 0:
        raise click.UsageError("listen in the configuration leaves the port to the system: name the URL")
    return url_of(config), config.proxy_protocol


def url_of(config: "Config") -> str:
    """Where this machine asks a proxy that listens at a port."""
    host, port = str(config.listen).rpartition(":")[::2]
    plain = host.strip("[]")
    name = _ANYWHERE.get(plain, plain)
    name = f"[{name}]" if ":" in name else name
    return f"{'http' if config.tls is None else 'https'}://{name}:{port}/"
