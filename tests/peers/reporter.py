"""A code host that found something: a key pair of its own, and reports signed as GitHub and GitLab do it."""

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.peers.wire import head

URL = "https://code.example/acme/core/blob/12345600b9cbe38a219f39a9941c9319b600c002/ci/release.sh#L7"


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who finds keys. `host` is the first word of the headers."""

    id: str = "90a421169f0a406205f1563a953312f0be898d3c7b6c06b681aa86a874555f4a"
    host: str = "Github"
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def pem(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def settings(self, folder: Path, *, name: str = "host.pem", **more: Any) -> dict[str, Any]:
        """The section of the config that believes this one, and the file beside it."""
        (folder / name).write_bytes(self.pem)
        (folder / name).chmod(0o644)
        return {"leak_reports": {"keys": [{"id": self.id, "key": {"file": name}}], **more}}

    def signature(self, body: bytes) -> str:
        return base64.b64encode(self.key.sign(body, ec.ECDSA(SHA256()))).decode()

    def headers(self, body: bytes) -> list[tuple[str, str]]:
        named = f"{self.host}-Public-Key-Identifier", f"{self.host}-Public-Key-Signature"
        return [(named[0], self.id), (named[1], self.signature(body))]

    def request(self, *tokens: str, url: str = URL) -> bytes:
        """A whole report."""
        body = report(*tokens, url=url)
        return posted("/-/leaks", body, *self.headers(body))


def report(*tokens: str, url: str = URL) -> bytes:
    """The body of a report."""
    found = [{"token": each, "type": "acme_key", "url": url, "source": "content"} for each in tokens]
    return json.dumps(found).encode()


def posted(path: str, body: bytes, *headers: tuple[str, str], kind: str = "application/json") -> bytes:
    """A POST of a body."""
    sent = [("Content-Type", kind), ("Content-Length", str(len(body))), ("Connection", "close"), *headers]
    return head("POST", path, sent) + body


def surrender(key: str) -> bytes:
    """Give a key up."""
    return posted("/-/revoke", key.encode(), kind="text/plain")
