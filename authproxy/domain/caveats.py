"""What a holder takes away from a derived key, and how one such caveat is written down.

A caveat is a compact JSON array `[tag, ...]`. This room reads and writes one; what it means for a request stands in
`authproxy.domain.narrowing`, the chain that binds caveats to a key in `authproxy.domain.derived`.

| tag | caveat      | written as                    | it lets through                                            |
|-----|-------------|-------------------------------|------------------------------------------------------------|
| 0   | `Lifetime`  | `[0,expires,not_before]`      | from the one moment until the other, unix seconds          |
| 1   | `Projects`  | `[1,["acme-core"]]`           | these projects, by their normal names                      |
| 100 | `Versions`  | `[100,["1.*",">=2.0"]]`       | versions that one of these matches, as in package rules    |
| 101 | `Digests`   | `[101,["ungWv48B..."]]`       | files with one of these SHA-256, each as base64url         |
| 102 | `Networks`  | `[102,["192.0.2.0/24"]]`      | who comes from one of these                                |
| 103 | `Once`      | `[103,"3q2-7w..."]`           | one upload                                                 |
| 104 | `Indexes`   | `[104,["team/dev"]]`          | these indexes                                              |
| 105 | `Actions`   | `[105,["read","upload"]]`     | these actions                                              |

Rule 1. Every caveat has one spelling: no white space, lists sorted, nothing twice, names in their normal form.
Rule 2. What is not in this table is not understood, and a key with a caveat that is not understood opens nothing.
Rule 3. A list that is empty would say nothing, or everything: there is none.

How this may change: a tag, once given, means the same for ever and is never used again. 0 to 99 are PyPI's, 0 and 1
written as it writes them; ours begin at 100. A caveat with more to say takes a new tag. `tests/vectors/caveats.txt`
holds spellings that must be read for ever.
"""

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from authproxy.domain.chain import base64url
from authproxy.domain.grants import ANY, Action, index_name
from authproxy.domain.names import ProjectName, project_name
from authproxy.domain.refusal import Refused
from authproxy.domain.versions import VersionPattern, version_pattern

if TYPE_CHECKING:  # `authproxy exec` writes caveats, and stands before every upload
    from authproxy.domain.rules import Network

# Seconds that the clocks of who derives and of who judges may differ. A nonce is kept until its key's end and this.
LEEWAY: Final = 30
# The last second of the year 9999, the last one that can be written in a sentence.
LATEST: Final = 253_402_300_799
# A release of 100 files is a large one; longer lists make decisions slow and fit into no header anyway.
ITEMS_LIMIT: Final = 100
NONCE_BYTES: Final = 16
SHA256_BYTES: Final = 32
# Characters of what the record keeps of a derived key that was refused: 60 rows in a minute may be of what one thief
# makes, for ever. It takes the digests of a release of 15 files.
SHORT_LIMIT: Final = 1_000


@dataclass(frozen=True, slots=True)
class Lifetime:
    """From `not_before` until `expires`, unix seconds, each with LEEWAY."""

    expires: int
    not_before: int


@dataclass(frozen=True, slots=True)
class Projects:
    """These projects."""

    names: frozenset[ProjectName]


@dataclass(frozen=True, slots=True)
class Versions:
    """Versions that one of the patterns matches."""

    patterns: frozenset[VersionPattern]


@dataclass(frozen=True, slots=True)
class Digests:
    """These very files, by their SHA-256 in lower-case hex."""

    sha256: frozenset[str]


@dataclass(frozen=True, slots=True)
class Networks:
    """From these networks."""

    networks: "frozenset[Network]"


@dataclass(frozen=True, slots=True)
class Once:
    """One upload, or one of each file where `Digests` stand before it. The nonce is 22 characters of base64url."""

    nonce: str


@dataclass(frozen=True, slots=True)
class Indexes:
    """These indexes."""

    indexes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Actions:
    """These actions."""

    actions: frozenset[Action]


Caveat = Lifetime | Projects | Versions | Digests | Networks | Once | Indexes | Actions

_COMPACT: Final = json.JSONEncoder(separators=(",", ":")).encode
_LIFETIME: Final = 0
_ONCE: Final = 103


@dataclass(frozen=True, slots=True)
class _List:
    """How a caveat that is a list of texts is put together, and one text of it written and read.

    `read` raises ValueError or Refused.
    """

    made: Callable[[Any], Caveat]
    items: Callable[[Any], Iterable[Any]]
    write: Callable[[Any], str]
    read: Callable[[str], object]


def bytes_of(text: str) -> bytes | None:
    """Read what `base64url` writes; None for every other text, a second spelling of the same bytes too."""
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    return raw if base64url(raw) == text else None


def _sized(text: str, size: int) -> bytes:
    raw = bytes_of(text)
    if raw is None or len(raw) != size:
        raise ValueError(f"{size} bytes in base64url are wanted")
    return raw


