"""What the file says of where clients connect: an address or a unix socket, TLS, the PROXY protocol, workers.

The certificate and its key are tried here, as secrets are read here: a pair that does not fit is a problem of the file,
so that it is found by `config check`, keeps a server from starting, and changes nothing in one that reloads.
"""

import os
import re
import ssl
import stat
from collections.abc import Mapping
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from pydantic import WithJsonSchema as Schema

from authproxy.config import values
from authproxy.config.document import Document
from authproxy.config.problem import Problem
from authproxy.config.secrets import CREDENTIALS_DIRECTORY
from authproxy.config.settings import Address, Network, SecretReference, SecretSource, TlsFiles, UnixAddress

# What is behind a unix socket has no address. Seen from inside it is this one, which nobody on a network can have.
UNIX_PEER: Final = IPv4Network("0.0.0.0/32")
UNIX_PEERS: Final = "unix"
UNIX_PREFIX: Final = "unix:"
# Bytes: sockaddr_un has 108, the last of them a NUL (unix(7)).
PATH_LIMIT: Final = 107
MODE: Final = re.compile(r"0?[0-7]{3}")
# More workers than any index could keep busy; each takes some 20 MB for itself (measured).
WORKERS_LIMIT: Final = 64

_PARTS: Final = ("certificate", "key")
_FILE_SCHEMA: Final = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {
            "type": "object",
            "properties": {SecretSource.CREDENTIAL: {"type": "string", "minLength": 1}},
            "required": [SecretSource.CREDENTIAL],
            "additionalProperties": False,
        },
    ]
}
TLS_SCHEMA: Final = Schema(
    {
        "type": "object",
        "properties": dict.fromkeys(_PARTS, _FILE_SCHEMA),
        "required": list(_PARTS),
        "additionalProperties": False,
    }
)


def listen(value: object) -> Address | UnixAddress:
    """Read `127.0.0.1:8080` or `unix:/run/authproxy/authproxy.sock`."""
    if not isinstance(value, str) or not value.startswith(UNIX_PREFIX):
        try:
            return values.address(value)
        except ValueError as exc:
            raise ValueError(f"{exc}, or unix:/run/authproxy/authproxy.sock") from None
    path = value.removeprefix(UNIX_PREFIX)
    if not path.startswith("/") or path.endswith("/") or not path.isprintable():
        raise ValueError("it takes the whole path of the socket, as in unix:/run/authproxy/authproxy.sock")
    if len(os.fsencode(path)) > PATH_LIMIT:
        raise ValueError(f"a socket's path has {PATH_LIMIT} bytes at most: choose a shorter one")
    return UnixAddress(path)


def socket_mode(value: object) -> int:
    """Read `"660"`."""
    if not isinstance(value, str) or not MODE.fullmatch(value):
        raise ValueError('it takes three octal digits in quotes, as in "660"')
    return int(value, 8)


def proxy(value: object) -> Network:
    """Read a network whose proxies are believed, or `unix`: whoever may open our unix socket."""
    return UNIX_PEER if value == UNIX_PEERS else values.proxy_network(value)


def shown_proxy(network: Network) -> str:
    """Write what `proxy` reads."""
    return UNIX_PEERS if network == UNIX_PEER else str(network)


def tls(value: object) -> tuple[SecretReference, SecretReference]:
    """Read `{certificate: FILE, key: FILE}`; each may be `{credential: NAME}`."""
    takes = "it takes {certificate: FILE, key: FILE}, the chain and its private key in PEM"
    if not isinstance(value, dict) or set(value) != set(_PARTS):
        raise ValueError(takes)
    certificate, key = (_reference(value[name], f"{takes}, or {{credential: NAME}} for a FILE") for name in _PARTS)
    return certificate, key


def _reference(value: object, takes: str) -> SecretReference:
    match value:
        case str() if value:
            return SecretReference(SecretSource.FILE, value)
        case {"credential": str(name), **others} if name and not others and "/" not in name and name not in {".", ".."}:
            return SecretReference(SecretSource.CREDENTIAL, name)
        case _:
            raise ValueError(takes)


def tls_files(pair: tuple[SecretReference, SecretReference], base: Path, env: Mapping[str, str]) -> TlsFiles:
    """Find the files; those of a credential have no place where systemd gives none, which `pair_of` tells."""
    credentials = Path(env.get(CREDENTIALS_DIRECTORY, f"/{CREDENTIALS_DIRECTORY}-is-not-set"))
    certificate, key = (
        base / each.name if each.source is SecretSource.FILE else credentials / each.name for each in pair
    )
    return TlsFiles(certificate, key, *pair)


