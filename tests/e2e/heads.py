"""Request heads that no honest client sends: what two servers in a row could read differently, or one not at all.

Each line is one request with a key that may upload, so that nothing here is refused for want of a credential. `CANARY`
stands in header values only: it may come back in no answer and no log.
"""

import gzip
from collections.abc import Callable
from dataclasses import dataclass

from tests.peers.forms import BOUNDARY, body_of, parts_of
from tests.peers.packages import wheel
from tests.peers.wire import basic

CANARY = "c4n4ry"
BODY = body_of(parts_of(wheel("acme-core", "1.0")))
FORM = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
CHUNKS = b"%x\r\n" % len(BODY) + BODY + b"\r\n0\r\n\r\n"
BOMB = gzip.compress(BODY + bytes(50_000_000), 9)  # 50 KB that become 50 MB

Request = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Hostile:
    """One request, made for a key, and the statuses that are right for it."""

    case: str
    request: Request
    statuses: tuple[int, ...] = (400,)


def lines(*head: str, body: bytes = b"", end: str = "\r\n") -> Request:
    """A request of these lines; `{basic}` stands for the credential of the key."""

    def request(key: str) -> bytes:
        return end.join([*head, "", ""]).replace("{basic}", basic("__token__", key)).encode("latin-1") + body

    return request


def upload(*headers: str, body: bytes = BODY, first: str = "POST / HTTP/1.1", host: str = "Host: x.test") -> Request:
    """An upload with the right length and something more."""
    return unframed(*headers, f"Content-Length: {len(body)}", body=body, first=first, host=host)


def unframed(*headers: str, body: bytes = BODY, first: str = "POST / HTTP/1.1", host: str = "Host: x.test") -> Request:
    """An upload whose length only `headers` tell."""
    return lines(first, *([host] if host else []), "Authorization: {basic}", FORM, *headers, body=body)


def credential(*headers: str) -> Request:
    """An upload with these headers in place of its credential."""
    return lines("POST / HTTP/1.1", "Host: x.test", *headers, FORM, f"Content-Length: {len(BODY)}", body=BODY)


def bare(first: str, *headers: str, host: str = "Host: x.test") -> Request:
    """A request without a body."""
    return lines(first, *([host] if host else []), "Authorization: {basic}", *headers)


_SIZE = f"Content-Length: {len(BODY)}"

FRAMING = (
    Hostile("two lengths that differ", upload("Content-Length: 5")),
    Hostile("two lengths that agree", upload(_SIZE)),
    Hostile("a list of lengths", unframed(f"{_SIZE}, {len(BODY)}")),
    Hostile("a length with a sign", unframed(f"Content-Length: +{len(BODY)}")),
    Hostile("a negative length", unframed("Content-Length: -1")),
    Hostile("a hexadecimal length", unframed("Content-Length: 0x10")),
    Hostile("a length with an underscore", unframed("Content-Length: 1_0")),
    Hostile("an empty length", unframed("Content-Length:"), (400, 411)),
    Hostile("a length of thirty digits", unframed("Content-Length: " + "9" * 30), (400, 413)),
    Hostile("a length over the limit", unframed("Content-Length: 999999999999"), (413,)),
    Hostile("no length and no body", unframed(body=b""), (411,)),
    Hostile("no length before a body", unframed(), (400, 411)),
    Hostile("chunks", unframed("Transfer-Encoding: chunked", body=CHUNKS), (411,)),
    Hostile("a length after chunks", unframed("Transfer-Encoding: chunked", _SIZE), (400, 411)),
    Hostile("chunks after a length", unframed(_SIZE, "Transfer-Encoding: chunked", body=CHUNKS), (400, 411)),
    Hostile("an unknown coding before chunked", unframed("Transfer-Encoding: cow, chunked", body=CHUNKS), (400, 411)),
    Hostile("chunked twice", unframed("Transfer-Encoding: chunked, chunked", body=CHUNKS), (400, 411)),
    Hostile("chunked in two headers", unframed(*["Transfer-Encoding: chunked"] * 2, body=CHUNKS), (400, 411)),
    Hostile("chunked, but not last", unframed("Transfer-Encoding: chunked, identity", body=CHUNKS), (400, 411)),
    Hostile("a coding that only ends like chunked", upload("Transfer-Encoding: xchunked"), (400, 411)),
    Hostile("gzip as a transfer coding", upload("Transfer-Encoding: gzip"), (400, 411)),
    Hostile("a vertical tab before chunked", unframed("Transfer-Encoding: \x0bchunked", body=CHUNKS), (400, 411)),
    Hostile("a space before the colon", upload("Transfer-Encoding : chunked")),
    Hostile(
        "chunks in HTTP/1.0", unframed("Transfer-Encoding: chunked", body=CHUNKS, first="POST / HTTP/1.0"), (400, 411)
    ),
    Hostile("a chunk size that is no number", unframed("Transfer-Encoding: chunked", body=b"zz\r\n\r\n"), (400, 411)),
    Hostile("a body on a GET", unframed("Content-Length: 4", body=b"body", first="GET /simple/ HTTP/1.1")),
    Hostile("chunks on a GET", bare("GET /simple/ HTTP/1.1", "Transfer-Encoding: chunked")),
)

