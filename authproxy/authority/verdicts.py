"""What the authority is asked for by an operator, and what it answers: values only."""

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from authproxy.domain.grants import Grant
from authproxy.domain.keys import KeyRecord, PublicId


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
    lives, this secret of it does not), "wrong secret", "revoked", "paused", "expired".
    """

    problem: str | None
    record: KeyRecord | None = None
