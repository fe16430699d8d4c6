"""From a key and what shall be left of it to a derived key.

Pure but for its sentences: the time and the nonce are arguments. What a caveat means to the proxy is not known here.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from authproxy.client.errors import ClientError
from authproxy.client.keytext import prefix_of
from authproxy.domain.caveats import (
    ITEMS_LIMIT,
    NONCE_BYTES,
    Actions,
    Caveat,
    Digests,
    Indexes,
    Lifetime,
    Networks,
    Once,
    Projects,
    Versions,
)
from authproxy.domain.chain import base64url
from authproxy.domain.derived import derive
from authproxy.domain.grants import Action
from authproxy.domain.names import ProjectName
from authproxy.domain.versions import VersionPattern

if TYPE_CHECKING:  # few keys name networks
    from authproxy.domain.rules import Network

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
ONCE_AT_MOST: Final = DAY  # the proxy remembers no nonce for longer, so it takes none that lives longer


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What is left of a key. Whatever is empty takes nothing away; `seconds` from now, None: as long as the key."""

    seconds: int | None
    packages: frozenset[ProjectName] = frozenset()
    versions: frozenset[VersionPattern] = frozenset()
    sha256: frozenset[str] = frozenset()  # lower-case hex
    networks: "frozenset[Network]" = frozenset()
    indexes: frozenset[str] = frozenset()
    actions: frozenset[Action] = frozenset()
    once: bool = False

    def caveats(self, now: int, nonce: bytes) -> tuple[Caveat, ...]:
        """Write it as caveats. `now` is in unix seconds, `nonce` are 16 random bytes, used where `once` says so."""
        caveats: tuple[Caveat | None, ...] = (
            None if self.seconds is None else Lifetime(now + self.seconds, now),
            Projects(self.packages) if self.packages else None,
            Versions(self.versions) if self.versions else None,
            Digests(self.sha256) if self.sha256 else None,
            Networks(self.networks) if self.networks else None,
            Once(base64url(nonce[:NONCE_BYTES])) if self.once else None,
            Indexes(self.indexes) if self.indexes else None,
            Actions(self.actions) if self.actions else None,
        )
        return tuple(caveat for caveat in caveats if caveat is not None)


def signed(text: str, narrowing: Narrowing, *, now: int, nonce: bytes) -> str:
    """Derive from a key, or from a derived key. Raises ClientError."""
    if len(narrowing.sha256) > ITEMS_LIMIT:
        raise ClientError(
            f"{len(narrowing.sha256)} files are too many for one key, which holds {ITEMS_LIMIT} at most: "
            "take them in turns"
        )
    if narrowing.once and (narrowing.seconds is None or narrowing.seconds > ONCE_AT_MOST):
        raise ClientError("a key for one use lives for a day at most: say so by --expires, as in --expires 5m")
    try:
        return derive(text, narrowing.caveats(now, nonce), prefix_of(text))
    except ValueError as error:
        raise ClientError(str(error)) from None
