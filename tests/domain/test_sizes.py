"""Sizes in sentences: short, and never so rounded that the sentence contradicts itself."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.domain.sizes import exact, over

KIB, MIB, GIB = 1024, 1024**2, 1024**3
BYTES = {"bytes": 1, "byte": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB}


def number(text: str) -> float:
    count, unit = text.split()
    return float(count) * BYTES[unit]


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (10, "10 bytes"),
        (KIB, "1 KiB"),
        (1536, "1536 bytes"),
        (50 * MIB, "50 MiB"),
        (2 * GIB, "2 GiB"),
        (GIB + MIB, "1025 MiB"),
    ],
)
def test_a_limit_is_written_as_it_was_meant(size: int, text: str) -> None:
    """In the largest unit without a rest."""
    assert exact(size) == text


@pytest.mark.parametrize(
    ("size", "limit", "texts"),
    [
        pytest.param(5_452_595, 2 * MIB, ("5.2 MiB", "2 MiB"), id="well over it"),
        pytest.param(2 * MIB + 1, 2 * MIB, ("2097153 bytes", "2097152 bytes"), id="a byte over it"),
        pytest.param(11, 10, ("11 bytes", "10 bytes"), id="small"),
        pytest.param(5 * MIB, 1_500_000, ("5242880 bytes", "1500000 bytes"), id="a limit to the byte"),
        pytest.param(700 * KIB, 512 * KIB, ("700 KiB", "512 KiB"), id="in KiB"),
        pytest.param(3 * GIB, 50 * MIB, ("3 GiB", "50 MiB"), id="in two units"),
    ],
)
def test_a_size_over_a_limit(size: int, limit: int, texts: tuple[str, str]) -> None:
    """Rounded where the difference shows all the same."""
    assert over(size, limit) == texts


LIMITS = st.one_of(st.integers(1, 3 * GIB), st.integers(1, 3000).map(lambda n: n * MIB))


@given(LIMITS, st.integers(1, 200) | st.integers(1, 3 * GIB))
def test_what_is_over_reads_as_over(limit: int, more: int) -> None:
    """The first text is more than the second, the second is the limit, and the first is off by a twentieth at most."""
    shown, most = over(limit + more, limit)
    assert number(shown) > number(most) == limit
    assert abs(number(shown) - limit - more) <= (limit + more) * 0.05


def test_rounding_alone_would_be_caught() -> None:
    """Negative control: one digit behind the point says that a file of 2 MiB and a byte has what is allowed."""
    careless = f"{(2 * MIB + 1) / MIB:.1f} MiB"
    assert re.fullmatch(r"2\.0 MiB", careless)
    assert not number(careless) > 2 * MIB
