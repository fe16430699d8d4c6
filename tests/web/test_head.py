"""The head of a request: one reading or none."""

from ipaddress import ip_address, ip_network

import pytest
from aiohttp import HttpVersion10, HttpVersion11
from aiohttp.test_utils import make_mocked_request
from aiohttp.web import BaseRequest
from multidict import CIMultiDict

from authproxy.domain.refusal import Code, Refused
from authproxy.web.head import CLIENT_LIMIT, address_of, body_length, check, client_of, no_body

HOST = ("Host", "pypi.acme.test")


class Transport:
    """As much of a transport as `address_of` looks at."""

    def __init__(self, peer: tuple[str, int] | str) -> None:
        self.peer = peer

    def get_extra_info(self, name: str) -> object:
        return {"peername": self.peer}.get(name)


def request(*headers: tuple[str, str], version: object = HttpVersion11, peer: object = ("192.0.2.1", 1)) -> BaseRequest:
    """A request with exactly these headers."""
    return make_mocked_request(
        "POST",
        "/",
        CIMultiDict(headers),
        version=version,
        transport=Transport(peer),  # type: ignore[arg-type]
    )


BAD = {
    "two Authorization headers": [HOST, ("Authorization", "a"), ("authorization", "b")],
    "two Host headers": [HOST, HOST],
    "two Content-Length headers": [HOST, ("Content-Length", "1"), ("Content-Length", "1")],
    "two Content-Type headers": [HOST, ("Content-Type", "a/b"), ("Content-Type", "a/b")],
    "no Host": [],
    "an empty Host": [("Host", "")],
    "a Host with a path": [("Host", "a/b")],
    "a Host with user info": [("Host", "a@b")],
    "a Host with a space": [("Host", "a b")],
    "a Host in another script": [("Host", "pyp\u0456")],
    "an encoded body": [HOST, ("Content-Encoding", "gzip")],
    "a signed Content-Length": [HOST, ("Content-Length", "+5")],
    "a Content-Length in other digits": [HOST, ("Content-Length", "\u0665")],
    "an unknown expectation": [HOST, ("Expect", "miracles")],
}


@pytest.mark.parametrize("headers", BAD.values(), ids=BAD.keys())
def test_a_head_with_two_readings_is_refused(headers: list[tuple[str, str]]) -> None:
    """Each of these is one that aiohttp lets through or might one day."""
    with pytest.raises(Refused) as caught:
        check(request(*headers))
    assert caught.value.denial.code is Code.REQUEST_INVALID


GOOD = {
    "a plain head": [HOST],
    "a Host with a port": [("Host", "127.0.0.1:8080")],
    "an IPv6 Host": [("Host", "[::1]:8080")],
    "curl's expectation": [HOST, ("Expect", "100-Continue")],
}


@pytest.mark.parametrize("headers", GOOD.values(), ids=GOOD.keys())
def test_an_ordinary_head_passes(headers: list[tuple[str, str]]) -> None:
    """What real clients send is not in the way of these checks."""
    check(request(*headers))


def test_http_1_0_may_lack_a_host() -> None:
    """Health checks of old load balancers speak HTTP/1.0."""
    check(request(version=HttpVersion10))


FRAMINGS = {
    "no length": [],
    "chunks": [("Transfer-Encoding", "chunked")],
    "both": [("Content-Length", "5"), ("Transfer-Encoding", "chunked")],
}


@pytest.mark.parametrize("headers", FRAMINGS.values(), ids=FRAMINGS.keys())
def test_a_body_has_one_length(headers: list[tuple[str, str]]) -> None:
    """No upload client sends chunks, and two framings are one too many."""
    with pytest.raises(Refused) as caught:
        body_length(request(*headers))
    assert caught.value.denial.code is Code.LENGTH_REQUIRED


def test_the_length_of_a_body() -> None:
    """In bytes."""
    assert body_length(request(("Content-Length", "5"))) == 5


@pytest.mark.parametrize("headers", [[("Content-Length", "5")], [("Transfer-Encoding", "chunked")]])
def test_a_read_has_no_body(headers: list[tuple[str, str]]) -> None:
    """A body on a GET is a request within a request."""
    with pytest.raises(Refused):
        no_body(request(*headers))
    no_body(request(("Content-Length", "0")))
    no_body(request())


PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]

HOPS = {
    "nobody is trusted, so the header is anybody's claim": ("10.0.0.1", ["203.0.113.9"], [], "10.0.0.1"),
    "a trusted proxy names the client": ("10.0.0.1", ["203.0.113.9"], PROXIES, "203.0.113.9"),
    "an untrusted peer names nobody": ("192.0.2.1", ["203.0.113.9"], PROXIES, "192.0.2.1"),
    "what the client itself claims stands further left": ("10.0.0.1", ["1.1.1.1, 203.0.113.9"], PROXIES, "203.0.113.9"),
    "a chain of our own proxies is walked": ("10.0.0.1", ["203.0.113.9, 10.0.0.2"], PROXIES, "203.0.113.9"),
    "two headers are one list": ("10.0.0.1", ["1.1.1.1", "203.0.113.9"], PROXIES, "203.0.113.9"),
    "no header leaves the proxy": ("10.0.0.1", [], PROXIES, "10.0.0.1"),
    "no address ends the walk": ("10.0.0.1", ["203.0.113.9, unknown"], PROXIES, "10.0.0.1"),
    "a mapped address is the IPv4 one": ("::ffff:10.0.0.1", ["203.0.113.9"], PROXIES, "203.0.113.9"),
    "IPv6 works as well": ("fd00::1", ["2001:db8::9"], PROXIES, "2001:db8::9"),
    "a scope is no part of the address": ("fe80::1%eth0", [], [], "fe80::1"),
}


@pytest.mark.parametrize(("peer", "values", "trusted", "expected"), HOPS.values(), ids=HOPS.keys())
def test_who_sent_it(peer: str, values: list[str], trusted: list, expected: str) -> None:  # type: ignore[type-arg]
    """The address that rules and throttles see."""
    headers = [("X-Forwarded-For", value) for value in values]
    assert address_of(request(*headers, peer=(peer, 1)), trusted) == ip_address(expected)


def test_a_unix_socket_has_no_address() -> None:
    """Then no network rule matches but the widest."""
    assert address_of(request(peer=""), []) == ip_address("0.0.0.0")


def test_what_a_client_calls_itself_is_bounded_printable_text() -> None:
    """It goes into logs, the record and terminals."""
    said = client_of(request(("User-Agent", "twine\x1b[31m\u202e" + "x" * 1000)))
    assert said.startswith("twine?[31m?")
    assert len(said) == CLIENT_LIMIT