def _index(text: str) -> str:
    if text == ANY:
        raise ValueError("a caveat for all indexes would say nothing")
    return index_name(text)


def _network(text: str) -> object:
    from ipaddress import ip_network  # few keys name networks

    return ip_network(text)


_LISTS: Final = {
    1: _List(Projects, attrgetter("names"), str, project_name),
    100: _List(Versions, attrgetter("patterns"), attrgetter("text"), version_pattern),
    101: _List(
        Digests,
        attrgetter("sha256"),
        lambda digest: base64url(bytes.fromhex(digest)),
        lambda text: _sized(text, SHA256_BYTES).hex(),
    ),
    102: _List(Networks, attrgetter("networks"), str, _network),
    104: _List(Indexes, attrgetter("indexes"), str, _index),
    105: _List(Actions, attrgetter("actions"), str, Action),
}
_TAGS: Final = {each.made: tag for tag, each in _LISTS.items()} | {Lifetime: _LIFETIME, Once: _ONCE}

# All that a caveat is made of is a small part of JSON, so nothing is decoded that is deep, long, a float, an escape or
# not ASCII. Possessive: no text is tried twice.
_NUMBER: Final = rb"(?:0|[1-9][0-9]{0,11}+)"
_TEXT: Final = rb'"[ !#-\[\]-~]*+"'
_FIELD: Final = rb"(?:%b|%b|\[%b(?:,%b)*+\])" % (_NUMBER, _TEXT, _TEXT, _TEXT)
CAVEAT: Final = re.compile(rb"\[%b(?:,%b)++\]" % (_NUMBER, _FIELD))


def tag_of(caveat: Caveat) -> int:
    """Return the number that a caveat begins with."""
    return _TAGS[type(caveat)]


def write_caveat(caveat: Caveat) -> bytes:
    """Write a caveat; raise ValueError for one that says nothing, too much, or holds what has no normal form."""
    raw = _written(caveat)
    if read_caveat(raw) != caveat:
        raise ValueError(
            f"a caveat holds 1 to {ITEMS_LIMIT} names in their normal form, or an end in unix seconds behind its "
            f"beginning, or a nonce of {NONCE_BYTES} bytes: this {type(caveat).__name__} does not"
        )
    return raw


def read_caveat(raw: bytes) -> Caveat | None:
    """Read what `write_caveat` writes; None for everything else, which no key that holds it is good for."""
    if CAVEAT.fullmatch(raw) is None:
        return None
    tag, *fields = json.loads(raw)
    try:
        caveat = _read(tag, fields)
        return caveat if caveat is not None and _written(caveat) == raw else None
    except (ValueError, Refused):
        return None


def write_derivation(name: str, caveats: Iterable[Caveat]) -> str:
    """Write down, as JSON for the record, which derived key it was and what it allowed."""
    written = [json.loads(write_caveat(each)) for each in caveats]
    return _COMPACT({"name": name, "caveats": written})


def shortened(text: str) -> str:
    """Bring what `write_derivation` wrote under SHORT_LIMIT: caveats are left out, the longest first, and counted."""
    if len(text) <= SHORT_LIMIT:
        return text
    written = json.loads(text)
    caveats, left_out = written["caveats"], 0
    while len(short := _COMPACT({**written, "left_out": left_out})) > SHORT_LIMIT:
        caveats.remove(max(caveats, key=lambda each: len(_COMPACT(each))))
        left_out += 1
    return short


def read_derivation(text: str) -> tuple[str, tuple[Caveat, ...]] | None:
    """Read what `write_derivation` wrote; None where this version does not understand it, or some was left out."""
    written = json.loads(text)
    if written.get("left_out"):
        return None
    caveats = [read_caveat(_COMPACT(each).encode("ascii")) for each in written["caveats"]]
    known = tuple(each for each in caveats if each is not None)
    return (written["name"], known) if len(known) == len(caveats) else None


def _written(caveat: Caveat) -> bytes:
    fields: tuple[object, ...]
    match caveat:
        case Lifetime(expires, not_before):
            fields = expires, not_before
        case Once(nonce):
            fields = (nonce,)
        case _:
            kind = _LISTS[tag_of(caveat)]
            fields = (sorted(map(kind.write, kind.items(caveat))),)
    return _COMPACT([tag_of(caveat), *fields]).encode("ascii")


def _read(tag: int, fields: list[Any]) -> Caveat | None:
    match tag, fields:
        case 0, [int(expires), int(not_before)] if not_before < expires <= LATEST:
            return Lifetime(expires, not_before)
        case 103, [str(nonce)]:
            _sized(nonce, NONCE_BYTES)
            return Once(nonce)
        case _, [list(texts)] if tag in _LISTS and len(texts) <= ITEMS_LIMIT:
            kind = _LISTS[tag]
            return kind.made(frozenset(map(kind.read, texts)))
        case _:
            return None
