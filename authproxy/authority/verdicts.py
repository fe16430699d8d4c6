"""What the authority is asked for by an operator, and what it answers: values only."""

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from authproxy.domain.caveats import Caveat
from authproxy.domain.grants import Grant
from authproxy.domain.keys import KeyId, KeyKind, KeyRecord, PublicId, Secret


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a new key shall be. Empty grants and networks: all that the policy allows. `expires` is in unix seconds."""

    owner: str
    note: str
    policy: str
    grants: tuple[Grant, ...] = ()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    uses: int | None = None
    expires: int | None = None
    derive_only: bool = False
    kind: KeyKind = KeyKind.KEY

    def record(self, key_id: KeyId, secret: Secret, now: int) -> KeyRecord:
        """Build what is stored of it. `now` is unix seconds."""
        return KeyRecord(
            id=key_id,
            owner=self.owner,
            note=self.note,
            policy=self.policy,
            grants=self.grants,
            networks=self.networks,
            uses=self.uses,
            used=0,
            created=now,
            expires=self.expires,
            paused=False,
            revoked=None,
            secrets=(secret,),
            derive_only=self.derive_only,
            kind=self.kind,
        )


@dataclass(frozen=True, slots=True)
class Rotated:
    """A key with its second secret, which `text` alone holds."""

    record: KeyRecord
    public_id: PublicId  # of the new secret
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Verification:
    """What is to be said about a key string to an operator who holds it.

    `problem` is None where the key works, else one of "malformed", "unknown" (no key has this id), "replaced" (the key
    lives, this secret of it does not), "wrong secret", "revoked", "paused", "expired", "canary"; of a derived key also
    "sealed" (its MAC key cannot be opened, and `why` says why), "not understood" (a caveat is), "ended" (by itself).
    """

    problem: str | None
    record: KeyRecord | None = None
    caveats: tuple[Caveat, ...] | None = None  # of a derived key
    why: str | None = None
