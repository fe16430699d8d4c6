"""Failures per address and per key id: how many are heard, how long the others wait, and in how much memory."""

from fractions import Fraction
from ipaddress import ip_address
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.authority.throttle import Throttle
from authproxy.domain.keys import KeyId
from authproxy.domain.refusal import Code

HERE, ELSEWHERE = ip_address("192.0.2.1"), ip_address("198.51.100.7")
KEY = KeyId("AAAAAAAAAAAA")
NOW = 1_800_000_000


def fail(throttle, address, times, now=NOW):
    for _ in range(times):
        throttle.failed_from(address, now)


@pytest.mark.parametrize(
    ("failing", "asking", "shared"),
    [
        pytest.param("192.0.2.1", "192.0.2.1", True, id="an IPv4 address shares with itself"),
        pytest.param("192.0.2.1", "192.0.2.2", False, id="its neighbour is another one"),
        pytest.param("::ffff:192.0.2.1", "192.0.2.1", True, id="IPv4 written as IPv6 is that IPv4 address"),
        pytest.param("::ffff:192.0.2.1", "::ffff:192.0.2.2", False, id="mapped IPv4 neighbours share no /64"),
        pytest.param("2001:db8::1", "2001:db8::ffff:0:0:2", True, id="one IPv6 /64 is one"),
        pytest.param("2001:db8:0:1::1", "2001:db8:0:2::1", False, id="two IPv6 /64 are two"),
        pytest.param("::c000:201", "192.0.2.1", False, id="an IPv6 number that equals an IPv4 one is no kin"),
        pytest.param("fe80::1%eth0", "fe80::2", True, id="an interface name does not make another address"),
    ],
)
def test_who_shares_a_meter(failing, asking, shared):
    """Failures count against the least network that one customer holds, and against nobody else."""
    throttle = Throttle(failures=3, window=60)
    fail(throttle, ip_address(failing), 3)
    assert (throttle.wait(ip_address(asking), None, NOW) > 0) is shared


def test_so_many_failures_are_heard_and_then_one_per_pace():
    """Six in a minute: six at once, then one every ten seconds, and an hour later six again."""
    throttle = Throttle(failures=6, window=60)
    for _ in range(6):
        assert throttle.wait(HERE, None, NOW) == 0
        throttle.failed_from(HERE, NOW)
    assert throttle.wait(HERE, None, NOW) == 10
    assert throttle.wait(HERE, None, NOW + 9) == 1
    assert throttle.wait(HERE, None, NOW + 10) == 0
    throttle.failed_from(HERE, NOW + 10)
    assert throttle.wait(HERE, None, NOW + 10) == 10
    fail(throttle, HERE, 5, NOW + 3600)
    assert throttle.wait(HERE, None, NOW + 3600) == 0


def test_asking_counts_nothing():
    """Only failures do: any number of questions leaves the wait as it was."""
    throttle = Throttle(failures=1, window=60)
    assert [throttle.wait(HERE, KEY, NOW) for _ in range(100)] == [0] * 100
    throttle.failed_from(HERE, NOW)
    assert [throttle.wait(HERE, KEY, NOW + 30) for _ in range(100)] == [30] * 100
    assert throttle.wait(HERE, KEY, NOW + 60) == 0


def test_a_failed_key_waits_everywhere_and_alone():
    """The key meter holds from every address, for this key only, and the longer wait of the two is told."""
    throttle = Throttle(failures=2, window=60)
    for _ in range(2):
        throttle.failed_for(KEY, NOW)
    assert throttle.wait(ip_address("198.51.100.7"), KEY, NOW) == 30
    assert throttle.wait(HERE, KeyId("BBBBBBBBBBBB"), NOW) == 0
    assert throttle.wait(HERE, None, NOW) == 0
    fail(throttle, HERE, 2, NOW + 20)
    assert throttle.wait(HERE, KEY, NOW + 20) == 30


@pytest.mark.parametrize("jump", [-86_400, -3600, -1])
def test_a_clock_set_back_locks_nobody_out_for_longer_than_the_window(jump):
    """After the clock was corrected by a day, the wait is that of a full bucket, not a day."""
    throttle = Throttle(failures=2, window=60)
    fail(throttle, HERE, 2)
    assert 30 <= throttle.wait(HERE, None, NOW + jump) <= 60
    throttle.failed_from(HERE, NOW + jump)
    assert throttle.wait(HERE, None, NOW + jump) == 30


