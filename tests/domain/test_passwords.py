"""The last day of passwords, and what is said before and after it."""

from datetime import UTC, date, datetime

import pytest

from authproxy.domain.passwords import NO_PASSWORDS, PasswordRule, Passwords
from authproxy.domain.refusal import Code

LAST = PasswordRule(Passwords.WARN, date(2027, 1, 31))


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("moment", "over"),
    [
        pytest.param("2026-11-22T12:00:00", False, id="months before"),
        pytest.param("2027-01-31T23:59:59", False, id="the last second of the last day"),
        pytest.param("2027-02-01T00:00:00", True, id="the first second after it"),
        pytest.param("2031-01-01T00:00:00", True, id="years after"),
    ],
)
def test_the_last_day_is_a_whole_day(moment: str, over: bool) -> None:
    """`until` names the last day on which passwords work, in UTC."""
    denial = LAST.over(at(moment))
    assert (denial is not None) == over
    if denial is not None:
        assert denial.code is Code.PASSWORD_ENDED
        assert "2027-01-31" in denial.reason
        assert "ask the operator for a key" in denial.reason


def test_without_a_day_nothing_ends_by_itself() -> None:
    """An operator who names no day decides later."""
    assert PasswordRule(Passwords.ALLOW).over(at("2099-01-01T00:00:00")) is None


def test_passwords_are_refused_where_nobody_said_anything() -> None:
    """The default is what the main job had."""
    assert NO_PASSWORDS.uploads is Passwords.REFUSE


@pytest.mark.parametrize("rule", [LAST, PasswordRule(Passwords.WARN)])
def test_the_warning_says_what_to_do(rule: PasswordRule) -> None:
    """With the day where there is one; and as a reason phrase can hold it."""
    assert "ask the operator for a key" in rule.warning
    assert (str(rule.until) in rule.warning) == (rule.until is not None)
    assert rule.warning.isascii()
    assert rule.warning.isprintable()
