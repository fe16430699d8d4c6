"""The types of single values: what is described to editors is what the readers take."""

import re

import pytest
from pydantic import TypeAdapter, ValidationError

from authproxy.config import fields
from authproxy.config.settings import DAY


@pytest.mark.parametrize(
    "field",
    [fields.Duration, fields.UploadTimeout, fields.Lifetime, fields.Idle, fields.MaybeRate, fields.AddressText],
    ids=["duration", "upload timeout", "lifetime", "idle", "rate", "address"],
)
def test_every_example_is_read_and_fits_its_own_pattern(field: object) -> None:
    """Editors offer the examples; none of them may be refused."""
    adapter = TypeAdapter(field)
    described = adapter.json_schema()
    assert described["examples"]
    for example in described["examples"]:
        adapter.validate_python(example)
        assert re.fullmatch(described["pattern"].removeprefix("^").removesuffix("$"), example)


@pytest.mark.parametrize(("text", "seconds"), [("1d", DAY), ("24h", DAY), ("90d", 90 * DAY), ("never", None)], ids=str)
def test_how_long_a_key_may_be_idle(text: str, seconds: int | None) -> None:
    """A day at least, or `never`."""
    assert TypeAdapter(fields.Idle).validate_python(text) == seconds


@pytest.mark.parametrize("text", ["23h", "1s", "0d", "Never", "", 90, None])
def test_what_is_no_idle_time(text: object) -> None:
    """Less than a day would pause what is used daily; the rest is no time."""
    with pytest.raises(ValidationError):
        TypeAdapter(fields.Idle).validate_python(text)