def test_a_wait_ends_although_the_clock_was_ten_years_on():
    """What was counted then leaks from now on, for addresses and keys alike: it did not until the ten years were over."""
    throttle = Throttle(failures=2, window=60)
    later = NOW + 10 * 365 * 86_400
    fail(throttle, HERE, 2, later)
    for _ in range(2):
        throttle.failed_for(KEY, later)
    assert throttle.wait(HERE, KEY, NOW) == 30
    assert throttle.wait(HERE, KEY, NOW + 10) == 20
    assert throttle.wait(HERE, KEY, NOW + 30) == 0


@given(
    gaps=st.lists(st.integers(0, 40), min_size=1, max_size=80),
    failures=st.integers(1, 12),
    window=st.integers(1, 90),
)
def test_it_agrees_with_an_exact_bucket(gaps, failures, window):
    """Whoever tries at any times is heard exactly when a bucket in exact fractions has room for one more failure, the
    wait that is told is the shortest that helps, and no window of time hears more than twice the failures.
    """
    throttle = Throttle(failures=failures, window=window)
    level, now, heard = Fraction(0), NOW, []
    for gap in gaps:
        now += gap
        level = max(Fraction(0), level - Fraction(gap * failures, window))
        wait = throttle.wait(HERE, None, now)
        assert (wait == 0) is (level + 1 <= failures)
        if wait:
            assert throttle.wait(HERE, None, now + wait) == 0
            assert throttle.wait(HERE, None, now + wait - 1) == 1
        else:
            throttle.failed_from(HERE, now)
            level += 1
            heard.append(now)
    assert all(later - first >= window for first, later in zip(heard, heard[2 * failures :], strict=False))
    assert all(first <= later for first, later in pairwise(heard))


@given(
    steps=st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=40),
    failures=st.integers(1, 6),
)
def test_what_is_forgiven_was_never_counted(steps, failures):
    """A failure taken back at once leaves every later wait as if it had not been; the memory of it goes, too."""
    ours, plain, now = Throttle(failures=failures, window=60), Throttle(failures=failures, window=60), NOW
    for gap, forgiven in steps:
        now += gap
        assert ours.wait(HERE, KEY, now) == plain.wait(HERE, KEY, now)
        if ours.wait(HERE, KEY, now):
            continue
        ours.failed_for(KEY, now)
        if forgiven:
            ours.forgive(KEY, now)
        else:
            plain.failed_for(KEY, now)
    assert len(ours) <= len(plain)


def test_forgiving_who_did_not_fail_changes_nothing():
    """There is no credit to be had."""
    throttle = Throttle(failures=1, window=60)
    throttle.forgive(KEY, NOW)
    assert len(throttle) == 0
    throttle.failed_for(KEY, NOW)
    assert throttle.wait(HERE, KEY, NOW) == 60


def test_memory_is_bounded():
    """However many addresses and keys fail, so many are remembered and the last ones are."""
    throttle = Throttle(failures=1, window=60, entries=100)
    for n in range(1000):
        throttle.failed_from(ip_address(n << 64), NOW)
        throttle.failed_for(KeyId(f"{n:012}"), NOW)
    assert len(throttle) == 200
    assert throttle.wait(ip_address(999 << 64), None, NOW) == 60
    assert throttle.wait(HERE, KeyId(f"{999:012}"), NOW) == 60
    assert throttle.wait(ip_address(1 << 64), None, NOW) == 0


@pytest.mark.parametrize(("failures", "window"), [(0, 60), (10, 0), (-1, 60)])
def test_a_rate_of_nothing_is_refused(failures, window):
    """A throttle that hears nobody, or has no window, is a mistake of the caller."""
    with pytest.raises(ValueError, match="is no rate"):
        Throttle(failures=failures, window=window)


async def test_what_others_found_wrong_counts(build):
    """The index's own passwords are judged elsewhere; their failures wait like those of keys, at their address alone."""
    authority = build(failures=3)
    for _ in range(3):
        assert authority.turned_away(HERE, NOW) is None
        authority.presented_wrong(HERE, NOW)
    denial = authority.turned_away(HERE, NOW)
    assert denial is not None
    assert denial.code is Code.THROTTLED
    assert authority.turned_away(ELSEWHERE, NOW) is None
    assert authority.turned_away(HERE, NOW + 60) is None
