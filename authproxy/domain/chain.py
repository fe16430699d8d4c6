"""The bytes of a derived key: its chain of HMACs, and its text put together. What a caveat says is not known here.

What is computed, and why, stands in `authproxy.domain.derived`. Loaded by `authproxy exec` before every upload, so it
loads nothing but hashes: a dataclass or a regular expression would take longer than the whole chain.
"""

from __future__ import annotations

from binascii import b2a_base64
from hmac import digest

TYPE_CHECKING = False  # as `typing` has it, which takes longer to load than all of this
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

# Basic authentication writes 4 characters for 3, and a header may have 8 KiB. PyPI's own tokens have some 200.
DERIVED_LIMIT: Final = 6_000  # characters
TAG_BYTES: Final = 32

_CONTEXT: Final = b"authproxy derived keys 1"
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")


def base64url(raw: bytes) -> str:
    """Write bytes in the alphabet of RFC 4648, section 5, without padding."""
    return b2a_base64(raw, newline=False).translate(_URL_SAFE).rstrip(b"=").decode("ascii")


def mac_key(secret: str) -> bytes:
    """Make the key of the chain from the secret of a key: HKDF-SHA256 (RFC 5869) without salt, one block."""
    extracted = digest(bytes(TAG_BYTES), secret.encode("ascii"), "sha256")
    return digest(extracted, _CONTEXT + b"\x01", "sha256")


def start(prefix: str, public_id: str) -> bytes:
    """Write what the chain begins with."""
    return f"{prefix}_{public_id}".encode("ascii")


def chain(key: bytes, texts: Iterable[bytes]) -> bytes:
    """Return the end of the chain: each text under the tag before it."""
    for text in texts:
        key = digest(key, text, "sha256")
    return key


def array(caveats: Iterable[bytes]) -> bytes:
    """Write all caveats as one JSON array."""
    return b"[" + b",".join(caveats) + b"]"


def put_together(prefix: str, public_id: str, caveats: Iterable[bytes], tag: bytes) -> str:
    """Write a derived key."""
    return f"{prefix}_{public_id}.{base64url(array(caveats))}.{base64url(tag)}"