CREDENTIALS = (
    Hostile("two credentials that agree", credential(*["Authorization: {basic}"] * 2)),
    Hostile("two credentials that differ", credential("Authorization: {basic}", "Authorization: Bearer c4n4ry")),
    Hostile(
        "two credentials, one with a space before its colon", credential("Authorization: {basic}", "Authorization : a")
    ),
    Hostile("a list of credentials", credential("Authorization: {basic}, {basic}"), (401,)),
    Hostile("a credential of nine KiB", credential("Authorization: Bearer " + "a" * 9216), (400, 401, 431)),
    Hostile("basic that is no base64", credential("Authorization: Basic c4n4ry$$$"), (401,)),
    Hostile("basic without a colon", credential("Authorization: Basic YTRhNHJ5"), (401,)),
    Hostile("basic with controls inside", credential("Authorization: Basic AAAAOgAA"), (401,)),
    Hostile("basic that is no UTF-8", credential("Authorization: Basic /////zr///8="), (401,)),
    Hostile("a scheme that nobody speaks", credential("Authorization: Digest username=c4n4ry"), (401,)),
    Hostile("a bearer with a space inside", credential("Authorization: Bearer a c4n4ry"), (401,)),
    Hostile("an empty credential", credential("Authorization:"), (401,)),
    Hostile("letters beyond ASCII", credential("Authorization: Bearer \xe9\xff"), (400, 401)),
    Hostile("the credential in devpi's header", credential("X-Devpi-Auth: {basic}"), (401,)),
    Hostile("the credential in a proxy's header", credential("Proxy-Authorization: {basic}"), (401,)),
    Hostile("the credential in a cookie", credential("Cookie: authorization={basic}"), (401,)),
)


def _targets(method: str, statuses: tuple[int, ...], *targets: str) -> tuple[Hostile, ...]:
    make = upload if method == "POST" else bare
    return tuple(
        Hostile(f"{method} {target!a}", make(first=f"{method} {target} HTTP/1.1"), statuses) for target in targets
    )


TARGETS = (
    *_targets("POST", (400, 403), "//", "///", "/%2f", "/%2F", "/%", "/./", "/../", "/a/..", "/;x", "/\\", "/#a", "/?", "/?:action=remove_pkg"),
    *_targets("POST", (400, 403), "http://x.test/", "HTTP://x.test", "http://index.elsewhere/", "x.test:80", "/simple/", "/simple", "/packages/"),
    *_targets("POST", (400, 403), "/\x7f", "/\xe9", "/\x01", "/a#b", "/legacy/", "*", "", "/-/", "/-/revoked", "/_/oidc/mint"),
    *_targets("GET", (400, 403), "/simple//", "//simple/", "/simple/../", "/simple/./", "/simple/acme%2dcore/", "/simple/%2e%2e/", "/simple/a/b/"),
    *_targets("GET", (400, 403), "/packages/../htpasswd", "/packages/%2e%2e/htpasswd", "/packages//x.whl", "/packages/a\\b.whl", "/packages/x.whl#a"),
    *_targets("GET", (400, 403), "http://x.test/simple/", "/simple/;a/", "/static/a/b", "/simple/\xe9/", "/simple/a b/", "*", "/%00"),
    *_targets("GET", (400, 403), "/" + "a" * 4000),
)  # fmt: skip

