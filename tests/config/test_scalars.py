"""Plain scalars: what is read, and what YAML would have made of the rest."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from authproxy.config.scalars import Surprise, plain

LOADER = yaml.SafeLoader("")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("false", False),
        ("0", 0),
        ("42", 42),
        ("-7", -7),
        ("999999999999999999", 999999999999999999),
        ("acme-core", "acme-core"),
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("90d", "90d"),
        ("200MiB", "200MiB"),
        ("10/hour", "10/hour"),
        ("2027-01-31", "2027-01-31"),
        ("1.2.3", "1.2.3"),
        (">=1.0", ">=1.0"),
        ("1.*", "1.*"),
        ("never", "never"),
        ("None", "None"),
        ("y", "y"),
        ("08", "08"),
        ("1e3", "1e3"),
    ],
)
def test_what_it_looks_like(text: str, value: object) -> None:
    """A word is text, a decimal number a number, true and false the booleans; a date is the text that it is."""
    read = plain(LOADER, text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        *("yes", "no", "on", "off", "Yes", "NO", "On", "OFF", "True", "FALSE"),
        *("012", "0x1F", "0b1", "1_000", "+1", "12:30", "12:30:45", "-0", "00", "1" * 19, "1" * 5000),
        *("1.0", "1.10", ".5", "1.", "-.inf", ".nan", "1.5e-3", "190:20:30.15"),
        *("", "~", "null", "Null", "NULL"),
        *("<<", "=", "*", "&", "!"),
    ],
    ids=lambda text: text[:20] or "nothing",
)
def test_a_surprise_is_refused(text: str) -> None:
    """What YAML 1.1 reads into a word is refused with a way to write it, in one line that fits a terminal."""
    with pytest.raises(Surprise) as caught:
        plain(LOADER, text)
    assert len(str(caught.value)) < 160


@given(st.text(st.characters(codec="ascii", exclude_characters="\n"), max_size=12))
def test_nothing_changes_its_meaning_unseen(text: str) -> None:
    """Whatever is read comes back as YAML 1.1 and PyYAML read it, or as the very text."""
    try:
        value = plain(LOADER, text)
    except Surprise:
        return
    constructed = yaml.SafeLoader("").construct_object(
        yaml.ScalarNode(LOADER.resolve(yaml.ScalarNode, text, (True, False)), text)
    )
    assert value in (text, constructed)
    assert isinstance(value, str) or value == constructed


def test_the_naive_reader_is_surprised() -> None:
    """Negative control: PyYAML itself reads a version, a mode and a time as something else, without a word."""
    assert yaml.safe_load("[1.10, 012, 12:30:45, no]") == [1.1, 10, 45045, False]
