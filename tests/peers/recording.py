"""An index's double that is a real server: it records every byte it saw and answers what the test tells it.

Set `recording.answer` to a callable from `Seen` to a `Reply`, `Raw`, `Hang` or `Early`. What a test then asserts is
what arrived (`requests`, `octets`), not what somebody was asked to call.
"""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.peers.ports import LOOPBACK, Address

PATIENCE = 20.0  # seconds a connection may be silent before its thread ends
HANG_AT_MOST = 60.0  # seconds; a hung connection is held no longer than any test runs
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time: close() sends RST


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived. `headers` keep their order and their spelling; `connection` counts from 1."""

    connection: int
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    raw: bytes

    def header(self, name: str) -> str | None:
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None


@dataclass(frozen=True, slots=True)
class Reply:
    """A well-formed response."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    reason: str = "Said So"

    def encode(self) -> bytes:
        named = {name.lower() for name, _ in self.headers}
        length = () if "content-length" in named else (("Content-Length", str(len(self.body))),)
        lines = [f"HTTP/1.1 {self.status} {self.reason}", *(f"{k}: {v}" for k, v in (*self.headers, *length)), "", ""]
        return "\r\n".join(lines).encode("latin-1") + self.body


@dataclass(frozen=True, slots=True)
class Raw:
    """These bytes, then the end of the connection, by a reset if so wished."""

    octets: bytes
    reset: bool = False


@dataclass(frozen=True, slots=True)
class Hang:
    """No answer at all while the test runs."""


@dataclass(frozen=True, slots=True)
class Early:
    """A response after `after` bytes of the body; the rest is read by nobody, the connection stays open."""

    reply: Reply
    after: int = 0


Script = Reply | Raw | Hang | Early
Answerer = Callable[[Seen], Script]


def empty_index(seen: Seen) -> Script:
    """What an index says that takes every upload and has no project yet."""
    return Reply(200) if seen.method == "POST" else Reply(404, b"no such project")


@dataclass
class RecordingIndex:
    """The server's record. `octets` is everything that came in, whole requests or not, over all connections."""

    address: Address
    answer: Answerer = empty_index
    early: Early | None = None
    requests: list[Seen] = field(default_factory=list)
    connections: int = 0
    octets: bytes = b""
    ended: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}/"

    @property
    def uploads(self) -> list[Seen]:
        return [seen for seen in self.requests if seen.method == "POST"]

    def forget(self) -> None:
        """Start over: nothing seen, everything accepted."""
        with self.lock:
            self.requests.clear()
            self.connections, self.octets = 0, b""
            self.answer, self.early = empty_index, None

    def assert_saw_nothing(self) -> None:
        """The law about refusals: the index is not even connected to."""
        assert (self.connections, self.octets) == (0, b""), f"the index saw {self.octets[:500]!r}"


@contextmanager
def recording_index() -> Iterator[RecordingIndex]:
    """Run the double on a port of its own, one thread for each connection."""
    with socket.create_server((LOOPBACK, 0), backlog=128) as listener:
        index = RecordingIndex(listener.getsockname())
        accepting = threading.Thread(target=_accept, args=(listener, index), daemon=True)
        accepting.start()
        try:
            yield index
        finally:
            index.ended.set()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            accepting.join(PATIENCE)


def _accept(listener: socket.socket, index: RecordingIndex) -> None:
    while not index.ended.is_set():
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with index.lock:
            index.connections += 1
            number = index.connections
        threading.Thread(target=_serve, args=(connection, number, index), daemon=True).start()


def _serve(connection: socket.socket, number: int, index: RecordingIndex) -> None:
    connection.settimeout(PATIENCE)
    with connection, suppress(OSError):
        reader = _Reader(connection, index)
        while (seen := reader.request(number)) is not None and _say(connection, index, seen):
            pass


def _say(connection: socket.socket, index: RecordingIndex, seen: Seen) -> bool:
    """Answer; whether the connection goes on."""
    with index.lock:
        index.requests.append(seen)
    script = index.early or index.answer(seen)
    match script:
        case Reply():
            connection.sendall(script.encode())
            return (seen.header("Connection") or "").lower() != "close"
        case Raw():
            connection.sendall(script.octets)
            if script.reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            return False
        case Early():
            connection.sendall(script.reply.encode())
            index.ended.wait(HANG_AT_MOST)
            return False
        case Hang():
            index.ended.wait(HANG_AT_MOST)
            return False


class _Reader:
    """Reads requests off one connection, recording each byte before anyone looks at it."""

    def __init__(self, connection: socket.socket, index: RecordingIndex) -> None:
        self._connection = connection
        self._index = index
        self._unread = b""

    def request(self, number: int) -> Seen | None:
        head = self._until(b"\r\n\r\n")
        if head is None:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        method, _, rest = first.partition(" ")
        headers = tuple((k, v.strip()) for k, _, v in (line.partition(":") for line in lines))
        sizes = {k.lower(): v for k, v in headers}
        early = self._index.early
        size = int(sizes.get("content-length", "0"))
        if "transfer-encoding" in sizes:
            body = self._chunked()
        else:
            body = self._exactly(size if early is None else min(early.after, size))
        target = rest.rpartition(" ")[0]
        return Seen(number, method, target, headers, body, head + b"\r\n\r\n" + body)

    def _more(self) -> bool:
        piece = self._connection.recv(262144)
        with self._index.lock:
            self._index.octets += piece
        self._unread += piece
        return bool(piece)

    def _until(self, mark: bytes) -> bytes | None:
        while mark not in self._unread:
            if not self._more():
                return None
        found, self._unread = self._unread.split(mark, 1)
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._unread) < size and self._more():
            pass
        found, self._unread = self._unread[:size], self._unread[size:]
        return found

    def _chunked(self) -> bytes:
        pieces = []
        while (line := self._until(b"\r\n")) is not None and (size := int(line.split(b";")[0], 16)):
            pieces.append(self._exactly(size))
            self._until(b"\r\n")
        self._until(b"\r\n")
        return b"".join(pieces)
