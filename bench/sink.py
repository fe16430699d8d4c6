"""An index that keeps nothing: `python -m bench.sink PORT`. It takes uploads as fast as a loopback socket gives them.

It shows what a proxy costs where no index behind it parses or stores. Each upload is one line of JSON on stdout: the
monotonic times (comparable between programs on Linux) of its first and last byte.
"""

import contextlib
import json
import socket
import sys
import threading
import time

from bench.wire import DROP_PIECE

HEAD_PIECE = 1 << 16
BODY = b"<!DOCTYPE html><html><body> </body></html>"
PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
TAKEN = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n"


def main() -> None:
    """Serve until killed."""
    server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    while True:
        opened, _ = server.accept()
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(opened,), daemon=True).start()


def serve(opened: socket.socket) -> None:
    """Answer the requests of one connection."""
    with opened, contextlib.suppress(ConnectionError):  # a proxy may drop a connection that it is done with
        while piece := opened.recv(HEAD_PIECE):
            first = time.monotonic()
            while b"\r\n\r\n" not in piece:
                piece += opened.recv(HEAD_PIECE)
            head, _, rest = piece.partition(b"\r\n\r\n")
            if not head.startswith(b"POST"):
                opened.sendall(PAGE)
                continue
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            drop(opened, int(fields[b"content-length"]) - len(rest))
            print(json.dumps({"first": first, "last": time.monotonic()}), flush=True)
            opened.sendall(TAKEN)


def drop(opened: socket.socket, left: int) -> None:
    """Throw away so many bytes of the body, uncopied (recv with MSG_TRUNC, tcp(7))."""
    room = bytearray(min(left, DROP_PIECE))
    while left > 0:
        gone = opened.recv_into(room, min(left, DROP_PIECE), socket.MSG_TRUNC)
        if not gone:
            return
        left -= gone


if __name__ == "__main__":
    main()
