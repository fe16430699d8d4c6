"""The head of a request: what must be true of it before anyone reads on, and who sent it.

aiohttp's C parser is lenient where a proxy may not be (measured): it takes a second Authorization or Host, HTTP/1.0
with chunked framing, and coded bodies. What is refused here is refused for every route. The target is judged by the
route table (`backend.flavour`), not here.
"""

import functools
import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from aiohttp import HttpVersion10, HttpVersion11, hdrs
from aiohttp.web import BaseRequest

from authproxy.domain.keys import PUBLIC_ID_LENGTH
from authproxy.domain.refusal import Code, refuse

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Headers of which two readers could pick different ones when there are two.
SINGLE: Final = (
    hdrs.AUTHORIZATION,
    hdrs.HOST,
    hdrs.CONTENT_LENGTH,
    hdrs.CONTENT_TYPE,
    hdrs.TRANSFER_ENCODING,
    hdrs.EXPECT,
)

_HOST: Final = re.compile(r"(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII)
_LENGTH: Final = re.compile(r"[0-9]{1,15}", re.ASCII)

# What a client calls itself goes into the log and the record; more than this says nothing more.
CLIENT_LIMIT: Final = 120
# A key of any prefix, with enough of its secret to be worth stealing (`domain.keys.shows_secret`); or a derived one.
_KEY: Final = re.compile(
    rf"[a-z][a-z0-9]{{1,9}}_[0-9A-Za-z]{{{PUBLIC_ID_LENGTH}}}(?:_[0-9A-Za-z]{{16}}|\.[0-9A-Za-z_-]{{16}})", re.ASCII
)
HOLDS_A_KEY: Final = "(holds a key)"

# RFC 4291 in its longest form, with an IPv4 address at the end. A name of an interface behind it is nobody's to know.
ADDRESS_LIMIT: Final = 45

_ANY: Final[Address] = ip_address("0.0.0.0")  # noqa: S104 - a unix socket has no address; nothing listens there


def check(request: BaseRequest) -> None:
    """Refuse a head that two readers could read differently. Raises Refused (request-invalid)."""
    headers = request.headers
    for name in SINGLE:
        if len(headers.getall(name, ())) > 1:
            raise refuse(Code.REQUEST_INVALID, f"the request has more than one {name} header, send one")
    if request.version not in (HttpVersion10, HttpVersion11):
        raise refuse(Code.REQUEST_INVALID, "this proxy speaks HTTP/1.1")
    host = headers.get(hdrs.HOST)
    if (host is None and request.version == HttpVersion11) or (host is not None and not _HOST.fullmatch(host)):
        raise refuse(Code.REQUEST_INVALID, "the Host header is missing or is no host name, send one")
    if hdrs.CONTENT_ENCODING in headers:
        raise refuse(Code.REQUEST_INVALID, "the request's body is encoded, send it without Content-Encoding")
    length = headers.get(hdrs.CONTENT_LENGTH)
    if length is not None and not _LENGTH.fullmatch(length):
        raise refuse(Code.REQUEST_INVALID, "Content-Length is not a number of bytes")
    if headers.get(hdrs.EXPECT, "100-continue").lower() != "100-continue":
        raise refuse(Code.REQUEST_INVALID, "the only expectation that this proxy meets is 100-continue")


def body_length(request: BaseRequest) -> int:
    """The exact length of the body in bytes.

    Every upload client sends Content-Length, none sends chunks (measured); one framing leaves nothing to disagree on.
    Raises Refused (length-required).
    """
    length = request.headers.get(hdrs.CONTENT_LENGTH)
    if hdrs.TRANSFER_ENCODING in request.headers or length is None:
        raise refuse(Code.LENGTH_REQUIRED, "send the body with a Content-Length and without Transfer-Encoding")
    return int(length)


def no_body(request: BaseRequest) -> None:
    """Refuse a body where the method has no use for one. Raises Refused (request-invalid)."""
    if hdrs.TRANSFER_ENCODING in request.headers or request.headers.get(hdrs.CONTENT_LENGTH, "0") != "0":
        raise refuse(Code.REQUEST_INVALID, f"a {request.method} request has no body here, send it without one")


def peer_of(request: BaseRequest) -> Address:
    """Who holds the other end of the connection, or whom its PROXY protocol header named; whatever the headers say."""
    if isinstance(origin := getattr(request.protocol, "origin", None), Address):
        return origin
    return address_at(request.transport.get_extra_info("peername") if request.transport else None)


def address_at(peername: object) -> Address:
    """Read the address of the other end as the socket gives it."""
    return _address(peername[0].partition("%")[0]) if isinstance(peername, tuple) else _ANY


def within(address: Address, networks: Sequence[Network]) -> bool:
    """Whether an address lies in one of the networks."""
    # A loop: this is asked twice for every request, and a generator takes longer than the look.
    for network in networks:  # noqa: SIM110
        if address in network:
            return True
    return False


def address_of(request: BaseRequest, trusted: Sequence[Network]) -> Address:
    """Who sent the request: the peer, or what a trusted proxy says of it.

    X-Forwarded-For is read from the right, past our own proxies, to the first address that is not one of them; what
    stands left of that is anybody's claim. An entry that is no address ends the walk at the proxy that sent it.
    """
    address = peer_of(request)
    if not trusted:
        return address
    for hop in reversed(",".join(request.headers.getall(hdrs.X_FORWARDED_FOR, ())).split(",")):
        if not within(address, trusted):
            return address
        try:
            address = _address(hop.strip().partition("%")[0])
        except ValueError:
            return address
    return address


# The same few proxies and machines ask again and again, and a parse takes longer than the rest of the walk.
@functools.lru_cache(maxsize=4096)
def _address(text: str) -> Address:
    """Read an address; one of IPv4 that arrives on an IPv6 socket is that IPv4 address."""
    if len(text) > ADDRESS_LIMIT:
        raise ValueError("this is longer than any address")
    address = ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


@functools.lru_cache(maxsize=4096)
def written(address: Address) -> str:
    """Write an address, which takes longer than to look it up."""
    return str(address)


def client_of(request: BaseRequest) -> str:
    """What the client calls itself, as printable ASCII of bounded length."""
    return plain(request.headers.get(hdrs.USER_AGENT, ""))


def plain(text: str) -> str:
    """What a client wrote of itself, as it may stand in a log or a row: a key that somebody put there does not."""
    said = text[:CLIENT_LIMIT]
    if "_" in said and _KEY.search(said):
        return HOLDS_A_KEY
    if said.isascii() and said.isprintable():
        return said
    return "".join(c if " " <= c <= "~" else "?" for c in said)
