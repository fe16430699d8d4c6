"""A relay before a real index, which does to an upload on its way what networks and broken servers do.

Everything that is no upload passes, unless `everything` is set. Nothing is read that a fault does not need: where an
answer comes early, the rest of the request stays in the socket, as it does with a server that has stopped reading.
"""

import random
import re
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field

from tests.peers.ports import LOOPBACK, Address

HELD = 20.0  # seconds for which a hung connection is held at most
PIECE = 16 * 1024
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time: close() sends RST
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(slots=True)
class Passing:
    """One request on its way: from `client`, to `index`, which is connected to when something goes there."""

    client: socket.socket
    address: Address
    dice: random.Random
    taken: bytes = b""
    size: int = 0  # of the whole request
    sent: int = 0
    index: socket.socket | None = None

    def begin(self) -> bool:
        """Read the head."""
        while b"\r\n\r\n" not in self.taken:
            piece = self.client.recv(PIECE)
            self.taken += piece
            if not piece:
                return False
        head, _, _ = self.taken.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        self.size = len(head) + 4 + (int(length[1]) if length else 0)
        return True

    @property
    def is_upload(self) -> bool:
        return self.taken.startswith(b"POST ") and not self.taken.startswith(b"POST /+login")

    def somewhere(self) -> int:
        """A number of bytes: at either end more often than between. Of a read, which is a head alone, nothing or all:
        half a head that a relay keeps to itself stops an index with one thread, and nobody before it can help that.
        """
        if not self.is_upload:
            return self.dice.choice((0, self.size))
        return self.dice.choice((0, self.size, *(self.dice.randint(0, self.size) for _ in range(4))))

    def take(self, size: int) -> None:
        """Read so many bytes of the request."""
        while len(self.taken) < size and (piece := self.client.recv(PIECE)):
            self.taken += piece

    def forward(self, size: int) -> None:
        """Give so many bytes of it to the index."""
        self.take(size)
        if self.index is None:
            self.index = socket.create_connection(self.address, timeout=HELD)
        self.index.sendall(self.taken[self.sent : size])
        self.sent = size

    def answer(self) -> bytes:
        """What the index says, as far as it is one piece."""
        assert self.index is not None
        return self.index.recv(PIECE)

    def say(self, octets: bytes) -> None:
        self.client.sendall(octets)

    def hold(self) -> None:
        """Until the other side gives up."""
        with suppress(TimeoutError, OSError):
            self.client.settimeout(HELD)
            poll = select.poll()
            poll.register(self.client, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
            poll.poll(HELD * 1000)

    def reset(self) -> None:
        for each in (self.client, self.index):
            if each is not None:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


Fault = Callable[[Passing], None]


def hangs(request: Passing) -> None:
    """Takes a part and passes on a part, or all of it, and never says a word."""
    if request.dice.random() < 0.3:
        request.take(request.somewhere())
    else:
        request.forward(request.somewhere())
    request.hold()


def dies(request: Passing) -> None:
    """Ends in the middle: of the request, behind it, or of the answer."""
    size = request.somewhere()
    request.forward(size)
    if size == request.size and request.dice.random() < 0.5:
        said = request.answer()
        request.say(said[: request.dice.randint(0, max(0, len(said) - 1))])
    if request.dice.random() < 0.5:
        request.reset()


def _reply(status: str, body: bytes = b"", *more: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *more, "", ""]
    return "\r\n".join(lines).encode() + body


_EARLY = ("200 OK", "201 Created", "204 No Content", "400 Bad Request", "409 Conflict", "413 Too Large", "500 Oh No")


def answers_early(request: Passing) -> None:
    """Answers before it has read everything, mostly with a yes, and stops reading, goes on, or ends."""
    size = request.dice.randint(0, request.size - 1)
    if request.is_upload and request.dice.random() < 0.5:
        request.forward(size)
    else:
        request.take(size)
    request.say(_reply(request.dice.choice(_EARLY[:2] * 4 + _EARLY)))
    match request.dice.randrange(3):
        case 0:
            request.hold()
        case 1:
            request.take(request.size)
        case _:
            request.reset()


def lies(request: Passing) -> None:
    """Takes everything, says yes, and has stored nothing, or a part."""
    request.take(request.size)
    if request.dice.random() < 0.5:
        request.forward(request.somewhere() * 9 // 10)
    page = b"<html><body>Saved. Thank you!</body></html>"
    request.say(_reply(request.dice.choice(("200 OK", "201 Created", "202 Accepted")), page))


_GARBAGE = (
    b"\x00" * 500,
    b"HTTP/1.1 200",
    b"HTTP/1.1 200 OK\r\nContent-Le",
    b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    b"HTTP/1.1 200 OK\r\nX: " + b"a" * 300_000,
    b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 20_000 + b"\r\n",
    b"HTTP/1.1 999 OK\r\n\r\n",
    b"HTTP/1.1 000 OK\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
    b"HTTP/9.9 200 OK\r\n\r\n",
    b"220 smtp.test ESMTP\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
    b"<html>200 OK</html>",
)


def garbage(request: Passing) -> None:
    """Answers in what is no HTTP, or is nearly; the request may have arrived all the same."""
    if request.dice.random() < 0.5:
        request.forward(request.size)
        request.answer()
    else:
        request.take(request.size)
    fixed = request.dice.random() < 0.8
    request.say(request.dice.choice(_GARBAGE) if fixed else request.dice.randbytes(request.dice.randint(1, 5_000)))


_PLACES = ("/", "/simple/", "http://127.0.0.1:1/", "//evil.test/", "", "\\", "https://127.0.0.1/")


def redirects(request: Passing) -> None:
    """Sends the client elsewhere; the request may have arrived all the same."""
    if request.dice.random() < 0.3:
        request.forward(request.size)
        request.answer()
    else:
        request.take(request.size)
    status = request.dice.choice(("301 Moved", "302 Found", "303 See Other", "307 Again", "308 Forever", "300 Many"))
    request.say(_reply(status, b"elsewhere", f"Location: {request.dice.choice(_PLACES)}"))


FAULTS: dict[str, Fault] = {
    "hangs": hangs,
    "dies": dies,
    "answers early": answers_early,
    "lies": lies,
    "sends garbage": garbage,
    "redirects": redirects,
}


@dataclass
class Relay:
    """The running relay. `fault` is what becomes of the next uploads; None passes them."""

    address: Address
    behind: Address
    dice: random.Random
    fault: Fault | None = None
    everything: bool = False
    suffered: int = 0
    open: set[socket.socket] = field(default_factory=set)
    ill: set[socket.socket] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def heal(self) -> None:
        """End the fault; a kept connection that hangs ends, as with a server that is started again."""
        self.fault, self.everything = None, False
        with self.lock:
            for client in self.ill:
                with suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}/"

    def serve(self, client: socket.socket) -> None:
        """One connection, whatever happens on it."""
        with self.lock:
            self.open.add(client)
            dice = random.Random(self.dice.random())
        request = Passing(client, self.behind, dice)
        client.settimeout(HELD * 2)
        with closing(client), suppress(OSError):
            try:
                if not request.begin():
                    return
                fault = self.fault
                if fault is not None and (self.everything or request.is_upload):
                    with self.lock:
                        self.suffered += 1
                        if not request.is_upload:  # whose connection the proxy has to end itself
                            self.ill.add(client)
                    fault(request)
                else:
                    self._pass(request)
            finally:
                if request.index is not None:
                    request.index.close()
                with self.lock:
                    self.open.discard(client)
                    self.ill.discard(client)

    def _pass(self, request: Passing) -> None:
        """Both ways, until one side ends."""
        request.index = socket.create_connection(self.behind, timeout=HELD)
        request.index.sendall(request.taken)
        ways = {request.client: request.index, request.index: request.client}
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            ready, _, _ = select.select(list(ways), [], [], 5)
            for each in ready:
                piece = each.recv(PIECE)
                if not piece:
                    return
                ways[each].sendall(piece)


@contextmanager
def relay(behind: Address, seed: int = 7) -> Iterator[Relay]:
    """Run a relay on a port of its own, one thread for each connection."""
    with socket.create_server((LOOPBACK, 0), backlog=256) as listener:
        running = Relay(listener.getsockname(), behind, random.Random(seed))

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=running.serve, args=(client,), daemon=True).start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield running
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            accepting.join(5)
            for client in tuple(running.open):
                with suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
