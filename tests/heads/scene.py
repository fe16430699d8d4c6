"""A recording index, authproxy before it, and what stands before that: where a head is sent and what came of it.

Behind every head, on the same connection, comes a canary: an honest read of a page that nobody else asks for. Behind a
web server a second one follows on a connection of its own, which would get what the head left in a shared connection.
"""

import json
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tests.heads.case import EVIL, INNER, SMUGGLED, Head, Reach
from tests.peers import wire
from tests.peers.ports import LOOPBACK, Address
from tests.peers.recording import RecordingIndex, Reply, Script, Seen

HOST = "pypi.example.com"
SERVICE = ("service", "s3cret-passw0rd")
POLICIES = {"release": {"allow": [{"actions": ["upload", "read"], "packages": ["acme-*"], "create": True}]}}
QUIET = 0.5  # seconds in which nothing comes: then the server waits for more of a body
PATIENCE = 15.0  # seconds for the first byte of an answer that must come
# What an index may be told. Everything else of a request is the client's and stays here.
KNOWN = {
    *("host", "authorization", "user-agent", "connection", "content-type", "content-length"),
    *("accept", "accept-encoding", "accept-language", "cache-control", "range"),
    *("if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"),
    *("x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-outside-url"),
}


@dataclass(frozen=True, slots=True)
class Paths:
    """Where things are in an index: where uploads go, and the page of a project."""

    upload: str
    simple: str

    def page(self, project: str) -> str:
        return f"{self.simple}{project}/"


PYPISERVER = Paths("/", "/simple/")
DEVPI = Paths("/team/dev/", "/team/dev/+simple/")


def answers(seen: Seen) -> Script:
    """An index in which every project exists and is empty, and whose pages say what was asked."""
    if seen.target == "/+login":
        return Reply(200, json.dumps({"result": {"password": "session", "expiration": 36_000}}).encode())
    if "?" in seen.target:  # the listing of a project in devpi, which the proxy asks for before an upload
        return Reply(404)
    headers = (("Content-Type", "text/html"), ("X-Target", seen.target))
    return Reply(200, b"" if seen.method == "HEAD" else b"<html><body></body></html>", headers)


@dataclass
class Came:
    """What came of one head: the answers on its connection, and what the index saw."""

    head: Head
    answers: list[tuple[int, str]]  # status, and which target it is about where it says so
    seen: list[Seen]
    other: tuple[int, str] | None = None  # the canary on a connection of its own


