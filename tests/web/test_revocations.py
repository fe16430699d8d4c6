"""What is counted of keys that are given up, by address and by key; and which reports were answered."""

from ipaddress import ip_address
from pathlib import Path

import pytest

from authproxy.domain.derived import derive
from authproxy.domain.refusal import Code, Denial, Refused
from authproxy.web import revocations, revoking
from authproxy.web.head import Address
from authproxy.web.revocations import ANSWERED, DERIVED_LIMIT, DERIVED_WINDOW, AnsweredReports, Revocations
from tests.peers.masters import derived, lifetime, with_master
from tests.peers.reporter import surrender
from tests.peers.wire import basic, get
from tests.web.conftest import Running
from tests.web.test_revoking import KEYED

HERE, THERE = ip_address("192.0.2.1"), ip_address("198.51.100.7")


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The master key lies where the configuration says; nobody waits for the even time."""
    with_master(tmp_path)
    monkeypatch.setattr(revoking, "ANSWER", 0)


def counted(counts: Revocations, address: Address, now: int) -> Denial | None:
    try:
        counts.count(address, now)
    except Refused as refused:
        return refused.denial
    return None


@pytest.mark.parametrize("running", [KEYED | {"throttle": {"failures": 3, "window": "60s"}}], indirect=True)
async def test_each_address_has_its_own_count(running: Running) -> None:
    """And gets it back with time."""
    counts = running.app.parts.revocations
    *passed, denial = [counted(counts, HERE, 1000) for _ in range(4)]
    assert passed == [None] * 3
    assert denial is not None
    assert (denial.code, denial.retry_after) == (Code.THROTTLED, 20)
    assert counted(counts, THERE, 1000) is None
    assert [counted(counts, HERE, 1020) is None for _ in range(2)] == [True, False]


@pytest.mark.parametrize("running", [KEYED], indirect=True)
async def test_whoever_has_a_derived_key_cannot_fill_the_store(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """He can make any number of others of it, and each that is ended is a row; but he cannot hold up the end of his own.

    The key itself can be given up as well.
    """
    assert (DERIVED_LIMIT, DERIVED_WINDOW) == (100, 300)
    monkeypatch.setattr(revocations, "DERIVED_LIMIT", 3)
    counts = Revocations(running.app.parts.revocations.possessions, running.app.parts.revocations._addresses)
    monkeypatch.setattr(running.app.parts.revocations, "_derived", counts._derived)
    key, other = await running.key(), await running.key()
    parent = derived(key, lifetime())
    children = [derive(parent, [lifetime(at)], "apx") for at in range(100, 105)]
    assert [(await running.ask(surrender(each))).status for each in children] == [200, 200, 200, 429, 429]
    assert (await running.ask(surrender(derived(other, lifetime())))).status == 200
    answer = await running.ask(surrender(children[-1]))
    assert answer.status == 429
    assert "or revoke the key" in answer.text
    assert (await running.ask(surrender(parent))).status == 200
    assert (await running.ask(get("/-/whoami", [("Authorization", basic("__token__", children[-1]))]))).status == 401
    assert (await running.ask(surrender(key))).status == 200
    found = await running.app.parts.store.key(key[4:16])  # type: ignore[arg-type]
    assert found is not None
    assert found.revoked is not None


def test_reports_that_were_answered_are_known() -> None:
    """By the hash of their body; the oldest are forgotten."""
    reports = AnsweredReports()
    reports.add(b"one")
    assert b"one" in reports
    assert b"two" not in reports
    for number in range(ANSWERED):
        reports.add(number.to_bytes(4))
    assert b"one" not in reports
