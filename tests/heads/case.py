"""One ambiguous request head, and the pieces that the tables are written with.

A head is bytes with a few marks in it, because where pages are and what a key looks like is the scene's to say:
`@PAGE@` is the target of a page that the key may read, `@UP@` where uploads go, `@PATH@` the page without its final
slash, `@AUTH@` a credential that is good for both, `@HOST@` the host that clients see. Whatever a client claims and
nobody may believe holds the word `evil`; whatever stands where a body should be and is a request asks for `SMUGGLED`.
"""

from dataclasses import dataclass
from enum import Enum

from tests.peers.forms import BOUNDARY, body_of, parts_of
from tests.peers.packages import wheel

SMUGGLED = "acme-smuggled"
EVIL = b"evil"


class Reach(Enum):
    """What of a request may arrive at the index."""

    NOTHING = "nothing"
    PAGE = "the page, once"
    UPLOAD = "the upload, once, and what it takes to decide about it"


@dataclass(frozen=True, slots=True)
class Head:
    """`reach` where the client speaks to us; `behind` where a web server in front has had its chance to refuse it, or
    to write it anew without its ambiguity.
    """

    id: str
    raw: bytes
    reach: Reach = Reach.NOTHING
    behind: Reach | None = None

    @property
    def reach_behind(self) -> Reach:
        return self.reach if self.behind is None else self.behind


LINE = b"\r\n"
AUTH = b"Authorization: @AUTH@"
HOST = b"Host: @HOST@"
FORM = f"Content-Type: multipart/form-data; boundary={BOUNDARY}".encode()
BODY = body_of(parts_of(wheel("acme-core", "1.0")))
INNER = LINE.join((b"GET @SMUGGLED@ HTTP/1.1", HOST, AUTH, b"", b""))  # where a body should be


def latin(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")


def head(first: str | bytes, *headers: str | bytes, body: bytes = b"", end: bytes = LINE) -> bytes:
    """These lines, and what follows them; nothing is added or checked."""
    return end.join([latin(first), *(latin(each) for each in headers), b"", b""]) + body


def get(*headers: str | bytes, body: bytes = b"", target: str | bytes = b"@PAGE@") -> bytes:
    """A read that would pass without `headers`."""
    return head(b"GET " + latin(target) + b" HTTP/1.1", HOST, AUTH, *headers, body=body)


def post(*headers: str | bytes, body: bytes = b"", target: str | bytes = b"@UP@") -> bytes:
    """A request to where uploads go, whose framing only `headers` tell."""
    return head(b"POST " + latin(target) + b" HTTP/1.1", HOST, AUTH, FORM, *headers, body=body)


def upload(*headers: str | bytes, target: str | bytes = b"@UP@") -> bytes:
    """An upload that would pass without `headers`."""
    return post(*headers, f"Content-Length: {len(BODY)}", body=BODY, target=target)


def number(raw: bytes, what: int) -> bytes:
    """Put a number where `@N@` stands."""
    return raw.replace(b"@N@", str(what).encode())
