"""Keys of our own making, and what a server that saw a request can tell of the derived key in it."""

import os
from base64 import b64decode
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from authproxy.domain.caveats import Caveat, read_caveat
from authproxy.domain.derived import mac_key, parse_derived, verifies
from authproxy.domain.keys import mint, name_key, name_secret, parse
from tests.peers.recording import Seen

PREFIX = "apx"
C = TypeVar("C", bound=Caveat)


def new_key() -> str:
    """A key that no proxy knows."""
    return mint(PREFIX, name_secret(name_key(os.urandom(16)), "0"), os.urandom(32))


def key_file(folder: Path, key: str) -> Path:
    """The key as `key create -o FILE` writes it."""
    path = folder / "the.key"
    path.touch(mode=0o600)
    path.write_text(f"{key}\n", encoding="ascii")
    return path


@dataclass(frozen=True, slots=True)
class Presented:
    """A credential as it arrived, and the caveats of the derived key that it is."""

    user: str
    text: str
    caveats: tuple[Caveat, ...]

    def one(self, kind: type[C]) -> C:
        [found] = [each for each in self.caveats if isinstance(each, kind)]
        return found

    @property
    def kinds(self) -> set[str]:
        return {type(each).__name__ for each in self.caveats}


def caveats_of(text: str, key: str) -> tuple[Caveat, ...]:
    """The caveats of a derived key, once it is proved to be one of `key`."""
    derived, parent = parse_derived(text, PREFIX), parse(key, PREFIX)
    assert derived is not None, f"this is no derived key: {text[:40]}"
    assert parent is not None
    assert verifies(derived, mac_key(parent.secret), PREFIX)
    assert derived.unverified_public_id == parent.unverified_public_id
    read = [read_caveat(raw) for raw in derived.caveats]
    assert None not in read
    return tuple(each for each in read if each is not None)


def presented(seen: Seen, key: str) -> Presented:
    """What a request is signed with; `key` is what it must have been derived from."""
    basic, devpi = seen.header("Authorization"), seen.header("X-Devpi-Auth")
    raw = (basic or f"Basic {devpi}").removeprefix("Basic ")
    user, _, text = b64decode(raw).decode().partition(":")
    return Presented(user, text, caveats_of(text, key))
