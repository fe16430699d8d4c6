"""The PROXY protocol's header: frozen bytes, every chunking of them, and everything that is nearly one."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.web.preface import LINE_LIMIT, REST_LIMIT, SIGNATURE, Malformed, Preface, crc32c

BEHIND = b"GET / HTTP/1.1\r\n\r\n"
V4 = bytes([192, 0, 2, 7, 198, 51, 100, 1]) + (50_000).to_bytes(2, "big") + (443).to_bytes(2, "big")
V6 = ip_address("2001:db8::7").packed + ip_address("2001:db8::1").packed + V4[8:]
MAPPED = ip_address("::ffff:192.0.2.7").packed + ip_address("::1").packed + V4[8:]
UNIX = b"/run/a.sock".ljust(108, b"\0") * 2


def v2(rest: bytes, *, command: int = 0x21, family: int = 0x11, length: int | None = None) -> bytes:
    size = len(rest) if length is None else length
    return SIGNATURE + bytes([command, family]) + size.to_bytes(2, "big") + rest


def field(kind: int, value: bytes) -> bytes:
    return bytes([kind]) + len(value).to_bytes(2, "big") + value


def checked(rest: bytes, more: bytes = b"") -> bytes:
    """A header with its checksum in it, computed over itself with four zeros in its place."""
    right = crc32c(v2(rest + field(3, bytes(4)) + more)).to_bytes(4, "big")
    return v2(rest + field(3, right) + more)


FIELDS = (
    field(1, b"h2")
    + field(2, b"pypi.example.com")
    + field(4, bytes(7))
    + field(0x20, b"\x01\0\0\0\0")
    + field(0xEE, b"")
)
GOOD = {
    "v1, IPv4": (b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\n", "192.0.2.7"),
    "v1, IPv6": (b"PROXY TCP6 2001:db8::7 2001:db8::1 50000 443\r\n", "2001:db8::7"),
    "v1, IPv4 in IPv6": (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 0 65535\r\n", "192.0.2.7"),
    "v1, unknown": (b"PROXY UNKNOWN\r\n", None),
    "v1, unknown and what is to be ignored": (b"PROXY UNKNOWN 192.0.2.7 whatever\r\n", None),
    "v1, the longest": (b"PROXY UNKNOWN ffff:f...f:ffff " + b"f" * (LINE_LIMIT - 32) + b"\r\n", None),
    "v2, IPv4": (v2(V4), "192.0.2.7"),
    "v2, IPv6": (v2(V6, family=0x21), "2001:db8::7"),
    "v2, IPv4 in IPv6": (v2(MAPPED, family=0x21), "192.0.2.7"),
    "v2, fields": (v2(V4 + FIELDS), "192.0.2.7"),
    "v2, a checksum": (checked(V4, FIELDS), "192.0.2.7"),
    "v2, local": (v2(b"", command=0x20, family=0), None),
    "v2, local with an address": (v2(V4 + b"\xff", command=0x20), None),
    "v2, no family": (v2(b"", family=0), None),
    "v2, no family, fields": (v2(FIELDS, family=0), None),
    "v2, a unix socket": (v2(UNIX, family=0x31), None),
    "v2, the longest": (v2(V4 + field(0xE0, bytes(REST_LIMIT - 15))), "192.0.2.7"),
}
BAD = {
    "HTTP": BEHIND,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "lower case": b"proxy TCP4 192.0.2.7 198.51.100.1 50000 443\r\n",
    "two spaces": b"PROXY TCP4  192.0.2.7 198.51.100.1 50000 443\r\n",
    "a space at the end": b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 443 \r\n",
    "no CR": b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\n",
    "no CR, unknown": b"PROXY UNKNOWN\n\r\n",
    "a CR within": b"PROXY UNKNOWN a\rb\r\n",
    "a word that is longer": b"PROXY UNKNOWNS\r\n",
    "datagrams": b"PROXY UDP4 192.0.2.7 198.51.100.1 50000 443\r\n",
    "one address": b"PROXY TCP4 192.0.2.7 50000 443\r\n",
    "no port": b"PROXY TCP4 192.0.2.7 198.51.100.1 50000\r\n",
    "a port over": b"PROXY TCP4 192.0.2.7 198.51.100.1 65536 443\r\n",
    "a port with a zero before it": b"PROXY TCP4 192.0.2.7 198.51.100.1 0443 443\r\n",
    "a port with a sign": b"PROXY TCP4 192.0.2.7 198.51.100.1 +443 443\r\n",
    "an octet over": b"PROXY TCP4 192.0.2.256 198.51.100.1 50000 443\r\n",
    "an octet with a zero before it": b"PROXY TCP4 192.0.2.07 198.51.100.1 50000 443\r\n",
    "IPv6 under IPv4": b"PROXY TCP4 2001:db8::7 2001:db8::1 50000 443\r\n",
    "IPv4 under IPv6": b"PROXY TCP6 192.0.2.7 198.51.100.1 50000 443\r\n",
    "a zone": b"PROXY TCP6 fe80::1%eth0 fe80::2 50000 443\r\n",
    "a wrong destination": b"PROXY TCP4 192.0.2.7 nowhere 50000 443\r\n",
    "a line too long": b"PROXY UNKNOWN " + b"x" * LINE_LIMIT + b"\r\n",
    "a line without an end": b"PROXY UNKNOWN " + b"x" * 10_000,
    "version 1 in form 2": v2(V4, command=0x11),
    "version 3": v2(V4, command=0x31),
    "an unknown command": v2(V4, command=0x22),
    "a datagram": v2(V4, family=0x12),
    "a unix datagram": v2(UNIX, family=0x32),
    "an unknown family": v2(V4, family=0x41),
    "too short for IPv4": v2(V4[:-1]),
    "too short for IPv6": v2(V4, family=0x21),
    "too short for unix": v2(UNIX[:-1], family=0x31),
    "too long": v2(b"", length=REST_LIMIT + 1),
    "the longest there is": v2(b"", length=65_535),
    "a field cut short": v2(V4 + b"\x01\x00"),
    "a field that is longer than the rest": v2(V4 + b"\x01\x00\x05abcd"),
    "a field behind a checksum cut short": checked(V4, b"\x01"),
    "a wrong checksum": v2(V4 + field(3, b"\0\0\0\0")),
    "a short checksum": v2(V4 + field(3, b"\0\0")),
    "two checksums": v2(V4 + field(3, bytes(4)) * 2),
}


def read(octets: bytes) -> tuple[int, Preface]:
    """All at once."""
    preface = Preface()
    return preface.feed(octets), preface


@pytest.mark.parametrize(("header", "source"), GOOD.values(), ids=GOOD.keys())
def test_a_header_is_read_and_not_a_byte_more(header: bytes, source: str | None) -> None:
    """Whole, with what follows it, and byte by byte: the same client, and what follows is left."""
    wanted = ip_address(source) if source else None
    for behind in (b"", BEHIND, b"\n", header):
        taken, preface = read(header + behind)
        assert (taken, preface.whole, preface.source) == (len(header), True, wanted)
        assert preface.feed(behind) == 0
    slow = Preface()
    for at in range(len(header)):
        assert not slow.whole
        assert slow.feed(header[at : at + 1]) == 1
    assert (slow.whole, slow.source) == (True, wanted)


@pytest.mark.parametrize("header", [header for header, _ in GOOD.values()], ids=GOOD.keys())
def test_every_split_point_gives_the_same(header: bytes) -> None:
    """Two pieces, cut anywhere, with the client's bytes behind the second."""
    whole = read(header)[1]
    for at in range(1, len(header)):
        preface = Preface()
        assert preface.feed(header[:at]) == at
        assert preface.feed(header[at:] + BEHIND) == len(header) - at
        assert preface.source == whole.source


