"""Keys for trusted publishers: minted for a token that somebody else has verified and matched, and burned on request.

At rest such a secret is its SHA-256 and not Argon2id. What Argon2 is for is to make guesses dear where there are few
guesses to make; here are 256 random bits, which nobody guesses from any digest, for 15 minutes to 6 hours. And a mint
has to answer before the client gives up, beside every other job that started on the hour: a hash that needs 19 MiB and
a place in a queue would be the dearest part of it (25 ms of 30), for nothing.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from authproxy.authority.hashing import matches_fast, sha256_digest
from authproxy.domain.keys import (
    KEY_ID_ENTROPY,
    SECRET_ENTROPY,
    SLOTS,
    KeyKind,
    KeyRecord,
    Secret,
    mint,
    name_key,
    name_secret,
    parse,
)
from authproxy.store import NO_POLICY, Mint, NotMinted, Store, StoreError

# As `Authority.issue` has it: two equal ids in a row are a broken source of entropy.
MINT_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class ForPublisher:
    """A token that has been verified and matched, and what is to be minted for it. Times are unix seconds."""

    publisher: str  # its label, which is the key's owner as well
    claims: str  # of the token, JSON, for the record
    lifetime: int  # seconds
    assertion: str  # the token's name
    until: int  # so long the token stays used
    seen: Mapping[str, str]  # the ids that were pinned when it was matched
    pin: Mapping[str, str] | None  # those to be pinned now
    uses: int | None = None  # how many uploads it is good for


@dataclass(frozen=True, slots=True)
class Minted:
    """A key that was just minted, which `text` alone holds."""

    record: KeyRecord
    text: str = field(repr=False)


class Minter:
    """Mints and burns. `prefix` is what keys start with; `entropy` returns as many random bytes as it is asked for."""

    def __init__(self, store: Store, *, prefix: str, entropy: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._store = store
        self._prefix = prefix
        self._entropy = entropy

    async def mint_for(self, asked: ForPublisher, *, now: int) -> Minted | NotMinted:
        """Mint a key and store it, in one commit, or say why not. Raises StoreError."""
        attempt = 1
        while True:
            minted = self._made(asked, now)
            stored = Mint(minted.record, asked.publisher, asked.assertion, asked.until, asked.seen, asked.pin)
            try:
                return await self._store.minting.mint(stored, now=now) or minted
            except StoreError:
                if attempt == MINT_ATTEMPTS or await self._store.key(minted.record.id) is None:
                    raise
                attempt += 1

    async def burn(self, text: str, *, now: int) -> bool:
        """End the minted key that this is; say whether that ended one. Never hashes slowly. Raises StoreError."""
        key = parse(text, self._prefix)
        record = None if key is None else await self._store.key(key.unverified_id)
        if key is None or record is None or record.kind is not KeyKind.MINTED:
            return False  # before any look at the secret: a canary must not take longer than a key
        secret = record.secret(key.unverified_public_id)
        if secret is None or not matches_fast(secret.digest, key.secret.reveal()):
            return False
        return record.revoked is None and await self._store.minting.burn(record.id, now=now)

    def _made(self, asked: ForPublisher, now: int) -> Minted:
        key_id = name_key(self._entropy(KEY_ID_ENTROPY))
        text = mint(self._prefix, name_secret(key_id, SLOTS[0]), self._entropy(SECRET_ENTROPY))
        key = parse(text, self._prefix)
        assert key is not None, "parse reads what mint writes"
        record = KeyRecord(
            id=key_id,
            owner=asked.publisher,
            note="",
            policy=NO_POLICY,
            grants=(),
            networks=(),
            uses=asked.uses,
            used=0,
            created=now,
            expires=now + asked.lifetime,
            paused=False,
            revoked=None,
            secrets=(Secret(SLOTS[0], sha256_digest(key.secret.reveal()), now, None),),
            kind=KeyKind.MINTED,
            publisher=asked.publisher,
            claims=asked.claims,
        )
        return Minted(record, text)
