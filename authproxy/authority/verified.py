"""Which keys this server has already checked with Argon2, remembered without their secrets.

An entry is a MAC of the secret under a key that lives as long as the server's memory (BLAKE2b with a key, RFC 7693,
section 2.9: OpenSSL's HMAC takes three times as long), beside the digest that the secret was checked against. A copy of
this memory therefore opens nothing, and a digest that changed in the store ends what was checked against the old one.
This room does not know whether a key is revoked or expired: a hit only replaces the hashing, never the look at the
record.
"""

from dataclasses import dataclass, field
from hashlib import blake2b
from hmac import compare_digest
from typing import Any, Final

from authproxy.authority.recent import Recent
from authproxy.domain.keys import PublicId, SecretText

# About 0.5 KB each, so 5 MB when full. Only keys that passed Argon2 get in, so no stranger can push others out; with
# more keys than this in steady use, the least used pay their hash again.
VERIFIED_LIMIT: Final = 10_000

# Bytes of a proof. A key shorter than it would be the easier thing to guess, and BLAKE2b takes 64 bytes of one at most.
PROOF: Final = 32
PROCESS_KEY: Final = range(PROOF, 65)


@dataclass(frozen=True, slots=True)
class _Checked:
    proof: bytes = field(repr=False)
    digest: str = field(repr=False)


class VerifiedKeys:
    """The verified-key cache. `process_key` is 32 to 64 random bytes that are drawn anew at every start."""

    def __init__(self, process_key: bytes, limit: int = VERIFIED_LIMIT) -> None:
        if len(process_key) not in PROCESS_KEY:
            raise ValueError(f"a process key has 32 to 64 bytes, not {len(process_key)}")
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
        return blake2b(secret.reveal().encode("ascii"), key=self._process_key, digest_size=PROOF).digest()

    def knows(self, public_id: PublicId, proof: bytes) -> bool:
        """Say whether this very secret passed Argon2 before, against whatever digest was stored then."""
        checked = self._checked.get(public_id)
        return checked is not None and compare_digest(checked.proof, proof)

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
        return compare_digest(checked.proof, proof)

    def remember(self, public_id: PublicId, proof: bytes, digest: str) -> None:
        """Note that the secret behind `proof` passed Argon2 against `digest`."""
        self._checked.put(public_id, _Checked(proof, digest))
