"""Row `derived`: what it costs to know who holds a derived key, beside the hashes that this takes at least.

In this process, on one core, a real store of one key. "verified" is the whole of it, from the text that a client sent
to a principal: read, proved, understood, and its key looked at in the store. Beside it the HMACs of its chain and
nothing else, and the key itself, which the server has met before.
"""

import asyncio
import hashlib
import secrets
import statistics
import time
from collections.abc import Awaitable, Callable
from hmac import digest
from ipaddress import ip_address
from pathlib import Path

from authproxy.authority import Authority, NewKey
from authproxy.authority.hashing import HashingPool
from authproxy.authority.sealing import Masters
from authproxy.authority.throttle import Throttle
from authproxy.domain.access import Principal
from authproxy.domain.caveats import Actions, Digests, Lifetime, Once, Projects, base64url
from authproxy.domain.derived import derive, mac_key, parse_derived
from authproxy.domain.grants import Action
from authproxy.domain.keys import parse
from authproxy.domain.names import ProjectName
from authproxy.store import Store, migrate
from bench.run import Run
from bench.table import Line, Row, Target, median_ratio

TIMES = 2_000  # in a round
HERE = ip_address("192.0.2.1")
NOW = 1_800_000_000
AT_MOST = Target(10, at_least=False)
TITLE = "a derived key with five caveats (an end, a project, two files, once, an action); one core"


def measure(run: Run) -> list[Row]:
    """Rounds of three legs, by turns."""
    return [asyncio.run(_measured(run))]


async def _measured(run: Run) -> Row:
    url = f"sqlite:///{Path(run.scratch) / 'derived.db'}"
    await migrate(url)
    store, hashing = await Store.open(url), HashingPool(threads=1)
    throttle, masters = Throttle(failures=10, window=60), Masters(secrets.token_bytes(32))
    known = Authority(
        store, prefix="apx", process_key=secrets.token_bytes(32), hashing=hashing, throttle=throttle, masters=masters
    )
    _, key = await known.issue(NewKey(owner="bench", note="", policy="bench"), now=NOW)
    text = derived_of(key)
    bare = bare_of(key, text)

    async def hashes() -> object:
        return bare()

    def authenticated(shown: str) -> Callable[[], Awaitable[object]]:
        return lambda: known.authenticate(shown, HERE, now=NOW)

    legs = (("bare", hashes), ("derived", authenticated(text)), ("key", authenticated(key)))
    taken: dict[str, list[float]] = {name: [] for name, _ in legs}
    assert isinstance(await known.authenticate(text, HERE, now=NOW), Principal)
    assert isinstance(await known.authenticate(key, HERE, now=NOW), Principal)
    for number in range(run.rounds):
        for name, leg in run.turns(legs, number):
            taken[name].append(await microseconds(leg))
        run.say(f"derived: round {number + 1} of {run.rounds}")
    await known.close()
    await store.close()
    return Row("derived", TITLE, tuple(_lines(taken, len(text))))


def derived_of(key: str) -> str:
    """Derive what `authproxy exec` derives for a wheel and an sdist, and that is good once."""
    files = frozenset(hashlib.sha256(each).hexdigest() for each in (b"wheel", b"sdist"))
    caveats = (
        Lifetime(NOW + 300, NOW - 30),
        Projects(frozenset({ProjectName("acme-core")})),
        Digests(files),
        Once(base64url(bytes(16))),
        Actions(frozenset({Action.UPLOAD})),
    )
    return derive(key, caveats, "apx")


def bare_of(key: str, text: str) -> Callable[[], bytes]:
    """Make the chain's HMACs, six of them, with everything at hand."""
    derived, plain = parse_derived(text, "apx"), parse(key, "apx")
    assert derived is not None
    assert plain is not None
    first, texts = mac_key(plain.secret), (text.partition(".")[0].encode(), *derived.caveats)

    def hashes() -> bytes:
        tag = first
        for each in texts:
            tag = digest(tag, each, "sha256")
        return tag

    return hashes


async def microseconds(leg: Callable[[], Awaitable[object]]) -> float:
    """Run a leg TIMES times; what one took."""
    began = time.perf_counter()
    for _ in range(TIMES):
        await leg()
    return (time.perf_counter() - began) / TIMES * 1e6


def _lines(taken: dict[str, list[float]], length: int) -> list[Line]:
    shown = {name: f"{statistics.median(samples):.1f} us" for name, samples in taken.items()}
    bare, derived, key = taken["bare"], taken["derived"], taken["key"]
    return [
        Line("its six HMACs, and nothing else", shown["bare"], samples=tuple(bare)),
        Line(
            f"verified, {length} characters",
            shown["derived"],
            median_ratio(derived, bare),
            "of these",
            AT_MOST,
            tuple(derived),
        ),
        Line("the key itself, met before", shown["key"], median_ratio(key, bare), "of these", samples=tuple(key)),
    ]