def pair_of(files: TlsFiles) -> ssl.SSLContext:
    """Load a certificate and its key into what serves TLS with them. Raises ValueError with one sentence.

    TLS 1.2 is the least (RFC 8996), and HTTP/1.1 all that is spoken inside (RFC 7301).
    """
    for path in (files.certificate, files.key):
        try:
            if not stat.S_ISREG(path.stat().st_mode):  # to open a FIFO may take for ever
                raise ValueError(f"'{path}' is no regular file")
            path.open("rb").close()
        except OSError as exc:
            raise ValueError(f"'{path}' cannot be read: {(exc.strerror or 'it fails').lower()}") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    asked: list[bool] = []

    def no_passphrase() -> bytes:  # OpenSSL would ask the terminal for one, where a server waits for ever
        asked.append(True)
        return b""

    try:
        context.load_cert_chain(files.certificate, files.key, password=no_passphrase)
    except ssl.SSLError as exc:
        raise ValueError(_said_of(exc, files, locked=bool(asked))) from None
    except OSError as exc:
        raise ValueError(f"the pair cannot be read: {(exc.strerror or 'it fails').lower()}") from None
    return context


def expiry_of(files: TlsFiles) -> float | None:
    """When a certificate that was loaded ends, in unix seconds; None where its file cannot be read any more."""
    try:
        first = x509.load_pem_x509_certificates(files.certificate.read_bytes())[0]
    except (OSError, ValueError):
        return None
    return first.not_valid_after_utc.timestamp()


def _said_of(exc: ssl.SSLError, files: TlsFiles, *, locked: bool) -> str:
    if exc.reason == "KEY_VALUES_MISMATCH":
        return f"the key in '{files.key}' is not that of the certificate in '{files.certificate}'"
    if locked:
        return f"the key in '{files.key}' asks for a passphrase: keep one without, that nobody else may read"
    return (
        f"'{files.certificate}' and '{files.key}' are no certificate with its key: write both as PEM, "
        "the server's own certificate first"
    )


def read_tls(document: Document, base: Path, env: Mapping[str, str]) -> Problem | None:
    """Try the pair that the file names; return the warning about how the key is kept."""
    written = document.get("tls")
    if written is None:
        return None
    files = tls_files(tls(written), base, env)
    sources = files.certificate_from.source, files.key_from.source
    if SecretSource.CREDENTIAL in sources and not env.get(CREDENTIALS_DIRECTORY):
        sentence = f"tls: {CREDENTIALS_DIRECTORY} is not set: systemd sets it for units with LoadCredential="
        document.report(("tls",), sentence)
        return None
    try:
        pair_of(files)
        mode = files.key.stat().st_mode
    except (ValueError, OSError) as exc:
        document.report(("tls",), f"tls: {exc}")
        return None
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        return document.problem(("tls",), f"tls: everybody on this machine may open '{files.key}': chmod 600 it")
    return None


def _read(document: Document, name: str, reader: Any) -> Any:
    value = document.get(name)
    return None if value is None else reader(value)


def listeners_apart(document: Document) -> None:
    """Refuse metrics where clients connect."""
    clients, metrics = _read(document, "listen", listen), _read(document, "metrics", values.address)
    if metrics is not None and metrics == clients and metrics.port:
        document.report(("metrics",), "metrics takes an address of its own: listen has this one")


def tls_as_clients_see_it(document: Document) -> None:
    """Refuse TLS under a public URL without: the links in the index's pages would lead to where nobody answers."""
    public = _read(document, "public_url", values.public_url)
    if document.get("tls") is not None and public is not None and public.startswith("http:"):
        document.report(("public_url",), "public_url begins with http:// and the proxy speaks TLS: write https://")


def somebody_to_believe(document: Document) -> None:
    """Refuse the PROXY protocol from nobody: nobody could connect."""
    if document.get("proxy_protocol") is True and not document.get("trusted_proxies"):
        sentence = "proxy_protocol takes trusted_proxies: whoever is not in there is cut off, and now that is everybody"
        document.report(("proxy_protocol",), sentence)


CHECKS: Final = (listeners_apart, tls_as_clients_see_it, somebody_to_believe)


def doubt_about_addresses(document: Document) -> Problem | None:
    """Warn where all clients would share one address."""
    here, trusted = _read(document, "listen", listen), document.get("trusted_proxies")
    if not isinstance(here, UnixAddress) or UNIX_PEERS in (trusted or ()):
        return None
    sentence = (
        "listen is a unix socket, where clients have no address: add unix to trusted_proxies, so that the server "
        "before this one says who they are"
    )
    return document.problem(("listen",), sentence)
