"""JSON and base64url that have one reading, and everything that has two or none."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.oidc.strict import json_object, unpacked


@given(st.binary(max_size=200))
def test_what_is_written_canonically_is_read(octets: bytes) -> None:
    """For any bytes, whatever their number."""
    assert unpacked(base64.urlsafe_b64encode(octets).rstrip(b"=")) == octets


@given(st.binary(min_size=1, max_size=40), st.data())
def test_no_second_spelling_is_read(octets: bytes, data: st.DataObject) -> None:
    """Whatever one character is put in the place of another, the value is another or there is none."""
    part = base64.urlsafe_b64encode(octets).rstrip(b"=")
    at = data.draw(st.integers(0, len(part) - 1))
    put = data.draw(st.integers(0, 255).filter(lambda c: c != part[at]))
    changed = part[:at] + bytes([put]) + part[at + 1 :]
    try:
        found = unpacked(changed)
    except ValueError:
        return
    assert found != octets


def test_python_itself_reads_second_spellings() -> None:
    """Negative control: what stands above is not true of the standard library."""
    assert base64.urlsafe_b64decode("QQ==") == base64.urlsafe_b64decode("QR==") == b"A"
    with pytest.raises(ValueError, match="second spelling"):
        unpacked(b"QR")


NOT_BASE64 = {
    "padding": b"QQ==",
    "a lone character": b"QUJDR",
    "the standard alphabet": b"-_+/",
    "a space": b"QU JD",
    "a line break at the end": b"QUJD\n",
    "a line break within": b"QU\nJD",
    "a byte that is not ASCII": b"QUJ\xc3",
    "a NUL": b"QUJ\0",
}


@pytest.mark.parametrize("part", NOT_BASE64.values(), ids=NOT_BASE64.keys())
def test_what_is_not_base64url_is_not_read(part: bytes) -> None:
    """Python's own decoder skips most of it in silence."""
    with pytest.raises(ValueError, match="not base64url"):
        unpacked(part)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


@given(st.dictionaries(st.text(), VALUES, max_size=5), st.booleans())
def test_what_json_writes_is_read(value: dict[str, object], ascii_only: bool) -> None:
    """Any object, escaped or not."""
    try:
        raw = json.dumps(value, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:
        return
    try:
        found = json_object(raw)
    except ValueError:
        assert "\\ud" in raw.decode()  # half a character, written as an escape
    else:
        assert found == value


NOT_JSON = {
    "nothing": (b"", "not JSON"),
    "no JSON": (b"iss=me", "not JSON"),
    "two objects": (b"{}{}", "not JSON"),
    "a comma at the end": (b'{"a":1,}', "not JSON"),
    "a control character in a string": (b'{"a":"\n"}', "not JSON"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "not JSON"),
    "UTF-16": ('{"a":1}'.encode("utf-16"), "not UTF-8"),
    "Latin-1": (b'{"a":"\xe9"}', "not UTF-8"),
    "an encoded surrogate": (b'{"a":"\xed\xa0\x80"}', "not UTF-8"),
    "an escaped surrogate": (b'{"a":["\\ud800"]}', "half a character"),
    "an escaped surrogate in a key": (b'{"\\udfff":1}', "half a character"),
    "a list": (b"[]", "not a JSON object"),
    "a string": (b'"iss"', "not a JSON object"),
    "null": (b"null", "not a JSON object"),
    "a key twice": (b'{"a":1,"a":1}', "a key twice"),
    "a key twice in two spellings": (b'{"a":1,"\\u0061":1}', "a key twice"),
    "a key twice further down": (b'{"b":[{"a":1,"a":2}]}', "a key twice"),
    "NaN": (b'{"exp":NaN}', "JSON does not know"),
    "Infinity": (b'{"exp":Infinity}', "JSON does not know"),
    "minus infinity": (b'{"exp":-Infinity}', "JSON does not know"),
    "a number past all doubles": (b'{"exp":1e999}', "too large"),
    "a number of 21 digits": (b'{"exp":' + b"1" * 21 + b"}", "too long"),
    "a number of 30,000 digits": (b'{"exp":' + b"1" * 30_000 + b"}", "too long"),
    "lists within lists": (b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}", "nested too deeply"),
    "objects within objects": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "nested too deeply"),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "words"), NOT_JSON.values(), ids=NOT_JSON.keys())
def test_what_has_two_readings_or_none_is_not_read(raw: bytes, words: str) -> None:
    """And the sentence holds nothing of it."""
    with pytest.raises(ValueError, match=words) as caught:
        json_object(raw)
    assert str(caught.value).isascii()
    assert type(caught.value) is ValueError


def test_python_itself_reads_a_key_twice() -> None:
    """Negative control: the standard library takes the last, others take the first."""
    assert json.loads(b'{"a":1,"a":2}') == {"a": 2}


def test_whole_characters_may_be_escaped() -> None:
    """A pair of surrogates is a character, and a backslash before a u may be one."""
    assert json_object(b'{"a":"\\ud83d\\ude00 \\\\ud800"}') == {"a": "\U0001f600 \\ud800"}
