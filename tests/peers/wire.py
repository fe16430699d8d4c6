"""An HTTP/1.1 client that sends exactly the bytes it is given, and reads what comes back with suspicion."""

import base64
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Self

from tests.peers.ports import Address

PATIENCE = 15.0  # seconds for one answer
LONGEST_ANSWER = 64 * 1024 * 1024  # bytes; nothing here asks for more


@dataclass(frozen=True, slots=True)
class Answer:
    """One final response. `headers` keep their order, names in lower case."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name.lower()), None)

    @property
    def text(self) -> str:
        return self.body.decode("utf-8")


class Closed(Exception):
    """The server closed the connection without a whole answer."""


class Conversation:
    """One connection, held open for as long as the `with` lasts."""

    def __init__(self, address: Address, *, timeout: float = PATIENCE) -> None:
        self._socket = socket.create_connection(address, timeout=timeout)
        self._unread = b""
        self.interim: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._socket.sendall(piece)

    def send_what_it_takes(self, raw: bytes) -> None:
        """Send; a server that has answered and closed already may be right to do so."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(raw)

    def end_sending(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def answer(self, *, to_head: bool = False) -> Answer:
        """Read one response, and 1xx ones before it. `to_head`: the request was HEAD, no body follows."""
        while (head := self._head()).status < 200:
            self.interim.append(head.status)
        return head if to_head else replace(head, body=self._body(head.status, dict(head.headers)))

    def go_ahead(self) -> int:
        """Read the head of one response and nothing after it: the status of a 1xx."""
        return self._head().status

    def _head(self) -> Answer:
        lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, _, rest = lines[0].partition(" ")
        if version not in {"HTTP/0.9", "HTTP/1.0", "HTTP/1.1"}:  # aiohttp answers in the version that it was asked in
            raise Closed(f"no status line: {lines[0]!r}")
        code, _, reason = rest.partition(" ")
        headers = tuple((k.lower(), v.strip()) for k, _, v in (line.partition(":") for line in lines[1:]))
        return Answer(int(code), reason, headers, b"")

    def is_closed(self) -> bool:
        """Whether the server has closed; waits for it as long as for an answer."""
        try:
            return self._unread == b"" and self._socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def _body(self, status: int, headers: dict[str, str]) -> bytes:
        if status in {204, 304}:
            return b""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return b"".join(self._chunks())
        if "content-length" in headers:
            return self._exactly(int(headers["content-length"]))
        return self._rest()

    def _chunks(self) -> Iterable[bytes]:
        while size := int(self._until(b"\r\n").split(b";")[0], 16):
            yield self._exactly(size)
            self._until(b"\r\n")
        self._until(b"\r\n")

    def _more(self) -> bool:
        try:
            piece = self._socket.recv(65536)
        except ConnectionResetError:
            piece = b""
        self._unread += piece
        if len(self._unread) > LONGEST_ANSWER:
            raise Closed("the answer does not end")
        return bool(piece)

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._unread:
            if not self._more():
                raise Closed(f"closed after {self._unread[:200]!r}")
        found, self._unread = self._unread.split(mark, 1)
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._unread) < size:
            if not self._more():
                raise Closed(f"closed after {len(self._unread)} of {size} bytes")
        found, self._unread = self._unread[:size], self._unread[size:]
        return found

    def _rest(self) -> bytes:
        while self._more():
            pass
        found, self._unread = self._unread, b""
        return found


def exchange(address: Address, raw: bytes, *, timeout: float = PATIENCE) -> Answer:
    """Send a whole request on a connection of its own; its one answer."""
    with Conversation(address, timeout=timeout) as conversation:
        conversation.send_what_it_takes(raw)
        return conversation.answer(to_head=raw.startswith(b"HEAD "))


def basic(username: str, password: str) -> str:
    """The value of an Authorization header."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")


def head(method: str, target: str, headers: Iterable[tuple[str, str]] = (), *, host: str = "index.test") -> bytes:
    """A request head with a Host and what is given; nothing is checked, escaped or added."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def get(target: str, headers: Iterable[tuple[str, str]] = ()) -> bytes:
    """A GET that asks for the connection to be closed."""
    return head("GET", target, [("Connection", "close"), *headers])
