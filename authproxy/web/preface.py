"""The PROXY protocol, versions 1 and 2: what a load balancer says of a client before the client's first byte.

https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt. This room is pure: bytes go in, an address comes out. It
knows no sockets and does not know whom to believe.

Rule 1: a connection either begins with a whole header or is none of ours; nothing is guessed.
Rule 2: never is one byte taken that may belong to what follows the header: `feed` says how many were taken.
Rule 3: where the sender names no client (LOCAL, UNKNOWN, a unix socket of its own), the connection is the sender's.
"""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

Address = IPv4Address | IPv6Address

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_WORD: Final = b"PROXY "
# The shortest header of version 1 has 15 bytes and that of version 2 has 16, so these are the header's for sure.
_SURE: Final = len(SIGNATURE)
# Bytes of a line with its CR LF: "107 bytes" in the specification.
LINE_LIMIT: Final = 107
_FIXED: Final = 16
# Bytes behind them: addresses of unix sockets take 216, a client's certificate in a TLV some 2,000.
REST_LIMIT: Final = 4096

_LINE: Final = re.compile(
    rb"PROXY (TCP4|TCP6) ([0-9A-Fa-f:.]{2,45}) ([0-9A-Fa-f:.]{2,45}) ([0-9]{1,5}) ([0-9]{1,5})\r\n"
)
_UNKNOWN: Final = re.compile(rb"PROXY UNKNOWN(?: [^\r\n]*)?\r\n")
_PORT_LIMIT: Final = 65_535
_OF_WORD: Final[dict[bytes, type[IPv4Address] | type[IPv6Address]]] = {b"TCP4": IPv4Address, b"TCP6": IPv6Address}

_LOCAL: Final = 0x20
_PROXIED: Final = 0x21
# Family and transport, with the bytes that their addresses take and those of each IP address in them. Datagrams are not
# in the table: nothing here comes in any.
_FAMILIES: Final = {0x00: (0, 0), 0x11: (12, 4), 0x21: (36, 16), 0x31: (216, 0)}
_CHECKSUM: Final = 0x03
_CHECKSUM_BYTES: Final = 4


class Malformed(Exception):
    """This is no header. The text says why, and quotes nothing."""


def crc32c(octets: bytes) -> int:
    """The checksum of RFC 3720, appendix B.4 (Castagnoli), by bits: a header has some hundred bytes."""
    found = 0xFFFFFFFF
    for octet in octets:
        found ^= octet
        for _ in range(8):
            found = found >> 1 ^ (0x82F63B78 if found & 1 else 0)
    return found ^ 0xFFFFFFFF


class Preface:
    """One header, in any number of pieces. `source` is the client's address, None where it is not told."""

    __slots__ = ("_held", "source", "whole")

    def __init__(self) -> None:
        self._held = b""
        self.source: Address | None = None
        self.whole = False

    def feed(self, octets: bytes) -> int:
        """Take of these what belongs to the header; return how many bytes that was. Raises Malformed."""
        taken = 0
        while not self.whole and taken < len(octets):
            piece = octets[taken : taken + self._sure_of(octets[taken:])]
            taken += len(piece)
            self._held += piece
            self._judge()
        return taken

    def _sure_of(self, octets: bytes) -> int:
        """How many of the next bytes belong to the header whatever they are."""
        held = len(self._held)
        if held < _SURE:
            return _SURE - held
        if self._held.startswith(SIGNATURE):
            return (_FIXED if held < _FIXED else self._length()) - held
        end = octets.find(b"\n")
        return min(len(octets) if end < 0 else end + 1, LINE_LIMIT + 1 - held)

    def _length(self) -> int:
        return _FIXED + int.from_bytes(self._held[14:_FIXED], "big")

    def _judge(self) -> None:
        held = self._held
        if not (held.startswith((_WORD, SIGNATURE)) or _WORD.startswith(held) or SIGNATURE.startswith(held)):
            raise Malformed("it begins with no PROXY protocol header")
        if held.startswith(_WORD):
            if held.endswith(b"\n"):
                self.source, self.whole = _of_line(held), True
            elif len(held) > LINE_LIMIT:
                raise Malformed(f"its line has more than {LINE_LIMIT} bytes")
        elif len(held) >= _FIXED:
            if self._length() - _FIXED > REST_LIMIT:
                raise Malformed(f"its header has more than {REST_LIMIT} bytes")
            if len(held) == self._length():
                self.source, self.whole = _of_header(held), True


def _plain(address: Address) -> Address:
    """One client has one address, in whichever family it was written."""
    return getattr(address, "ipv4_mapped", None) or address


def _of_line(line: bytes) -> Address | None:
    if len(line) > LINE_LIMIT:
        raise Malformed(f"its line has more than {LINE_LIMIT} bytes")
    if _UNKNOWN.fullmatch(line):
        return None
    found = _LINE.fullmatch(line)
    if found is None:
        raise Malformed("its line is not that of the specification")
    for port in found[4], found[5]:
        if int(port) > _PORT_LIMIT or (port.startswith(b"0") and port != b"0"):
            raise Malformed("its line has a port that is none")
    try:
        source, _ = (_OF_WORD[found[1]](text.decode("ascii")) for text in (found[2], found[3]))
    except ValueError:
        raise Malformed("its line has an address that is none") from None
    return _plain(source)


def _of_header(header: bytes) -> Address | None:
    command, rest = header[12], header[_FIXED:]
    if command not in {_LOCAL, _PROXIED}:
        raise Malformed("its header has a version or a command that is unknown")
    if command == _LOCAL:
        return None  # what follows is to be skipped unread
    sizes = _FAMILIES.get(header[13])
    if sizes is None:
        raise Malformed("its header has a family that does not connect")
    needed, each = sizes
    if len(rest) < needed:
        raise Malformed("its header is too short for its addresses")
    _check_fields(header, needed)
    return _plain(ip_address(rest[:each])) if each else None


def _check_fields(header: bytes, at: int) -> None:
    """Walk through what follows the addresses: types, lengths and values that fill the header exactly.

    Nothing of it is used but the checksum, which has to be right where it is there.
    """
    at, checked = _FIXED + at, False
    while at < len(header):
        if at + 3 > len(header):
            raise Malformed("its header ends within a field")
        kind, size = header[at], int.from_bytes(header[at + 1 : at + 3], "big")
        start, at = at + 3, at + 3 + size
        if at > len(header):
            raise Malformed("its header has a field that is longer than the header")
        if kind == _CHECKSUM:
            blank = header[:start] + bytes(size) + header[at:]
            if checked or size != _CHECKSUM_BYTES or crc32c(blank) != int.from_bytes(header[start:at], "big"):
                raise Malformed("its checksum is wrong")
            checked = True
