"""What caveats mean: the one judgement of a request by what a holder took away from a derived key.

This room only says no. What the key behind may do is asked elsewhere, first (`authproxy.domain.policy`). How a caveat
is written stands in `authproxy.domain.caveats`.

Rule 1. All caveats have to let a request through. A request that has no value for one (a digest on a read) is let
        through by none.
Rule 2. What a caveat says depends on it and on those before it alone, so that one more never widens. `Once` needs an
        end and may name files; were either taken from behind it, whoever has a key could add it and open what was shut.
Rule 3. `Once` is for uploads. How often it was used is not known here: `nonces` says what has to be claimed.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

from authproxy.domain.access import Access
from authproxy.domain.caveats import (
    LEEWAY,
    Actions,
    Caveat,
    Digests,
    Indexes,
    Lifetime,
    Networks,
    Once,
    Projects,
    Versions,
)
from authproxy.domain.endings import DAY
from authproxy.domain.grants import MAKING, Action
from authproxy.domain.keys import KeyId
from authproxy.domain.networks import lets_in
from authproxy.domain.refusal import Code, Denial, listed, quoted

# A nonce is a row in the store until its key has ended.
ONCE_LIFE: Final = DAY
# Under `require: signed` what was captured is worth something for so long at most.
SIGNED_LIFE: Final = 3600


@dataclass(frozen=True, slots=True)
class Nonce:
    """What an upload has to claim, as whose, and until when it is kept: unix seconds.

    A claim that comes at `until` or later is to be refused: the one before it may be forgotten by then.
    """

    name: str
    until: int


@dataclass(frozen=True, slots=True)
class _Request:
    """One request, and the caveats that stand before the one that is asked."""

    access: Access
    address: IPv4Address | IPv6Address | None
    now: int
    whole: bool
    before: Sequence[Caveat]


def narrowed(
    caveats: Sequence[Caveat],
    access: Access,
    address: IPv4Address | IPv6Address | None,
    *,
    now: int,
    whole: bool,
) -> Denial | None:
    """Say which caveat does not let this through; None where all do. `now` is in unix seconds.

    `whole` is False as long as the request may name more yet: before the body has come, or of a listing each of whose
    items is asked about by itself. What it has no value for yet is then passed over, and so is an `address` of None: a
    person who asks may leave it open.
    The sentence begins behind the name of who asks.
    """
    for position, caveat in enumerate(caveats):
        request = _Request(access, address, now, whole, caveats[:position])
        if denial := _ASKED[type(caveat)](caveat, request):
            return denial
    return None


def nonces(key_id: KeyId, caveats: Sequence[Caveat], access: Access) -> tuple[Nonce, ...]:
    """Name what an upload that was let through has to claim: each nonce, or this file of it where files stand before.

    A nonce is the key's own, or whoever saw one could spend it with another key.
    """
    found = []
    for position, caveat in enumerate(caveats):
        if isinstance(caveat, Once):
            before = caveats[:position]
            bound = any(isinstance(each, Digests) for each in before)
            name = f"{key_id}.{caveat.nonce}" + (f".{access.sha256}" if bound else "")
            end = _end(before)
            assert end is not None, "narrowed lets none through without an end"
            found.append(Nonce(name, end + LEEWAY))
    return tuple(found)


def signed(caveats: Sequence[Caveat], now: int) -> str | None:
    """Say why this derived key is none for `require: signed`; None where it is one.

    Only the first caveat counts, which nobody but the holder of the key can have written: of a key with a longer life
    that was captured, everybody could make one with a shorter.
    """
    first = caveats[0] if caveats else None
    if not isinstance(first, Lifetime):
        return "its first caveat is no lifetime"
    if first.expires - now > SIGNED_LIFE + LEEWAY:
        return f"it ends at {_clock(first.expires)}, more than {SIGNED_LIFE // 60} minutes from now"
    return None


def told(caveats: Sequence[Caveat]) -> str:
    """Say in a few words what caveats leave."""
    return "; ".join(_TOLD[type(each)](each) for each in caveats) or "everything that its key may do"


def _end(caveats: Sequence[Caveat]) -> int | None:
    return min((each.expires for each in caveats if isinstance(each, Lifetime)), default=None)


def _clock(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _listed(texts: Iterable[str]) -> str:
    return listed(sorted(texts))


def _no(reason: str) -> Denial:
    return Denial(Code.CAVEAT, reason)


def _lifetime(caveat: Lifetime, request: _Request) -> Denial | None:
    here = f"and the clock here says {_clock(request.now)}"
    if request.now >= caveat.expires + LEEWAY:
        return _no(
            f"ended at {_clock(caveat.expires)} {here}: derive a new one; where that was just now, set the clock of "
            "the machine that made it"
        )
    if request.now < caveat.not_before - LEEWAY:
        return _no(
            f"begins at {_clock(caveat.not_before)} {here}: wait until then; where it was made just now, set the clock "
            "of the machine that made it"
        )
    return None


def _projects(caveat: Projects, request: _Request) -> Denial | None:
    project = request.access.project
    if project is None:
        if not request.whole:
            return None
        return _no(f"may not {request.access.action} the list of all projects: it is for {_listed(caveat.names)}")
    if project not in caveat.names:
        return _no(f"may not {request.access.action} {quoted(project)}: it is for {_listed(caveat.names)}")
    return None


def _open(request: _Request) -> bool:
    """Whether it may still become known which release this is about; a read never names one."""
    access = request.access
    return not request.whole and access.action is not Action.READ and access.artifact is None


def _versions(caveat: Versions, request: _Request) -> Denial | None:
    access, allowed = request.access, _listed(each.text for each in caveat.patterns)
    version = access.artifact.version if access.artifact else access.version
    if version is None:
        return None if _open(request) else _no(f"is for versions {allowed}: a {access.action} that names none is not")
    if not any(each.matches(version) for each in caveat.patterns):
        return _no(f"may not {access.action} version {quoted(version)}: it is for versions {allowed}")
    return None


def _digests(caveat: Digests, request: _Request) -> Denial | None:
    access, files = request.access, _files(caveat)
    if access.sha256 is None:
        named_later = _open(request) and access.action in MAKING
        return None if named_later else _no(f"is for uploads of {files}, by their SHA-256, and not for this")
    if access.action not in MAKING or access.sha256 not in caveat.sha256:
        name = quoted(access.artifact.filename) if access.artifact else "the file"
        return _no(
            f"is for {files}, and {name} with the SHA-256 {access.sha256} is none of them: it was changed or built "
            "anew since, so derive a key for it as it is"
        )
    return None


def _files(caveat: Digests) -> str:
    count = len(caveat.sha256)
    return f"{count} file{'s' if count > 1 else ''}"


def _networks(caveat: Networks, request: _Request) -> Denial | None:
    if request.address is not None and not lets_in(tuple(caveat.networks), request.address):
        allowed = _listed(map(str, caveat.networks))
        return _no(f"may not be used from {request.address}: it is for {allowed}")
    return None


def _once(_: Once, request: _Request) -> Denial | None:
    if request.access.action is not Action.UPLOAD:
        return _no(f"is good for one upload and not for a {request.access.action}")
    end = _end(request.before)
    if end is None or end - request.now > ONCE_LIFE + LEEWAY:
        return _no("is good once and names no end within a day before it says so: derive one that does")
    return None


def _indexes(caveat: Indexes, request: _Request) -> Denial | None:
    asked = [request.access.index] if request.access.source is None else [request.access.source, request.access.index]
    for index in asked:
        if index not in caveat.indexes:
            return _no(f"may not {request.access.action} in {quoted(index)}: it is for {_listed(caveat.indexes)}")
    return None


def _actions(caveat: Actions, request: _Request) -> Denial | None:
    if request.access.action not in caveat.actions:
        return _no(f"may not {request.access.action}: it is for {_listed(caveat.actions)}")
    return None


# A caveat without a line here cannot be judged, and there is none: a test holds that.
_ASKED: Final[dict[type[Caveat], Callable[[Any, _Request], Denial | None]]] = {
    Lifetime: _lifetime,
    Projects: _projects,
    Versions: _versions,
    Digests: _digests,
    Networks: _networks,
    Once: _once,
    Indexes: _indexes,
    Actions: _actions,
}
_TOLD: Final[dict[type[Caveat], Callable[[Any], str]]] = {
    Lifetime: lambda each: f"until {_clock(each.expires)}",
    Projects: lambda each: f"projects {_listed(each.names)}",
    Versions: lambda each: f"versions {_listed(it.text for it in each.patterns)}",
    Digests: _files,
    Networks: lambda each: f"from {_listed(map(str, each.networks))}",
    Once: lambda _: "once",
    Indexes: lambda each: f"in {_listed(each.indexes)}",
    Actions: lambda each: f"to {_listed(each.actions)}",
}
