"""Sizes as sentences have them: 5.2 MiB where that is enough to see why, to the byte where it is not.

This room writes sizes and reads none; `authproxy.config` reads those that an operator writes.
"""

from typing import Final

_UNITS: Final = (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024))


def exact(size: int) -> str:
    """Write a number of bytes in the largest unit that has no rest: a limit, as it stands in the configuration."""
    for unit, count in _UNITS:
        if size and size % count == 0:
            return f"{size // count} {unit}"
    return f"{size} byte{'' if size == 1 else 's'}"


def over(size: int, limit: int) -> tuple[str, str]:
    """Write a size and the limit that it is over, so that a reader sees that it is: both to the byte where need be."""
    unit, count = next((each for each in _UNITS if size >= each[1]), ("bytes", 1))
    rounded = f"{size / count:.1f}".removesuffix(".0")
    if count == 1 or exact(limit).endswith("bytes") or float(rounded) * count <= limit:
        return f"{size} bytes", f"{limit} bytes"
    return f"{rounded} {unit}", exact(limit)
