"""How the MAC keys of derived keys lie in the store: sealed under a master key, which is never in the store.

    version (1 byte, 01) | id of the master key (8) | nonce (12) | AES-256-GCM of the MAC key, with its tag (48)

The public id is authenticated with it, so that a sealed key that was copied to another row opens nothing. The id of a
master key is the beginning of its SHA-256: it says which one is needed, and nothing about it.

Nonces are random: GCM allows 2**32 of them under one key (NIST SP 800-38D, section 8.3), which is one for each secret
that is ever made. This room seals and opens; what it seals, and where that is stored, it does not know.

How this may change: a new layout takes a new version, and what is sealed by version 1 opens for ever.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from authproxy.domain.keys import PublicId

VERSION: Final = b"\x01"
_ID_BYTES: Final = 8
_NONCE_BYTES: Final = 12  # what GCM is specified for; others are hashed first
_HEAD: Final = len(VERSION) + _ID_BYTES
_LEAST: Final = _HEAD + _NONCE_BYTES + 16


@dataclass(frozen=True, slots=True)
class Unopened:
    """Why something stays sealed, for the operator's log."""

    why: str


NO_MASTER: Final = Unopened("there is no master key: keys.master_key in the configuration names one")
NEVER_SEALED: Final = Unopened(
    "nothing is sealed for its key, which was made without a master key: use the key itself once, or rotate it"
)


def master_id(master: bytes) -> bytes:
    """Name a master key."""
    return sha256(master).digest()[:_ID_BYTES]


class Masters:
    """The master key in use, and those that still open what was sealed before. 32 bytes each.

    `entropy` returns as many random bytes as it is asked for.
    """

    def __init__(
        self,
        current: bytes | None = None,
        former: Sequence[bytes] = (),
        entropy: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._entropy = entropy
        self._ciphers = {master_id(each): AESGCM(each) for each in (*former, *([current] if current else []))}
        self.head: Final = None if current is None else VERSION + master_id(current)

    @property
    def heads(self) -> frozenset[bytes]:
        """How all begins that one of them opens."""
        return frozenset(VERSION + each for each in self._ciphers)

    def seal(self, public_id: PublicId, mac_key: bytes) -> bytes | None:
        """Seal a MAC key; None where there is no master key to seal it under."""
        if self.head is None:
            return None
        nonce = self._entropy(_NONCE_BYTES)
        cipher = self._ciphers[self.head[len(VERSION) :]]
        return self.head + nonce + cipher.encrypt(nonce, mac_key, public_id.encode("ascii"))

    def open(self, public_id: PublicId, sealed: bytes | None) -> bytes | Unopened:
        """Open what was sealed for this public id, or say why not."""
        if not self._ciphers:
            return NO_MASTER
        if sealed is None:
            return NEVER_SEALED
        if sealed[: len(VERSION)] != VERSION or len(sealed) < _LEAST:
            return Unopened("what is sealed for its key has a form that this authproxy does not know")
        master, nonce = sealed[len(VERSION) : _HEAD], sealed[_HEAD : _HEAD + _NONCE_BYTES]
        cipher = self._ciphers.get(master)
        if cipher is None:
            return Unopened(f"its key is sealed under master key {master.hex()}, which the configuration does not name")
        try:
            return cipher.decrypt(nonce, sealed[_HEAD + _NONCE_BYTES :], public_id.encode("ascii"))
        except InvalidTag:
            return Unopened("what is sealed for its key was changed, or belongs to another key")

    def reseal(self, public_id: PublicId, sealed: bytes) -> bytes | Unopened:
        """Seal under the current master key what is sealed under a former one, or say why not."""
        opened = self.open(public_id, sealed)
        if isinstance(opened, Unopened):
            return opened
        return self.seal(public_id, opened) or NO_MASTER
