"""Whose report it is: the signature of a code host over the bytes of the body, by the keys of the configuration.

GitHub and GitLab name their two headers alike and sign alike. A report with both pairs, or with a header twice, is
nobody's: two readers could take two.
"""

import base64
import binascii
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from multidict import MultiMapping

from authproxy.config.reporters import ReportKey

# (identifier, signature), by the sender.
HEADERS: Final = tuple(
    (f"{host}-Public-Key-Identifier", f"{host}-Public-Key-Signature") for host in ("Github", "Gitlab")
)
# Two numbers of 32 bytes in DER have 72 bytes at most, in Base64 96 characters.
SIGNATURE_LIMIT: Final = 100


def signed_by(headers: MultiMapping[str], body: bytes, keys: Sequence[ReportKey]) -> str | None:
    """Return the identifier of the key that signed the body; None where none of these did."""
    shown = [[headers.getall(name, []) for name in pair] for pair in HEADERS]
    try:
        [[[identifier], [signature]]] = [pair for pair in shown if any(pair)]
    except ValueError:
        return None
    key = next((each for each in keys if each.id == identifier), None)
    if key is None or key.pem is None or not _verifies(key.pem, signature, body):
        return None
    return key.id


def _verifies(pem: bytes, signature: str, body: bytes) -> bool:
    try:
        raw = base64.b64decode(signature, validate=True) if len(signature) <= SIGNATURE_LIMIT else b""
        _key(pem).verify(raw, body, ECDSA(SHA256()))
    except (binascii.Error, ValueError, InvalidSignature):
        return False
    return True


# Reading PEM takes as long as verifying; a configuration names a handful.
@lru_cache(maxsize=32)
def _key(pem: bytes) -> EllipticCurvePublicKey:
    key = load_pem_public_key(pem)
    assert isinstance(key, EllipticCurvePublicKey), "the configuration takes no other"
    return key
