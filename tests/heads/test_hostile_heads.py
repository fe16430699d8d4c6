"""Every ambiguous head, on every way: nothing reaches the index that should not, nothing is smuggled, nothing is a 5xx."""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.heads.case import Head, Reach, get, upload
from tests.heads.corpus import HEADS
from tests.heads.framing import FRAMING
from tests.heads.scene import HOST, PYPISERVER, Came, Way, walked
from tests.heads.ways import behind_haproxy, behind_nginx, bluntly, devpi_directly, directly, naively
from tests.peers import haproxy, nginx
from tests.peers.recording import Seen, recording_index

needs_nginx = pytest.mark.skipif(
    nginx.installed() is None, reason="nginx is not installed (Debian package nginx-light)"
)
needs_haproxy = pytest.mark.skipif(
    haproxy.installed() is None, reason="HAProxy is not installed (Debian package haproxy)"
)
WAYS = [
    pytest.param(directly, id="directly"),
    pytest.param(devpi_directly, id="directly before devpi"),
    pytest.param(behind_nginx, id="behind nginx", marks=needs_nginx),
    pytest.param(behind_haproxy, id="behind HAProxy", marks=needs_haproxy),
]
HONEST = (Head("an honest read", get(), Reach.PAGE), Head("an honest upload", upload(), Reach.UPLOAD))

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


def test_every_head_has_an_id_of_its_own() -> None:
    """They are hundreds, and no two of them are the same."""
    assert [name for name, times in Counter(head.id for head in HEADS).items() if times > 1] == []
    assert [raw for raw, times in Counter(head.raw for head in HEADS).items() if times > 1] == []
    assert len(HEADS) >= 700


@pytest.mark.parametrize("way", WAYS)
def test_no_head_gets_past_us(way: Callable[[Path], AbstractContextManager[Way]], tmp_path: Path) -> None:
    """Each head with its canaries; before and after them an honest read and an honest upload reach the index."""
    with way(tmp_path) as made:
        for head in HONEST:
            came = made.send(head)
            assert (made.judge(came), came.answers[0][0]) == ([], 200), (head.id, came)
            assert any("canary" in seen.target for seen in came.seen), came
            assert any(seen.method == ("POST" if head.reach is Reach.UPLOAD else "GET") for seen in came.seen), came
        assert walked(made, HEADS) == []
        assert made.send(HONEST[0]).answers[0][0] == 200


def faulty(faults: list[str], what: str) -> set[str]:
    return {fault.rpartition(": ")[0] for fault in faults if what in fault}


def test_control_a_proxy_that_passes_on_what_it_parsed_fails(tmp_path: Path) -> None:
    """aiohttp's parser alone, and everything of the client's goes on: each kind of fault is found."""
    with naively(tmp_path) as made:
        faults = walked(made, HEADS)
    assert len(faulty(faults, "what only the client said")) > 60
    assert len(faulty(faults, "reached the index")) > 60
    assert len(faulty(faults, "somebody's credential")) > 200
    assert faulty(faults, "answered 5") != set()
    assert "a coding on a read: empty" in faulty(faults, "smuggled")


def test_control_a_proxy_that_reads_lengths_alone_is_smuggled_through(tmp_path: Path) -> None:
    """What is a body to it is a request to the index: the canaries' neighbour arrives, dozens of times."""
    with bluntly(tmp_path) as made:
        faults = walked(made, FRAMING[:120])
    smuggled = faulty(faults, "smuggled")
    assert len(smuggled) > 40
    assert "a length and then a coding: plain" in smuggled


def test_control_the_judge_sees_what_it_is_asked_for() -> None:
    """A canary that comes twice or whose answer goes elsewhere, a second upload, a 5xx: each is a fault."""
    with recording_index() as index:
        way = Way("none", index.address, index, PYPISERVER, "", number=2)
        target, raw = way.canary(2)
        canary = Seen(1, "GET", target, (("Host", HOST),), b"", raw)
        post = replace(canary, method="POST", target="/")
        head = Head("a head", b"", Reach.UPLOAD)
        assert way.judge(Came(head, [(200, ""), (200, target)], [post, canary])) == []
        assert way.judge(Came(head, [(200, ""), (200, target)], [canary, canary])) != []
        assert way.judge(Came(head, [(200, "")], [canary])) != []
        assert way.judge(Came(head, [(200, "")], [post, post])) != []
        assert way.judge(Came(head, [(502, "")], [])) != []
        assert way.judge(Came(head, [(200, "")], [], other=(200, "/simple/acme-core/"))) != []
