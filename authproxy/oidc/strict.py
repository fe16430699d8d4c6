"""JSON and base64url with one reading. Python's own readers are kind: the last of two keys wins, `NaN` is a number,
stray characters in base64 are skipped. What reads a token twice must not read two tokens.

Raises nothing but ValueError, with a sentence that holds nothing of what was read.
"""

import base64
import json
import math
import re
from typing import Final

# RFC 7515, section 2: base64url without padding. \Z and not $, which would let a line break pass.
_BASE64URL: Final = re.compile(rb"[A-Za-z0-9_-]*\Z")
# 2**64 has 20 digits. Every id that an issuer writes as a number is shorter, and int() of 4,300 digits is not free.
DIGITS: Final = 20


def unpacked(part: bytes) -> bytes:
    """Decode base64url, canonically: a spelling that would not be written so is refused (the last character of some
    lengths has bits that nobody reads, which makes 4 or 16 spellings of one value).
    """
    if not _BASE64URL.match(part) or len(part) % 4 == 1:
        raise ValueError("it is not base64url")
    found = base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    if base64.urlsafe_b64encode(found).rstrip(b"=") != part:
        raise ValueError("it is base64url in a second spelling")
    return found


def json_object(raw: bytes) -> dict[str, object]:
    """Read one JSON object: UTF-8, no key twice at any depth, no number that JSON or a database does not have."""
    found = _read(raw)
    if not isinstance(found, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004 - a value of the sender's, not a programmer's type
    return found


def json_array(raw: bytes) -> list[object]:
    """Read one JSON array, as strictly."""
    found = _read(raw)
    if not isinstance(found, list):
        raise ValueError("it is not a JSON array")  # noqa: TRY004 - as above
    return found


def _read(raw: bytes) -> object:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    try:
        found: object = _READER.decode(text)
    except RecursionError:
        raise ValueError("its JSON is nested too deeply") from None
    except json.JSONDecodeError:
        raise ValueError("it is not JSON") from None
    if "\\u" in text and _half(found):
        raise ValueError("its JSON has half a character")
    return found


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("its JSON has a key twice")
    return found


def _integer(digits: str) -> int:
    if len(digits) > DIGITS:
        raise ValueError("its JSON has a number that is too long")
    return int(digits)


def _finite(digits: str) -> float:
    found = float(digits)
    if not math.isfinite(found):  # 1e999
        raise ValueError("its JSON has a number that is too large")
    return found


def _no_number(_: str) -> object:
    raise ValueError("its JSON has a number that JSON does not know")


# Made once: json.loads makes one for every call that has wishes.
_READER: Final = json.JSONDecoder(
    object_pairs_hook=_once, parse_int=_integer, parse_float=_finite, parse_constant=_no_number
)


def _half(found: object) -> bool:
    """Whether a string holds a lone surrogate, which no file, log or database can be given."""
    try:
        json.dumps(found, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False
