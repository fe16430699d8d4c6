"""A `Principal` asks for an `Access`; `policy.decide` answers.

This room only names the two sides. It knows neither how the principal proved itself nor what the answer will be.
"""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from authproxy.domain.attestations import NOTHING, Attested
from authproxy.domain.caveats import Caveat, write_derivation
from authproxy.domain.grants import Action
from authproxy.domain.keys import KeyRecord
from authproxy.domain.names import Artifact, ProjectName
from authproxy.domain.refusal import quoted

# Seconds after which an admitted upload whose end nobody saw is doubted even though its program lives. Whoever forwards
# one gives up sooner, the second attempt after a renewed login included. An hour is 2 GiB at 0.6 MiB/s.
UPLOAD_DEADLINE: Final = 3600


class PrincipalKind(StrEnum):
    """How someone proved who they are. Kinds are added as ways of proof are."""

    ANONYMOUS = "anonymous"
    KEY = "key"
    PASSWORD = "password"  # noqa: S105 - of the index, which says whether it is right


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, proved. Only `authority.Authority` makes one that holds a key, only the index one that has a password.

    `user` is the name that a password belongs to, printable ASCII. `caveats` are those of a derived key, in the order
    in which they were added, and `derived` is what it is called; both are None for the key itself. `lineage` names
    those that it was made of and itself.
    """

    kind: PrincipalKind
    address: IPv4Address | IPv6Address
    key: KeyRecord | None = None
    public_id: str | None = None
    user: str | None = None
    caveats: tuple[Caveat, ...] | None = None
    derived: str | None = None
    lineage: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What logs, the record and error messages call this principal."""
        if self.user is not None:
            return f"user {quoted(self.user)}"
        if self.caveats is not None:
            return f"derived key {self.public_id}.{self.derived}"
        return f"key {self.public_id}" if self.public_id else str(self.kind)

    @property
    def derivation(self) -> str | None:
        """What the record keeps of a derived key, as JSON: its name and its caveats. None for the key itself."""
        return None if self.caveats is None else write_derivation(self.derived or "", self.caveats)


@dataclass(frozen=True, slots=True)
class Access:
    """What is asked of the index. `project` is None for what concerns no single project, a listing of all."""

    action: Action
    index: str
    project: ProjectName | None
    artifact: Artifact | None = None
    size: int | None = None  # bytes of the file
    sha256: str | None = None  # lower-case hex, of the file
    version: str | None = None  # canonical; of a delete or a push, which concern a whole release
    source: str | None = None  # the index that a push takes from; `index` is the one that it writes to
    attested: Attested = NOTHING  # the attestations of an upload


# What an operator does with a file that the index has not as it was uploaded; on record, beside a client's `Action`s.
ACCEPT: Final = "accept"  # what is there is what should be there
ACCEPT_GONE: Final = "accept-gone"  # it is gone, and rightly


class Outcome(StrEnum):
    """What became of an upload, a push or a delete that was admitted. The record keeps these words."""

    STORED = "stored"  # the index said yes
    SAME = "same"  # the index had these very bytes, and was sent nothing
    REMOVED = "removed"  # the index said yes to a delete
    REFUSED = "refused"  # the index said no
    FAILED = "failed"  # the index never saw the whole of it
    ACCEPTED = "accepted"  # by an operator
    DIFFERENT = "different"  # found later: the index has other bytes under the name of what it was sent, or nothing
    UNKNOWN = "unknown"  # the whole went out and no clear answer came: only the index itself can tell
