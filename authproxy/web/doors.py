"""The listening sockets: bound here, or handed over by systemd. What is said through them is nobody's business here.

Several processes have one each for clients, all bound to one address by SO_REUSEPORT: the kernel spreads connections
over them evenly, where processes that share one socket would race for each. They are bound here and begin to listen
when their process is ready to serve, so that no connection is given to one that is not there.
"""

import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from authproxy.config import Address, Config, UnixAddress
from authproxy.web.service import NOTHING, HandedOver

# Connections that wait to be taken; the kernel holds it to net.core.somaxconn. A build server publishes by the hundred.
BACKLOG: Final = 1024


class CannotListen(Exception):
    """An address cannot be bound. `setting` is its key in the config; `number` the system's, 0 where it says more."""

    def __init__(self, setting: str, address: object, number: int, sentence: str = "") -> None:
        super().__init__(sentence or os.strerror(number).lower())
        self.setting = setting
        self.address = address
        self.number = number


@dataclass(frozen=True, slots=True)
class _Place:
    """A file that was made, and is taken away if it is still that one."""

    path: Path
    device: int
    inode: int

    def clear(self) -> None:
        with suppress(OSError):
            found = self.path.lstat()
            if (found.st_dev, found.st_ino) == (self.device, self.inode):
                self.path.unlink()


class Doors:
    """The sockets of one server. A share of them is what one process serves."""

    def __init__(
        self, clients: list[list[socket.socket]], metrics: list[socket.socket], url: str, place: _Place | None = None
    ) -> None:
        self._clients = clients
        self.metrics = metrics
        self.url = url
        self._place = place

    @classmethod
    def open(cls, config: Config, given: HandedOver = NOTHING, *, shares: int = 1) -> Self:
        """Bind what the config names, where systemd hands over nothing for it. Raises CannotListen."""
        scheme = "https" if config.tls else "http"
        with ExitStack() as undo:
            place = None
            if given.clients:
                clients = [list(given.clients) for _ in range(shares)]
            elif isinstance(config.listen, UnixAddress):
                one, place = _unix(config.listen, config.socket_mode)
                undo.callback(place.clear)
                clients = [[one] for _ in range(shares)]
            else:
                clients = _tcp(config.listen, "listen", shares)
            for each in (each for share in clients for each in share):
                undo.callback(each.close)
            metrics = [given.metrics] if given.metrics else []
            if config.metrics is not None and not metrics:
                [metrics] = _tcp(config.metrics, "metrics", 1)
            undo.pop_all()
        return cls(clients, metrics, _url(scheme, clients[0][0], config.listen), place)

    def share(self, number: int) -> list[socket.socket]:
        """The sockets of clients that one process serves; `number` begins at 0."""
        return self._clients[number]

    def renew(self, number: int) -> None:
        """Give up a share of its own with who waits there, so that the kernel gives newcomers to the others.

        It is bound anew and does not listen. A share that is everybody's is left alone.
        """
        for at, old in enumerate(self._clients[number]):
            if any(old in other for other in self._clients if other is not self._clients[number]):
                continue
            self._clients[number][at] = _bound(old.family, old.getsockname(), reuse_port=True)
            old.close()

    def keep_only(self, number: int) -> None:
        """Close what is not this share's: another process serves it."""
        mine = set(self._clients[number])
        for each in {each for share in self._clients for each in share} - mine:
            each.close()

    def close(self, *, clear: bool = True) -> None:
        """Close all of them; take away the file of a unix socket unless another process still serves it."""
        for each in {*(each for share in self._clients for each in share), *self.metrics}:
            each.close()
        if clear and self._place is not None:
            self._place.clear()


def _url(scheme: str, first: socket.socket, listen: Address | UnixAddress) -> str:
    if first.family == socket.AF_UNIX:
        return f"{scheme}+unix:{first.getsockname()}"
    host = listen.host if isinstance(listen, Address) else first.getsockname()[0]
    return f"{scheme}://{Address(host, first.getsockname()[1])}/"


def _bound(family: int, where: object, *, reuse_port: bool) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(where)  # type: ignore[arg-type]
        made.settimeout(0)
    except OSError:
        made.close()
        raise
    return made


def _tcp(address: Address, setting: str, shares: int) -> list[list[socket.socket]]:
    """Bind every address that a host has, once for each share. One of them is enough: many a machine has no IPv6."""
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as exc:
        raise CannotListen(setting, address, 0, f"{address.host} cannot be resolved: {exc.strerror}") from None
    made: list[list[socket.socket]] = [[] for _ in range(shares)]
    absent: OSError | None = None
    port = address.port
    for family, where in dict.fromkeys((each[0], each[4]) for each in found):
        try:
            port = _shared(made, family, (where[0], port, *where[2:]))
        except OSError as exc:
            if exc.errno in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
                absent = exc
                continue
            for each in (each for share in made for each in share):
                each.close()
            raise CannotListen(setting, address, exc.errno or 0) from exc
    if not made[0]:
        raise CannotListen(setting, address, (absent and absent.errno) or errno.EADDRNOTAVAIL) from absent
    return made


def _shared(made: list[list[socket.socket]], family: int, where: tuple[object, ...]) -> int:
    """Bind one address for each share; return its port.

    The first one is bound without SO_REUSEPORT and closed again: with it, a second proxy of the same user would be
    bound beside the first without a word, and take half of its connections.
    """
    first = _bound(family, where, reuse_port=False)
    port = int(first.getsockname()[1])
    if len(made) == 1:
        # SO_REUSEADDR lets two be bound here until one of them listens.
        try:
            first.listen(BACKLOG)
        except OSError:
            first.close()
            raise
        made[0].append(first)
        return port
    first.close()
    for share in made:
        share.append(_bound(family, (where[0], port, *where[2:]), reuse_port=True))
    return port


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep others who would look for stale sockets in a folder from doing so at the same moment."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _unix(address: UnixAddress, mode: int) -> tuple[socket.socket, _Place]:
    """Bind a unix socket, in the place of one that nobody listens at; of no other file. It listens at once."""
    path = Path(address.path)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _alone_in(path.parent):
            _clear_stale(address)
            # The mode that the file is made with, before anybody can see it; the umask takes from it (unix(7)).
            os.fchmod(made.fileno(), mode)
            made.bind(address.path)
            path.chmod(mode)
            # Who finds it bound and not listening takes it for a stale one.
            made.listen(BACKLOG)
            made.settimeout(0)
            found = path.lstat()
    except OSError as exc:
        made.close()
        raise CannotListen("listen", address, exc.errno or 0) from exc
    except CannotListen:
        made.close()
        raise
    return made, _Place(path, found.st_dev, found.st_ino)


def _clear_stale(address: UnixAddress) -> None:
    path = Path(address.path)
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise CannotListen("listen", address, 0, "there is a file there that is no socket: choose another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(0)
        try:
            asking.connect(address.path)
        except ConnectionRefusedError:
            path.unlink()
        except BlockingIOError:  # somebody listens, and the queue is full
            raise CannotListen("listen", address, errno.EADDRINUSE) from None
        else:
            raise CannotListen("listen", address, errno.EADDRINUSE)
