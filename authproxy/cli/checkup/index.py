"""The index: does it answer, what is it, does it take the proxy's account, what does it say of unknown projects.

Every question is one that changes nothing there (see `dialect`). No password is ever in a sentence.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urljoin, urlsplit

from authproxy.cli.checkup import exposure
from authproxy.cli.checkup.dialect import DEVPI, answers_as
from authproxy.cli.checkup.finding import Finding, Verdict, ok, problem, warning
from authproxy.cli.checkup.peer import Peer, peer_of
from authproxy.cli.checkup.settings import where
from authproxy.cli.checkup.wire import Answer, Unanswered
from authproxy.cli.output import printable
from authproxy.config import Address, Config

# Seconds by which two clocks may differ: keys live for days, but tokens of trusted publishers for minutes.
CLOCKS_APART: Final = 60
# So much is shown of what a server calls itself.
SHOWN: Final = 60


def check_index(config: Config, *, now: int) -> Iterator[Finding]:
    """Everything about the index of a configuration; one problem where it does not answer."""
    peer = peer_of(config)
    yield from look_at(peer, peer.dialect.indexes(config), where(config), now=now)


def look_at(peer: Peer, indexes: Sequence[str], listen: Address, *, now: int) -> Iterator[Finding]:
    """The same for an index that is known; `listen` is where the proxy is."""
    try:
        front = peer.get(peer.dialect.front)
        what = _what_it_is(peer, front)
        yield what
        yield from _clock(front, now)
        if what.verdict is Verdict.PROBLEM:
            return  # whatever else it said would be said of another server
        for index in indexes:
            yield from _account(peer, index)
            yield from _unknown_project(peer, index)
        yield from exposure.check(peer, indexes, front, listen)
    except Unanswered as failure:
        yield problem("index", f"the index at {peer.url} does not answer: {failure}", "start it, or mend backend.url")


def _shown(text: str) -> str:
    return printable(text[:SHOWN])


def _what_it_is(peer: Peer, front: Answer) -> Finding:
    kind = answers_as(front)
    server = _shown(front.headers.get("server", "a server without a name"))
    if 300 <= front.status < 400:
        there = _shown(front.headers.get("location", "nowhere"))
        sentence = f"{peer.url} answers with a redirect to {there}, and an upload that is redirected is lost"
        return problem("index", sentence, "write the address that it redirects to into backend.url")
    if front.status >= 500:
        return problem("index", f"{peer.url} answers {front.status}: the index fails", "look into the index's own log")
    if kind not in (None, peer.dialect.name) or (kind is None and peer.dialect is DEVPI):
        sentence = f"backend.flavour is {peer.dialect.name}, and at {peer.url} answers {kind or 'something else'}"
        return problem("index", sentence, "write the right one into backend.flavour, or mend backend.url")
    version = peer.dialect.version(front)
    what = f"{peer.dialect.name} {version}" if version else f"{peer.dialect.name}, of a version that it does not say,"
    if server.startswith("WSGIServer"):
        # bottle's `wsgiref` is the standard library's WSGIServer: no threads. pypiserver takes it where nothing better
        # is installed.
        sentence = f"{what} answers at {peer.url} by {server}, one request at a time"
        return warning("index", sentence, "install waitress beside the index: it is taken where it is there")
    return ok("index", f"{what} answers at {peer.url}, by {server}")


def _clock(front: Answer, now: int) -> Iterator[Finding]:
    try:
        theirs = parsedate_to_datetime(front.headers["date"])
    except (KeyError, ValueError):
        return  # it does not say
    theirs = theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)
    apart = int(abs(now - theirs.timestamp()))
    if apart > CLOCKS_APART:
        here = datetime.fromtimestamp(now, UTC)
        yield warning(
            "clock",
            f"this machine's clock and the index's are {apart} seconds apart: here it is {here:%Y-%m-%dT%H:%M:%SZ}",
            "let both be set by NTP: keys end by this clock",
        )
    else:
        yield ok("clock", "this machine's clock and the index's agree")


def _account(peer: Peer, index: str) -> Iterator[Finding]:
    """Whether the proxy could upload with what the configuration gives it."""
    answer = peer.try_upload(index, peer.own)
    at = f" at {index}" if index else ""
    if answer.lets_in:
        who = "uploads without an account" if peer.username is None else f"uploads by the account '{peer.username}'"
        yield ok("index-account", f"the index takes {who}{at}")
    elif answer.lets_in is None:
        yield problem(
            "index-account",
            f"the index answers {answer.status} to an upload{at}",
            "look at the index's log"
            if answer.status >= 500
            else "mend backend.url" + (", or make that index" if index else ""),
        )
    elif peer.username is None:
        yield problem(
            "index-account",
            f"the index asks for a password before an upload{at}, and the proxy has none",
            "give the proxy an account there: backend.username and backend.password",
        )
    else:
        yield problem(
            "index-account",
            f"the index refuses uploads by the account '{peer.username}'{at} ({answer.status})",
            f"mend backend.username and backend.password, or {peer.dialect.let.format(index, peer.username)}",
        )


def _unknown_project(peer: Peer, index: str) -> Iterator[Finding]:
    """Whether the proxy can see what the index has, and where a name leads that it does not have."""
    answer = peer.get(peer.dialect.page.format(index), peer.own)
    if answer.status in (401, 403):
        yield problem(
            "index-account",
            f"the index does not show its projects to the proxy ({answer.status}), which has to know what is there",
            "give the proxy's account the right to list and to download",
        )
        return
    elsewhere = _elsewhere(peer, answer)
    mixed = _mixed_in(peer, index) if peer.dialect is DEVPI else []
    if elsewhere is not None:
        yield warning(
            "index-fallback",
            f"{index or 'the index'} redirects projects that it does not have to {_shown(elsewhere)}: a name that is "
            "misspelt, or not yet uploaded, is installed from there",
            peer.dialect.no_fallback,
        )
    elif mixed:
        yield warning(
            "index-fallback",
            f"{index} mixes releases of its bases into these projects of yours: {_shown(', '.join(mixed))}",
            f"take them off its mirror_whitelist: devpi index {index} mirror_whitelist=",
        )
    else:
        yield ok("index-fallback", f"{index or 'the index'} sends nobody elsewhere for a project that it does not have")


def _elsewhere(peer: Peer, answer: Answer) -> str | None:
    """The host to which an answer redirects, where that is neither the index nor the proxy before it."""
    if not 300 <= answer.status < 400:
        return None
    location = answer.headers.get("location", "")
    try:
        host = urlsplit(urljoin(peer.url, location)).hostname
    except ValueError:
        return location  # no URL at all
    return None if host in (peer.host, urlsplit(f"//{peer.headers['Host']}").hostname) else host


def _mixed_in(peer: Peer, index: str) -> list[str]:
    """What stands on the whitelist of an index of devpi: for these names a mirror's releases count too."""
    try:
        found = json.loads(peer.get(f"/{index}", {**peer.own, "Accept": "application/json"}).text)
        return [str(name) for name in found["result"].get("mirror_whitelist", [])]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []
