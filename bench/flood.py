"""Row 5: what a valid key notices of 500 bogus keys per second.

The proxy has core 0; the attacker, the valid client and a sink as the index share core 1. The attacker takes a new
connection and another loopback address for every key, so that throttling an address does not stop him. Two kinds: ids
that do not exist, and the id of the valid key itself with wrong secrets. All have the right layout and checksum: a
typing error would be settled without the store.
"""

import itertools
import os
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from authproxy.domain import keys
from bench import load, ours, peers, wheels
from bench.run import Run
from bench.table import Line, Row, Target, median_ratio

PROXY, REST = (0,), (1,)
RATE = 500  # bogus keys per second
SENDERS = 32
PAUSE_SECONDS = 0.004  # between an answer and the next valid request: an idle proxy is then mostly idle
MARGIN_SECONDS = 1.5  # the attack outlasts the valid client, which prepares its wheels first
PAGE = f"/simple/{wheels.PROJECT}/"
P99 = Target(3, at_least=False)
TITLE = "a valid warm key under a flood of bogus ones; proxy on core 0, attacker, client and a sink on core 1"
IDLE, UNKNOWN, KNOWN = "idle", f"{RATE}/s of unknown ids", f"{RATE}/s of wrong secrets of this key"


def measure(run: Run) -> list[Row]:
    """Rounds of idle, unknown ids, wrong secrets; in each, one client that uploads and reads by turns."""
    pace = load.Pace(2.0 if run.quick else 6.0, PAUSE_SECONDS)
    numbers = itertools.count(1)
    taken: dict[str, list[load.Served]] = {IDLE: [], UNKNOWN: [], KNOWN: []}
    answers: Counter[int] = Counter()
    with ExitStack() as stack:
        index = stack.enter_context(peers.sink(run.scratch, REST))
        proxy = stack.enter_context(ours.proxy(run.scratch, index.port, PROXY))
        valid, attacker = (stack.enter_context(load.client(REST)) for _ in range(2))
        port, credential = proxy.server.port, proxy.credential()
        valid.submit(load.upload_small, port, credential, list(itertools.islice(numbers, 50)), 1).result()
        for number in range(run.rounds):
            for kind in run.turns((IDLE, UNKNOWN, KNOWN), number):
                mine = list(itertools.islice(numbers, int(pace.seconds / PAUSE_SECONDS / 2)))
                bogus = _bogus(kind, credential, int(RATE * (pace.seconds + MARGIN_SECONDS)))
                attack = attacker.submit(load.flood, port, bogus, RATE, SENDERS)
                taken[kind].append(valid.submit(load.upload_and_read, port, credential, mine, PAGE, pace).result())
                answers += attack.result()
            run.say(f"flood: round {number + 1} of {run.rounds}")
    said = ", ".join(f"{count} x {status or 'no answer'}" for status, count in sorted(answers.items()))
    return [Row("flood", TITLE, tuple(_lines(taken)), (f"the bogus keys were answered {said}",))]


def _bogus(kind: str, credential: str, count: int) -> list[bytes]:
    """Keys with a right checksum, each in a GET; none for the idle part of a round."""
    prefix, public_id, _ = credential.removeprefix("__token__:").split("_")
    if kind == IDLE:
        return []
    ids = (keys.PublicId(public_id) if kind == KNOWN else _some_id() for _ in range(count))
    return [load.get(PAGE, f"__token__:{keys.mint(prefix, one, os.urandom(keys.SECRET_ENTROPY))}") for one in ids]


def _some_id() -> keys.PublicId:
    return keys.name_secret(keys.name_key(os.urandom(keys.KEY_ID_ENTROPY)), keys.SLOTS[0])


def _lines(taken: dict[str, list[load.Served]]) -> Iterator[Line]:
    for parity, what in ((0, "upload of 20 KB"), (1, "read of a page")):
        p99 = {kind: [_percentile(one.latencies[parity::2], 99) for one in many] for kind, many in taken.items()}
        for kind, samples in p99.items():
            half = statistics.median(_percentile(one.latencies[parity::2], 50) for one in taken[kind])
            measured = f"{statistics.median(samples):.1f} ms (median {half:.1f} ms)"
            ratio = None if kind == IDLE else median_ratio(samples, p99[IDLE])
            yield Line(
                f"{what}, p99, {kind}", measured, ratio, "of idle", P99 if kind != IDLE else None, tuple(samples)
            )


def _percentile(seconds: Sequence[float], percent: int) -> float:
    """In milliseconds."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] * 1000
