"""What a person types: read by the rooms below, refused as wrong usage, and never repeated where it is a secret."""

from ipaddress import ip_address

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.cli.issuing import Life
from authproxy.cli.values import (
    ADDRESS,
    CIDR,
    DURATION,
    FILENAME,
    GRANT,
    INSTANT,
    KEY_ID,
    MOMENT,
    PROJECT,
    SIZE,
    UNTIL,
    VERSION,
    Typed,
)
from authproxy.domain.keys import SECRET_ENTROPY, PublicId, mint

KEY = mint("apx", PublicId("Ab0123456789x"), bytes(range(SECRET_ENTROPY)))
TYPES = (KEY_ID, GRANT, CIDR, ADDRESS, DURATION, SIZE, PROJECT, VERSION, FILENAME, INSTANT, MOMENT, UNTIL)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (KEY_ID, "Ab0123456789", "Ab0123456789"),
        (KEY_ID, "Ab0123456789x", "Ab0123456789"),
        (DURATION, "90d", 90 * 86_400),
        (DURATION, "never", Life.NEVER),
        (SIZE, "20MiB", 20 * 1024 * 1024),
        (SIZE, "1000", 1000),
        (ADDRESS, "::1", ip_address("::1")),
        (PROJECT, "Acme.Core", "acme-core"),
        (VERSION, "v1.0-a1", "1.0a1"),
    ],
    ids=lambda value: str(getattr(value, "name", value)),
)
def test_what_is_read(kind: Typed, text: str, value: object) -> None:
    """Text becomes a value, and a value that is one already stays."""
    assert kind.convert(text, None, None) == value
    assert kind.convert(value, None, None) == value


@given(st.sampled_from(TYPES), st.text(max_size=200))
def test_nothing_but_wrong_usage(kind: Typed, text: str) -> None:
    """Whatever is typed, it is read or it is wrong usage in one bounded sentence: never another exception."""
    said = ""
    try:
        kind.convert(text, None, None)
    except click.BadParameter as wrong:
        said = wrong.message
    assert len(said) < 400


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_a_key_in_the_wrong_place_is_not_repeated(kind: Typed) -> None:
    """Whoever pastes a key into any of these does not find its secret in the error, and so not in a CI log."""
    with pytest.raises(click.BadParameter) as wrong:
        kind.convert(f"upload:{KEY}" if kind is GRANT else KEY, None, None)
    assert KEY.rpartition("_")[2][:20] not in wrong.value.message


@pytest.mark.parametrize(
    ("text", "moment", "until"),
    [
        ("2027-01-31", 1_801_353_600, 1_801_440_000),
        ("2027-01-31T12:00:00Z", 1_801_396_800, 1_801_396_800),
        ("2027-01-31T12:00:00+02:00", 1_801_389_600, 1_801_389_600),
        ("2027-01-31T12:00:00", 1_801_396_800, 1_801_396_800),
    ],
    ids=["a day", "as we print it", "in another zone", "without a zone"],
)
def test_a_day_begins_and_ends(text: str, moment: int, until: int) -> None:
    """What counts from a day counts from its beginning, what lasts until a day lasts through it; all in UTC."""
    assert (MOMENT.convert(text, None, None), UNTIL.convert(text, None, None)) == (moment, until)


def test_an_instant_is_exact() -> None:
    """The record's own times have milliseconds: what it printed finds that very row again."""
    assert INSTANT.convert("2027-01-31T12:00:00.250Z", None, None) == 1_801_396_800_250
    assert MOMENT.convert("2027-01-31T12:00:00.250Z", None, None) == 1_801_396_800


@pytest.mark.parametrize("text", ["", "soon", "31.01.2027", "2027-02-30", "\x1b[2J", "x" * 1000])
def test_what_is_no_time(text: str) -> None:
    """Wrong usage, in one short sentence."""
    with pytest.raises(click.BadParameter) as caught:
        MOMENT.convert(text, None, None)
    assert "is no time: write one as in 2027-01-31" in caught.value.message
    assert len(caught.value.message) < 150
