"""When something ends, and what is said before it does."""

from dataclasses import replace

import pytest

from authproxy.domain.endings import DAY, current, in_days, old, replaced, threshold, warning
from authproxy.domain.keys import KeyId, KeyRecord, Secret

NOW = 1_800_000_000
ID = KeyId("Abc123XYZ789")
FIRST = Secret("0", "$argon2id$0", NOW - 50 * DAY, None)
OLD = replace(FIRST, expires=NOW + 2 * DAY)
NEW = Secret("1", "$argon2id$1", NOW - 5 * DAY, None)
KEY = KeyRecord(
    id=ID, owner="ci@acme", note="", policy="release", grants=(), networks=(), uses=None, used=0,
    created=NOW - 50 * DAY, expires=NOW + 40 * DAY, paused=False, revoked=None, secrets=(FIRST,),
)  # fmt: skip
ROTATING = replace(KEY, secrets=(OLD, NEW))

THRESHOLDS = {
    "no end": (None, None),
    "31 days": (31 * DAY, None),
    "a second over 30 days": (30 * DAY + 1, None),
    "30 days": (30 * DAY, 30),
    "8 days": (8 * DAY, 30),
    "7 days": (7 * DAY, 7),
    "a day and a second": (DAY + 1, 7),
    "a day": (DAY, 1),
    "a second": (1, 1),
    "now": (0, None),
    "past": (-DAY, None),
}


@pytest.mark.parametrize(("left", "days"), THRESHOLDS.values(), ids=THRESHOLDS.keys())
def test_the_nearest_threshold_counts(left: int | None, days: int | None) -> None:
    """Each threshold begins at its second, and what has ended is not about to."""
    assert threshold(NOW - 100 * DAY, None if left is None else NOW + left, NOW) == days


@pytest.mark.parametrize(("life", "days"), [(DAY, None), (DAY + 1, 1), (7 * DAY, 1), (8 * DAY, 1), (3600, None)])
def test_a_short_life_is_not_announced_from_its_first_day(life: int, days: int | None) -> None:
    """A key made for a day does not warn on every upload; one made for a week warns on its last day."""
    assert threshold(NOW + 600 - life, NOW + 600, NOW) == days


def test_a_week_long_key_is_silent_at_first() -> None:
    """The week's threshold is the whole life, so it says nothing."""
    assert threshold(NOW, NOW + 7 * DAY, NOW) is None


def test_which_secret_is_which() -> None:
    """The old one has an end of its own beside one that has none; without a rotation there is only the current one."""
    assert (current(KEY), old(KEY, NOW)) == (FIRST, None)
    assert (current(ROTATING), old(ROTATING, NOW)) == (NEW, OLD)
    assert old(ROTATING, NOW + 2 * DAY) is None
    assert current(replace(KEY, secrets=(OLD,))) is None
    assert old(replace(KEY, secrets=(OLD,)), NOW) is None
    assert (replaced(ROTATING, OLD, NOW), replaced(ROTATING, NEW, NOW)) == (True, False)


def test_nothing_is_said_without_a_reason() -> None:
    """Far from every end, with the new secret, and of a secret that the key does not have."""
    assert warning(KEY, ID + "0", NOW) is None
    assert warning(ROTATING, ID + "1", NOW) is None
    assert warning(ROTATING, ID + "7", NOW) is None


def test_the_old_secret_says_that_there_is_a_new_one() -> None:
    """When it ends, and what to do; only to who uses it."""
    said = warning(ROTATING, ID + "0", NOW)
    assert said == f"this secret of key {ID} ends on 2027-01-17 08:00 UTC and a new one exists: use that"


def test_both_ends_are_told() -> None:
    """A key may end itself while its old secret does."""
    said = warning(replace(ROTATING, expires=NOW + 3 * DAY), ID + "0", NOW)
    assert said is not None
    assert "a new one exists" in said
    assert f"key {ID} expires on 2027-01-18 08:00 UTC, in 3 days: ask the operator" in said
    assert said.isascii()
    assert len(said) < 400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(10, "in less than a day"), (DAY, "in 1 day"), (2 * DAY - 1, "in 1 day"), (30 * DAY, "in 30 days")],
)
def test_days_are_whole(seconds: int, text: str) -> None:
    """Rounded down: who has less than two days has one."""
    assert in_days(seconds) == text
