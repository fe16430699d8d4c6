"""Yeses that web servers got, to be said again for the price of a hash and one look for changed keys.

Installers ask for the same pages and files again and again, in the same words, and reading those words takes longer
than all the rest of an answer (measured). A yes follows from the request, byte for byte and with the peer that sent it;
from the config; and from the key. It is said again where all three are the same: the first is what it is remembered by,
the second and third are compared with what holds now (`Authority.still_holds`: no key was changed since, and this one
has not expired). A no is never remembered.

Requests are remembered as a keyed BLAKE2b (RFC 7693) under a key that lives as long as the server's memory: no secret
is kept. Only keys are strong enough for that, so a request with somebody's password is not remembered at all.
"""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from aiohttp.web import BaseRequest

from authproxy.authority import Authority
from authproxy.authority.recent import Recent
from authproxy.config import Config
from authproxy.domain.access import Principal

# 0.5 KB each, so 5 MB when full: a hundred machines that install the same hundred files.
REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class _Yes:
    config: Config
    reader: Principal


class Yeses:
    """The memory.

    `process_key` is 32 random bytes of this start of the server; `credentials` names the headers that may hold one.
    """

    def __init__(self, authority: Authority, process_key: bytes, credentials: tuple[str, ...]) -> None:
        self._credentials = credentials
        self._authority = authority
        self._process_key = process_key
        self._said: Recent[bytes, _Yes] = Recent(REMEMBERED)

    def __len__(self) -> int:
        return len(self._said)

    def again(self, config: Config, request: BaseRequest, *, now: int) -> Principal | None:
        """Return who reads, where this very request got a yes that still stands. `now` is unix seconds."""
        yes = self._said.get(self._name(request))
        if yes is None or yes.config is not config:
            return None
        if yes.reader.key is not None and not self._authority.still_holds(yes.reader, now=now):
            return None
        return yes.reader

    def remember(self, config: Config, request: BaseRequest, reader: Principal) -> None:
        """Note that this request got a yes."""
        if reader.key is not None or not any(name in request.headers for name in self._credentials):
            self._said.put(self._name(request), _Yes(config, reader))

    def _name(self, request: BaseRequest) -> bytes:
        # No two requests are written alike here: the parser lets no line feed into any of these, and no space into the
        # first three. Who sent it is whom a PROXY protocol header names, where there is one (`head.peer_of`).
        version, named = request.version, getattr(request.protocol, "origin", None)
        asked = f"{named or request.remote} {version.major}.{version.minor} {request.method} {request.raw_path}"
        lines = [asked.encode("utf-8", "surrogateescape")]
        for pair in request.raw_headers:
            lines += pair
        return blake2b(b"\n".join(lines), digest_size=32, key=self._process_key, person=b"yes").digest()
