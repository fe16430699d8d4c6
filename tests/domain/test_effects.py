"""Directions of a change, and how limits are written."""

import pytest

from authproxy.domain.effects import Effect, by_count, by_set, limit, period, together

W, N, C, Q, S = Effect


@pytest.mark.parametrize(
    ("effects", "expected"),
    [([], S), ([S], S), ([Q, S], Q), ([W, Q], W), ([N, N], N), ([W, N], C), ([C, W], C)],
)
def test_several_effects_together(effects: list[Effect], expected: Effect) -> None:
    """What only widens widens; what does both is a change; what is only noted moves nothing."""
    assert together(effects) is expected


@pytest.mark.parametrize(("before", "after", "expected"), [(1, 2, W), (2, 1, N), (None, 1, N), (1, None, W)])
def test_limits(before: int | None, after: int | None, expected: Effect) -> None:
    """None is no limit."""
    assert by_count(before, after) is expected


@pytest.mark.parametrize(
    ("before", "after", "expected"), [("a", "ab", W), ("ab", "a", N), ("a", "b", C), ("ab", "bc", C)]
)
def test_sets(before: str, after: str, expected: Effect) -> None:
    """A part of what was taken is narrower."""
    assert by_set(set(before), set(after)) is expected


def test_how_limits_are_written() -> None:
    """In the largest unit that is exact, as the configuration writes them."""
    assert [period(each) for each in (None, 90, 120, 7200, 90 * 86_400)] == ["unlimited", "90s", "2m", "2h", "90d"]
    assert (limit(None), limit(3)) == ("unlimited", "3")