METHODS = tuple(
    Hostile(
        f"{method} as a method",
        bare(f"{method} / HTTP/1.1"),
        (400, 403, 405, 501) if method == "TRACE" else (400, 403, 405),
    )
    for method in (
        "PUSH",
        "PUT",
        "PATCH",
        "DELETE",
        "TRACE",
        "OPTIONS",
        "post",
        "get",
        "POST\t",
        "MKCOL",
        "CONNECT",
        "G@T",
    )
)

HEADERS = (
    Hostile("no Host", upload(host="")),
    Hostile("two Hosts", upload("Host: y.test")),
    Hostile("a Host with a space", upload(host="Host: a b")),
    Hostile("a Host with a path", upload(host="Host: x.test/c4n4ry")),
    Hostile("a Host with a user", upload(host="Host: c4n4ry@x.test")),
    Hostile("a Host with half an address", upload(host="Host: [::1")),
    Hostile("a Host that is markup", upload(host="Host: <c4n4ry>")),
    Hostile("an empty Host", upload(host="Host:")),
    Hostile("a NUL in a value", upload("X-Odd: c4n4ry\x00")),
    Hostile("a bare CR in a value", upload("X-Odd: c4n4ry\rX-More: 1")),
    Hostile("a folded header", upload("X-Odd: c4n4ry\r\n folded")),
    Hostile("a space in a name", upload("X Odd: c4n4ry")),
    Hostile("an empty name", upload(": c4n4ry")),
    Hostile("a line without a colon", upload("c4n4ry")),
    Hostile("a name beyond ASCII", upload("X-\xe9: c4n4ry")),
    Hostile("a header of 70 KiB", upload("X-Odd: c4n4ry" + "a" * 70_000), (400, 431)),
    Hostile("ten thousand headers", upload(*["X-Odd: c4n4ry"] * 10_000), (400, 431)),
    Hostile("lines that end in LF alone", lines("POST / HTTP/1.1", "Host: x.test", "Authorization: {basic}", FORM, "X-Odd: c4n4ry", _SIZE, body=BODY, end="\n")),
    Hostile("a compressed body", upload("Content-Encoding: gzip", body=BOMB), (400, 415)),
    Hostile("a deflated body", upload("Content-Encoding: deflate"), (400, 415)),
    Hostile("a body coded by an unknown coding", upload("Content-Encoding: c4n4ry"), (400, 415)),
    Hostile("an expectation nobody meets", upload("Expect: 200-c4n4ry"), (400, 417)),
    Hostile("two expectations", upload("Expect: 100-continue", "Expect: 100-continue"), (400, 417)),
    Hostile("two content types", upload("Content-Type: application/json")),
    Hostile("HTTP/2 without asking", lines("PRI * HTTP/2.0", "", "SM", "")),
    Hostile("HTTP/0.9", lines("GET /")),
    Hostile("HTTP/1.2", bare("GET /simple/ HTTP/1.2"), (400, 505)),
    Hostile("HTTP/11.1", bare("GET /simple/ HTTP/11.1"), (400, 505)),
    Hostile("no version's number", bare("GET /simple/ HTTP/x"), (400, 505)),
    Hostile("TLS on a plain port", lambda _: bytes.fromhex("160301020001000001fc0303") + bytes(500)),
    Hostile("nothing but line ends", lambda _: b"\r\n" * 3 + b"c4n4ry\r\n\r\n"),
)  # fmt: skip

HEADS = (*FRAMING, *CREDENTIALS, *TARGETS, *METHODS, *HEADERS)