@dataclass
class Way:
    """One way to the index."""

    name: str
    address: Address
    index: RecordingIndex
    paths: Paths
    key: str = field(repr=False)
    tls: ssl.SSLContext | None = None
    service: Sequence[str] = ()  # Authorization headers that are the proxy's own
    behind: bool = False
    number: int = 0
    faults: list[str] = field(default_factory=list)

    def connection(self) -> socket.socket:
        raw = socket.create_connection(self.address, timeout=PATIENCE)
        return raw if self.tls is None else self.tls.wrap_socket(raw, server_hostname=LOOPBACK)

    def filled(self, raw: bytes) -> bytes:
        """Put targets, the credential and lengths where their marks stand."""
        marks = {
            b"@SMUGGLED@": self.paths.page(SMUGGLED).encode(),
            b"@PAGE@": self.paths.page("acme-core").encode(),
            b"@PATH@": self.paths.page("acme-core").rstrip("/").encode(),
            b"@UP@": self.paths.upload.encode(),
            b"@AUTH@": wire.basic("__token__", self.key).encode(),
            b"@HOST@": HOST.encode(),
        }
        inner = INNER
        for mark, value in marks.items():
            raw, inner = raw.replace(mark, value), inner.replace(mark, value)
        raw = raw.replace(b"@SIZE@", b"%x" % len(inner))
        begins = _HEAD_ENDS.search(raw)
        return raw.replace(b"@N@", str(len(raw) - begins.end() if begins else 0).encode())

    def canary(self, number: int) -> tuple[str, bytes]:
        target = self.paths.page(f"acme-canary-{number}")
        credential = ("Authorization", wire.basic("__token__", self.key))
        return target, wire.head("GET", target, [("Connection", "close"), credential], host=HOST)

    def send(self, head: Head) -> Came:
        """Send a head with its canary; then another canary."""
        self.number += 2
        with self.index.lock:
            self.index.requests.clear()
        _, canary = self.canary(self.number)
        raw = self.filled(head.raw) + canary
        with self.connection() as connection:
            with suppress(OSError):
                connection.sendall(raw)
            said = _said(connection)
            # Half a second is little on a loaded machine: what has reached the index is answered still.
            owed = self.paths.page(f"acme-canary-{self.number}")
            connection.settimeout(PATIENCE)
            with suppress(OSError):
                while self._saw(owed) and owed.encode() not in said and (piece := connection.recv(65_536)):
                    said += piece
            came = Came(head, _answers(said, head.raw.startswith(b"HEAD ")), [])
        if self.behind:
            target, canary = self.canary(self.number + 1)
            with self.connection() as connection:
                connection.sendall(canary)
                found = _answers(_said(connection), to_head=False)
            came.other = found[0] if found and found[0] != (200, target) else None
        with self.index.lock:
            came.seen = list(self.index.requests)
        return came

    def _saw(self, target: str) -> bool:
        with self.index.lock:
            return any(seen.target == target for seen in self.index.requests)

    def judge(self, came: Came) -> list[str]:
        """What must not be."""
        head, name = came.head, came.head.id
        found = [f"{name}: answered {status}" for status, _ in came.answers if status >= 500 and not self._may(status)]
        if came.other is not None:
            found.append(f"{name}: somebody else was answered {came.other}")
        canaries = [self.paths.page(f"acme-canary-{n}") for n in (self.number, self.number + 1)]
        left = [seen for seen in came.seen if seen.target not in {*canaries, "/+login"}]
        inner = self.paths.page(SMUGGLED)
        if self.behind and len(came.answers) > 2 and came.answers[1] == (200, inner):
            # A web server gives an answer for each request that it saw itself: to it, this one was the second of three.
            left = [seen for seen in left if seen.target != inner]
        for target in canaries:
            count = sum(seen.target == target for seen in came.seen)
            if count > 1 or (count and target == canaries[0] and (200, target) not in came.answers):
                found.append(f"{name}: its canary came {count} times, the answers are {came.answers}")
        reach = head.reach_behind if self.behind else head.reach
        found += [f"{name}: {fault}" for fault in self._unwanted(left, reach)]
        found += [f"{name}: {fault}" for seen in came.seen for fault in self._told(seen)]
        return found

    def _may(self, status: int) -> bool:
        # What a web server says by itself of a method, a coding or a version that it does not know.
        return self.behind and status in {501, 505}

    def _unwanted(self, seen: Sequence[Seen], reach: Reach) -> Iterator[str]:
        page = self.paths.page("acme-core")
        allowed = {
            Reach.NOTHING: set(),
            Reach.PAGE: {("GET", page), ("HEAD", page)},
            Reach.UPLOAD: {
                ("GET", page),
                ("POST", self.paths.upload),
                ("GET", f"{self.paths.upload}acme-core?ignore_bases="),
            },
        }[reach]
        for each in seen:
            if (each.method, each.target) not in allowed:
                yield f"{each.method} {each.target[:80]!r} reached the index"
        limit = {Reach.PAGE: 1, Reach.UPLOAD: 2}.get(reach, 0)
        if sum(each.target == page for each in seen) > limit or sum(each.method == "POST" for each in seen) > 1:
            yield f"more than one request reached the index: {[(s.method, s.target) for s in seen]}"

    def _told(self, seen: Seen) -> Iterator[str]:
        names = {name.lower() for name, _ in seen.headers}
        if names - KNOWN:
            yield f"the index was told {sorted(names - KNOWN)}"
        if EVIL in seen.raw.lower() or b"6.6.6.6" in seen.raw:
            yield "the index was told what only the client said"
        for name, value in seen.headers:
            wanted = {"host": {HOST}, "x-forwarded-host": {HOST}, "x-forwarded-for": {LOOPBACK}}.get(name.lower())
            if wanted is not None and value not in wanted:
                yield f"the index was told {name}: {value[:80]!r}"
            if name.lower() == "authorization" and value not in self.service:
                yield "the index was told somebody's credential"
            if name.lower() == "transfer-encoding":
                yield "the index got chunks"


def _said(connection: socket.socket) -> bytes:
    """All that comes until the end, or until nothing more comes."""
    said = b""
    connection.settimeout(QUIET)
    with suppress(TimeoutError, OSError):
        while piece := connection.recv(65_536):
            said += piece
    return said


_HEAD_ENDS = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(rb"HTTP/[01]\.[019] ([1-5][0-9][0-9]) ?[^\r]*\r\n((?:[^\r]+\r\n)*)\r\n")


def _answers(said: bytes, to_head: bool) -> list[tuple[int, str]]:
    """The status of each answer, and the target that it is about; bodies are skipped by their framing."""
    found, at = [], 0
    while (match := _STATUS.match(said, at)) is not None:
        status, at = int(match[1]), match.end()
        headers = {
            key.strip().lower(): value.strip()
            for key, _, value in (line.partition(b":") for line in match[2].split(b"\r\n"))
        }
        if status < 200:
            continue
        found.append((status, headers.get(b"x-target", b"").decode("latin-1")))
        if not (to_head and len(found) == 1):
            at = _behind_body(said, at, headers)
    return found


def _behind_body(said: bytes, at: int, headers: dict[bytes, bytes]) -> int:
    if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
        end = said.find(b"0\r\n\r\n", at)
        return len(said) if end < 0 else end + 5
    return at + int(headers[b"content-length"]) if b"content-length" in headers else len(said)


def walked(way: Way, heads: Sequence[Head], told: Callable[[str], object] = print) -> list[str]:
    """Send every head; what must not be of any of them."""
    answered, canaries, faults = 0, 0, []
    for head in heads:
        came = way.send(head)
        faults += way.judge(came)
        answered += bool(came.answers)
        canaries += any("acme-canary-" in seen.target and str(way.number) in seen.target for seen in came.seen)
    told(f"{way.name}: {len(heads)} heads, {answered} answered, {canaries} canaries arrived, {len(faults)} faults")
    return faults
