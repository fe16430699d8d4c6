"""The demo's issuer of ID tokens, and one of it that rotates, and misbehaves when it is told to.

It counts what it was asked (`seen`), serves its discovery document and key set as an issuer does, and anything else
that a test puts in their place (`discovery`, `key_set`): a status, a redirect, a hang, a drip, a cut. The claims of the
CIs stand in `ci_claims`.
"""

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import trustme

from authproxy.cli.demo import issuer as demo
from authproxy.cli.demo.issuer import DISCOVERY, KEY_SET, SigningKey, TlsServer, b64, jwk_of, serving, tls_context
from tests.peers.ports import LOOPBACK

__all__ = ["Answer", "Hang", "LocalIssuer", "SigningKey", "b64", "document", "jwk_of", "local_issuer", "silent_port"]

HANG_AT_MOST = 30.0  # seconds; longer than anybody here waits for an issuer


@dataclass(frozen=True, slots=True)
class Answer(demo.Answer):
    """What is sent for a request: at once; in pieces with a pause between them; or cut short after `sent` bytes."""

    pause: float = 0.0  # seconds after each byte
    sent: int | None = None


@dataclass(frozen=True, slots=True)
class Hang:
    """No answer while anybody waits."""


def document(of: object) -> Answer:
    return Answer(demo.document(of).body)


@dataclass
class LocalIssuer(demo.Issuer):
    """The issuer. `path` is what its URL has after the host (a Forgejo's is `/api/actions`)."""

    ca_file: Path = Path()
    discovery: Answer | Hang | None = None  # in place of the ordinary one
    key_set: Answer | Hang | None = None
    seen: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    hung_up: threading.Event = field(default_factory=threading.Event)  # while it was speaking
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def fetches(self) -> int:
        """How often the key set was asked for."""
        return sum(target == self.path + KEY_SET for target, _ in self.seen)

    def rotate(self, algorithm: str = "RS256", keep: bool = True) -> SigningKey:
        """A new key to sign with, beside the old ones or in their place."""
        new = SigningKey.new(f"key-{len(self.keys) + 1}-{time.monotonic_ns()}", algorithm)
        self.keys[:] = [*self.keys, new] if keep else [new]
        return new

    def answer(self, target: str, authorization: str = "") -> demo.Answer | Hang:  # type: ignore[override]
        if target == self.path + DISCOVERY and self.discovery is not None:
            return self.discovery
        if target == self.path + KEY_SET and self.key_set is not None:
            return self.key_set
        return super().answer(target, authorization)


@contextmanager
def local_issuer(
    folder: Path, *, algorithm: str = "RS256", path: str = "", key: SigningKey | None = None
) -> Iterator[LocalIssuer]:
    """Run an issuer with one key, new or given, on a port of its own; the CA that vouches for it is in `folder`."""
    authority = trustme.CA()
    ca_file = folder / "issuer-ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    server = _Server(tls_context(authority), _Handler)
    server.issuer = LocalIssuer(server.server_address[1], path, ca_file=ca_file)
    server.issuer.keys.append(key or SigningKey.new("key-1", algorithm))
    with serving(server):
        try:
            yield server.issuer
        finally:
            server.issuer.ended.set()


class _Server(TlsServer):
    issuer: LocalIssuer


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        issuer = self.server.issuer
        issuer.seen.append((self.path, dict(self.headers)))
        answer = issuer.answer(self.path, self.headers.get("Authorization", ""))
        if isinstance(answer, Hang):
            issuer.ended.wait(HANG_AT_MOST)
            return
        if not isinstance(answer, Answer):
            demo.send(self, answer)
            return
        whole, sent = answer.body, b"" if answer.pause else answer.body[: answer.sent]
        length = () if any(name.lower() == "content-length" for name, _ in answer.headers) else _length(whole)
        demo.send(self, demo.Answer(b"", answer.status, (*answer.headers, *length)))
        self.close_connection = answer.sent is not None
        try:
            self.wfile.write(sent)
            self._drip(whole if answer.pause else b"", answer.pause, issuer.ended)
        except OSError:
            issuer.hung_up.set()
            self.close_connection = True

    def _drip(self, body: bytes, pause: float, ended: threading.Event) -> None:
        for at in range(len(body)):
            self.wfile.write(body[at : at + 1])
            if ended.wait(pause):
                return

    def log_message(self, *args: object) -> None:
        """Say nothing: what was asked stands in `seen`."""


def _length(body: bytes) -> tuple[tuple[str, str], ...]:
    return (("Content-Length", str(len(body))),)


def silent_port() -> socket.socket:
    """A port that takes connections and never says a word, not even of TLS."""
    return socket.create_server((LOOPBACK, 0), backlog=16)
