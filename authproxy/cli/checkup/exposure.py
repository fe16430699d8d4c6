"""Who gets past the proxy: can others reach the index, and does it then take an upload of theirs."""

import socket
from collections.abc import Iterator, Sequence
from typing import Final

from authproxy.backend.devpi import recognises
from authproxy.cli.checkup.dialect import DEVPI
from authproxy.cli.checkup.finding import Finding, ok, problem, warning
from authproxy.cli.checkup.machine import own_addresses
from authproxy.cli.checkup.peer import Peer, stranger
from authproxy.cli.checkup.settings import is_loopback
from authproxy.cli.checkup.wire import Answer, Unanswered, basic
from authproxy.config import Address

# Seconds to be answered at an address of this machine: there is no way that could be long.
NEAR: Final = 2.0


def check(peer: Peer, indexes: Sequence[str], front: Answer, listen: Address) -> Iterator[Finding]:
    """Both questions, since the answer to one says how bad the other is. Raises Unanswered."""
    ways = _ways_around(peer, front, listen)
    taken = [how for index in indexes if (how := _taken(peer, index)) is not None]
    yield _uploads(peer, taken, exposed=bool(ways))
    yield _alone(peer, ways)
    if peer.dialect is DEVPI and _root_is_open(peer):
        yield problem(
            "index-root",
            "devpi's root logs in with an empty password, as it does from the start, and root may do everything",
            "devpi user -m root password=..., with a long one",
        )


def _taken(peer: Peer, index: str) -> str | None:
    """With what a stranger's upload would be taken; None where it would not."""
    if peer.try_upload(index, {}).lets_in:
        return "without a password"
    return "with any password" if peer.try_upload(index, stranger()).lets_in else None


def _ways_around(peer: Peer, front: Answer, listen: Address) -> list[str]:
    """Addresses of the index that other machines may reach."""
    try:
        found = {str(each[4][0]) for each in socket.getaddrinfo(peer.host, peer.port, type=socket.SOCK_STREAM)}
    except OSError:
        found = {peer.host}
    beyond = sorted(address for address in found if not is_loopback(address))
    if beyond:
        return beyond
    # The proxy may itself listen at such an address and the index's port, and passes on what the index says.
    ours = {listen.host} if listen.port == peer.port else set()
    return [each for each in own_addresses() if each not in ours and _is_there(peer, each, front)]


def _is_there(peer: Peer, address: str, front: Answer) -> bool:
    """Whether it is the index that answers at this address, and not another program on the same port."""
    try:
        found = peer.get_at(address, peer.dialect.front, NEAR)
    except Unanswered:
        return False
    kept = (found.status, found.headers.get("server"), peer.dialect.version(found))
    return kept == (front.status, front.headers.get("server"), peer.dialect.version(front))


def _uploads(peer: Peer, taken: Sequence[str], *, exposed: bool) -> Finding:
    if not taken:
        return ok("index-uploads", "the index takes no upload without a password, nor with a made-up one")
    sentence = f"the index takes uploads {taken[0]}"
    if exposed:
        return problem("index-uploads", f"{sentence} from everybody who reaches it", peer.dialect.lock)
    if peer.username is not None:
        return warning(
            "index-uploads",
            f"{sentence} from every program on this machine, though the proxy has an account there",
            f"{peer.dialect.lock}; or take backend.username out, if all of this machine is to be trusted",
        )
    return ok("index-uploads", f"{sentence}, and only this machine reaches it")


def _alone(peer: Peer, ways: Sequence[str]) -> Finding:
    if not ways:
        return ok("index-alone", "no other machine reaches the index but through the proxy")
    if is_loopback(peer.host):
        at = ", ".join(f"{way} port {peer.port}" for way in ways)
        return warning(
            "index-alone", f"the index listens at {at} too, where others reach it past the proxy", peer.dialect.bind
        )
    return warning(
        "index-alone",
        f"backend.url is {peer.url}, not loopback: who else reaches that is past the proxy",
        "let a firewall or a network of their own pass the proxy alone to the index",
    )


def _root_is_open(peer: Peer) -> bool:
    return recognises(peer.get(peer.dialect.front, basic("root", "")).text.encode())
