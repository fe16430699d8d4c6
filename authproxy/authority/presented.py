"""Which Authorization headers proved a key, remembered without the keys.

Reading a header, a key and its checksum takes longer than all the rest of knowing who asks (13 us of 20, measured), and
installers send the same one with every request. An entry is a keyed BLAKE2b (RFC 7693, section 2.9; a third of what
HMAC-SHA256 takes) under a key that lives as long as the server's memory: a copy of it opens nothing. This room does not
know whether a key still lives; that is asked of its record each time (`Authority.still_holds`).
"""

from hashlib import blake2b
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

from authproxy.authority.recent import Recent
from authproxy.domain.access import Principal

# About 0.5 KB each: as many as there are verified keys, for one address each.
REMEMBERED: Final = 10_000


class Presented:
    """The memory. `process_key` is 32 random bytes of this start of the server."""

    def __init__(self, process_key: bytes, limit: int = REMEMBERED) -> None:
        self._process_key = process_key
        self._proved: Recent[bytes, Principal] = Recent(limit)

    @property
    def memory(self) -> Recent[Any, Any]:
        """What is remembered, for who counts it."""
        return self._proved

    def get(self, header: str, address: IPv4Address | IPv6Address) -> Principal | None:
        """Return whom this header proved when it came from this address before."""
        return self._proved.get(self._name(header, address))

    def put(self, header: str, principal: Principal) -> None:
        """Note whom this header proved."""
        self._proved.put(self._name(header, principal.address), principal)

    def _name(self, header: str, address: IPv4Address | IPv6Address) -> bytes:
        shown = address.packed + header.encode("utf-8", "surrogateescape")
        return blake2b(shown, digest_size=32, key=self._process_key, person=b"presented").digest()
