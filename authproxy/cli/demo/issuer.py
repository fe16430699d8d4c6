"""An issuer of ID tokens to try out: over TLS, on loopback, with a key of its own. It signs whatever its jobs say.

It serves what an issuer serves (a discovery document, a key set) and, as the runner of a CI does, tokens: to a job that
asks like one on GitHub, and as plain text for a variable like GitLab's. Nobody else should trust it: its key lives as
long as the program does.
"""

import base64
import itertools
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import jwt
import trustme
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from authproxy.cli.demo.children import LOOPBACK
from authproxy.cli.demo.cishapes import github, gitlab

DISCOVERY: Final = "/.well-known/openid-configuration"
KEY_SET: Final = "/keys"
# Where jobs ask: GitHub's with the runner's own token, GitLab's for what its pipeline puts into a variable.
GITHUB_JOB: Final = "/github-job"
GITLAB_JOB: Final = "/gitlab-job"
RUNNER: Final = "the-runners-own-token"
# Seconds for a handshake; a connection that says nothing ends then.
PATIENCE: Final = 30.0

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
MAKERS: Mapping[str, Callable[[], PrivateKey]] = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


def b64(octets: bytes) -> str:
    """Write base64url without padding."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def jwk_of(key: PrivateKey) -> dict[str, Any]:
    """The members of the public key, without `kid`, `use` and `alg`."""
    match key:
        case rsa.RSAPrivateKey():
            numbers = key.public_key().public_numbers()
            return {"kty": "RSA", "n": b64(numbers.n.to_bytes(key.key_size // 8)), "e": b64(numbers.e.to_bytes(3))}
        case ec.EllipticCurvePrivateKey():
            point, size = key.public_key().public_numbers(), (key.curve.key_size + 7) // 8
            curve = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}[key.curve.name]
            return {"kty": "EC", "crv": curve, "x": b64(point.x.to_bytes(size)), "y": b64(point.y.to_bytes(size))}
        case _:
            return {"kty": "OKP", "crv": "Ed25519", "x": b64(key.public_key().public_bytes_raw())}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key of an issuer with its name."""

    kid: str
    algorithm: str
    private: PrivateKey = field(repr=False)

    @classmethod
    def new(cls, kid: str, algorithm: str = "RS256") -> "SigningKey":
        """Make one."""
        return cls(kid, algorithm, MAKERS[algorithm]())

    @property
    def jwk(self) -> dict[str, Any]:
        """The public half, as a key set has it."""
        return {**jwk_of(self.private), "kid": self.kid, "use": "sig", "alg": self.algorithm}

    def sign(self, claims: Mapping[str, object], header: Mapping[str, object] | None = None) -> str:
        """Sign a token; `header` adds to the ordinary one, and takes away what it says None of."""
        whole = {"typ": "JWT", "alg": self.algorithm, "kid": self.kid, **(header or {})}
        kept = {name: value for name, value in whole.items() if value is not None}
        return self.sign_text(json.dumps(kept).encode(), json.dumps(claims).encode())

    def sign_text(self, header: bytes, payload: bytes) -> str:
        """Sign these very bytes: no library stands between a test and what it wants to send."""
        signed = f"{b64(header)}.{b64(payload)}"
        signer = jwt.get_algorithm_by_name(self.algorithm)
        return f"{signed}.{b64(signer.sign(signed.encode(), self.private))}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent for a request."""

    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)


def document(of: object) -> Answer:
    """Make a JSON document."""
    return Answer(json.dumps(of).encode())


@dataclass
class Issuer:
    """The issuer. `path` is what its URL has after the host."""

    port: int
    path: str = ""
    keys: list[SigningKey] = field(default_factory=list)
    jobs: Iterator[int] = field(default_factory=itertools.count)

    @property
    def url(self) -> str:
        """What its tokens have as `iss`."""
        return f"https://{LOOPBACK}:{self.port}{self.path}"

    @property
    def keys_url(self) -> str:
        """Where its key set is."""
        return self.url + KEY_SET

    @property
    def key(self) -> SigningKey:
        """The one that it signs with now."""
        return self.keys[-1]

    def token(self, claims: Mapping[str, object], header: Mapping[str, object] | None = None) -> str:
        """Sign a token with it; `iss` is this issuer where the claims have none."""
        return self.key.sign({"iss": self.url, **claims}, header)

    def answer(self, target: str, authorization: str = "") -> Answer:
        """Answer a GET."""
        parts = urlsplit(target)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if target == self.path + DISCOVERY:
            return document({"issuer": self.url, "jwks_uri": self.keys_url})
        if target == self.path + KEY_SET:
            return document({"keys": [key.jwk for key in self.keys]})
        if parts.path == GITHUB_JOB and authorization.lower() == f"bearer {RUNNER}":
            return document({"value": self._job(github, asked)})
        if parts.path == GITLAB_JOB:
            return Answer(self._job(gitlab, asked).encode(), headers=(("Content-Type", "text/plain"),))
        return Answer(b"there is nothing here", 404)

    def _job(self, shape: Callable[[str, str, int, str], dict[str, object]], asked: Mapping[str, str]) -> str:
        project = asked.get("project", "acme/core")
        claims = shape(self.url, asked.get("audience", ""), int(time.time()), project)
        return self.token(claims | {"jti": f"job-{next(self.jobs)}-{time.time_ns()}"})


def tls_context(authority: trustme.CA) -> ssl.SSLContext:
    """Make what a server on loopback speaks TLS with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(LOOPBACK).configure_cert(context)
    return context


class TlsServer(ThreadingHTTPServer):
    """An HTTP server over TLS, one thread for each connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, context: ssl.SSLContext, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__((LOOPBACK, 0), handler)
        self._context = context

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands in the thread of the connection: one that says nothing must not keep the others waiting."""
        request.settimeout(PATIENCE)
        with suppress(OSError), self._context.wrap_socket(request, server_side=True) as wrapped:
            super().finish_request(wrapped, client_address)


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[None]:
    """Serve until the block ends."""
    running = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    running.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        running.join()


@contextmanager
def demo_issuer(authority: trustme.CA) -> Iterator[Issuer]:
    """Run an issuer on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        """Answers what the issuer says; it says nothing itself."""

        def do_GET(self) -> None:
            send(self, issuer.answer(self.path, self.headers.get("Authorization", "")))

        def log_message(self, *args: object) -> None: ...

    server = TlsServer(tls_context(authority), Handler)
    issuer = Issuer(server.server_address[1], keys=[SigningKey.new("key-1")])
    with serving(server):
        yield issuer


def send(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
    """Write an answer."""
    handler.send_response(answer.status)
    named = {name.lower() for name, _ in answer.headers}
    for name, value in answer.headers:
        handler.send_header(name, value)
    if "content-length" not in named:
        handler.send_header("Content-Length", str(len(answer.body)))
    handler.end_headers()
    handler.wfile.write(answer.body)