@pytest.mark.parametrize("octets", BAD.values(), ids=BAD.keys())
def test_what_is_nearly_a_header_is_none(octets: bytes) -> None:
    """Refused at once and byte by byte alike, after a bounded number of bytes, and nobody's address is believed."""
    with pytest.raises(Malformed):
        read(octets)
    slow, seen = Preface(), 0
    said = ""
    while not said:
        try:
            assert slow.feed(octets[seen : seen + 1]) == 1
        except Malformed as exc:
            said = str(exc)
        seen += 1
    assert slow.source is None
    assert seen <= 16 + REST_LIMIT
    assert said.isascii()


@pytest.mark.parametrize("header", [header for header, _ in GOOD.values()], ids=GOOD.keys())
def test_a_header_cut_short_is_not_whole(header: bytes) -> None:
    """Nothing is known before the last byte."""
    taken, preface = read(header[:-1])
    assert (taken, preface.whole, preface.source) == (len(header) - 1, False, None)


def test_the_checksum_is_castagnolis() -> None:
    """The vectors of RFC 3720, B.4."""
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(b"123456789") == 0xE3069283


def test_control_a_checksum_sees_a_changed_address() -> None:
    """One bit of the client's address."""
    header = bytearray(checked(V4))
    header[16] ^= 1
    with pytest.raises(Malformed, match="checksum"):
        read(bytes(header))


@given(
    st.binary(max_size=80)
    | st.binary(max_size=80).map(lambda rest: b"PROXY " + rest)
    | st.binary(max_size=80).map(lambda rest: SIGNATURE + rest),
    st.data(),
)
def test_any_chunking_of_any_bytes_gives_the_same(octets: bytes, drawn: st.DataObject) -> None:
    """The same end, be it a header, a refusal or a wait for more, and the same bytes taken."""

    def outcome(pieces: list[bytes]) -> tuple[object, ...]:
        preface, taken = Preface(), 0
        try:
            for piece in pieces:
                taken += preface.feed(piece)
        except Malformed:
            return ("malformed",)
        return preface.whole, preface.source, taken

    at = sorted(drawn.draw(st.lists(st.integers(0, len(octets)), max_size=6)))
    pieces = [octets[start:end] for start, end in zip([0, *at], [*at, len(octets)], strict=True)]
    assert outcome(pieces) == outcome([octets])
