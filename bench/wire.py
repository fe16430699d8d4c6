"""A blocking HTTP/1.1 client that costs next to nothing: the load generator shares two cores with what it measures.

http.client spends about 100 us per answer in the e-mail parser, as much as some of the servers need for a request.
This one reads what the peers here send (Content-Length, chunked, or until close) and trusts it: not for strangers.
"""

import socket
from dataclasses import dataclass

# Longer than any one request here takes (1 GiB through pypiserver on a busy machine): a hung server ends the run.
TIMEOUT_SECONDS = 120.0
PIECE = 1 << 16
# recv with MSG_TRUNC drops the bytes in the kernel (tcp(7)): a large read costs the client no copy and hardly a core.
DROP_PIECE = 1 << 22


class WireError(Exception):
    """The peer broke off or answered something that is no HTTP response."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: `body` is empty where it was dropped unread, `size` counts its bytes either way."""

    status: int
    reason: str
    body: bytes
    size: int


class Wire:
    """One connection, opened when needed and opened anew when the peer closed it."""

    def __init__(self, port: int, source: str | None = None) -> None:
        self.port = port
        self._source = (source, 0) if source else None
        self._socket: socket.socket | None = None
        self._rest = b""

    def connect(self) -> socket.socket:
        """The open socket; a new one where there is none."""
        if self._socket is None:
            address = ("127.0.0.1", self.port)
            self._socket = socket.create_connection(address, TIMEOUT_SECONDS, source_address=self._source)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._rest = b""
        return self._socket

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def exchange(self, request: bytes) -> Answer:
        """Send a request and read its answer; once more where a kept-alive connection turns out to be closed."""
        reused = self._socket is not None
        try:
            self.connect().sendall(request)
            return self.answer()
        except (WireError, ConnectionError):
            self.close()
            if not reused:
                raise
        self.connect().sendall(request)
        return self.answer()

    def answer(self, *, drop: bool = False) -> Answer:
        """Read one response; with `drop` a body of known length is thrown away in the kernel."""
        head = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        _, status, reason = (*head[0].split(" ", 2), "")[:3]
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        closes = fields.get("connection", "").lower() == "close" or head[0].startswith("HTTP/1.0")
        if fields.get("transfer-encoding", "").lower() == "chunked":
            body = self._chunked()
        elif "content-length" not in fields:
            body, closes = self._to_the_end(), True
        elif drop:
            body = b""
            self._drop(int(fields["content-length"]))
        else:
            body = self._exactly(int(fields["content-length"]))
        if closes:
            self.close()
        return Answer(int(status), reason, body, int(fields["content-length"]) if drop else len(body))

    def _receive(self) -> bytes:
        piece = self.connect().recv(PIECE)
        if not piece:
            raise WireError("the peer closed the connection in the middle of an answer")
        return piece

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._rest:
            self._rest += self._receive()
        found, _, self._rest = self._rest.partition(mark)
        return found

    def _exactly(self, size: int) -> bytes:
        pieces, have = [self._rest], len(self._rest)
        while have < size:
            pieces.append(self._receive())
            have += len(pieces[-1])
        joined = b"".join(pieces)
        self._rest = joined[size:]
        return joined[:size]

    def _drop(self, size: int) -> None:
        left, self._rest = size - len(self._rest), b""
        room = bytearray(min(size, DROP_PIECE))
        while left > 0:
            gone = self.connect().recv_into(room, min(left, DROP_PIECE), socket.MSG_TRUNC)
            if not gone:
                raise WireError("the peer closed the connection in the middle of an answer")
            left -= gone

    def _chunked(self) -> bytes:
        pieces = []
        while size := int(self._until(b"\r\n").split(b";")[0], 16):
            pieces.append(self._exactly(size))
            self._exactly(2)
        self._until(b"\r\n")
        return b"".join(pieces)

    def _to_the_end(self) -> bytes:
        pieces, self._rest = [self._rest], b""
        while piece := self.connect().recv(PIECE):
            pieces.append(piece)
        return b"".join(pieces)
