"""Which keys this server has already checked with Argon2, remembered without their secrets.

An entry is an HMAC-SHA256 of the secret under a key that lives as long as the server's memory, beside the digest that
the secret was checked against. A copy of this memory therefore opens nothing, and a digest that changed in the store
ends what was checked against the old one. This room does not know whether a key is revoked or expired: a hit only
replaces the hashing, never the look at the record.
"""

import hmac
from dataclasses import dataclass, field
from typing import Any, Final

from authproxy.authority.recent import Recent
from authproxy.domain.keys import PublicId, SecretText

# About 0.5 KB each, so 5 MB when full. Only keys that passed Argon2 get in, so no stranger can push others out; with
# more keys than this in steady use, the least used pay their hash again.
VERIFIED_LIMIT: Final = 10_000

# RFC 2104, section 3: a key shorter than the hash's output weakens the HMAC.
PROCESS_KEY_LENGTH: Final = 32


@dataclass(frozen=True, slots=True)
class _Checked:
    proof: bytes = field(repr=False)
    digest: str = field(repr=False)


class VerifiedKeys:
    """The verified-key cache. `process_key` is at least 32 random bytes that are drawn anew at every start."""

    def __init__(self, process_key: bytes, limit: int = VERIFIED_LIMIT) -> None:
        if len(process_key) < PROCESS_KEY_LENGTH:
            raise ValueError(f"a process key has at least {PROCESS_KEY_LENGTH} bytes, not {len(process_key)}")
        self._process_key = process_key
        self._checked: Recent[PublicId, _Checked] = Recent(limit)

    def __len__(self) -> int:
        return len(self._checked)

    @property
    def memory(self) -> Recent[Any, Any]:
        """What is remembered, for who counts it."""
        return self._checked

    def proof(self, secret: SecretText) -> bytes:
        """Return what stands for this secret in memory."""
        return hmac.digest(self._process_key, secret.reveal().encode("ascii"), "sha256")

    def knows(self, public_id: PublicId, proof: bytes) -> bool:
        """Say whether this very secret passed Argon2 before, against whatever digest was stored then."""
        checked = self._checked.get(public_id)
        return checked is not None and hmac.compare_digest(checked.proof, proof)

    def holds(self, public_id: PublicId, proof: bytes, digest: str) -> bool:
        """Say whether this very secret passed Argon2 against this very digest.

        An entry about another digest is dropped: the secret was replaced in the store.
        """
        checked = self._checked.get(public_id)
        if checked is None:
            return False
        if checked.digest != digest:
            self._checked.drop(public_id)
            return False
        return hmac.compare_digest(checked.proof, proof)

    def remember(self, public_id: PublicId, proof: bytes, digest: str) -> None:
        """Note that the secret behind `proof` passed Argon2 against `digest`."""
        self._checked.put(public_id, _Checked(proof, digest))
