"""Numbers in the alphabet of keys, and the check that a key ends in. It knows no key.

Loaded by whatever writes a key, `authproxy exec` too, so it loads nothing that takes a millisecond.
"""

from __future__ import annotations

import zlib

TYPE_CHECKING = False  # as `typing` has it, which takes longer to load than all of this
if TYPE_CHECKING:
    from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CHECK_LENGTH: Final = 6  # 62**6 > 2**32

_PAIRS: Final = tuple(high + low for high in ALPHABET for low in ALPHABET)


def base62(number: int, width: int) -> str:
    """Write a number with this many digits of ALPHABET, the highest first."""
    pairs = []
    for _ in range(0, width, 2):  # two at a time: names of derived keys are written five in a row
        number, pair = divmod(number, len(_PAIRS))
        pairs.append(_PAIRS[pair])
    return "".join(reversed(pairs))[-width:]


def check(body: str) -> str:
    """Return the check of all that stands before it in a key: its CRC32."""
    return base62(zlib.crc32(body.encode("ascii")), CHECK_LENGTH)
