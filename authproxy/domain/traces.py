"""Which trace a request belongs to, as the header `traceparent` says it: W3C Trace Context, sections 3.2 and 4.

Read strictly: a header that is not one to the letter is none, and nobody's trace goes on by guessing. Of the flags only
`sampled` is known here, and flags that are not known are not passed on (section 4.3.3 of the first level).
"""

import re
from dataclasses import dataclass
from typing import Final

# Lower case alone, and no id of zeros. A version of the future begins alike, and may go on behind another hyphen.
_HEADER: Final = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
    r"(?P<more>-.*)?",
    re.ASCII | re.DOTALL,
)
_SAMPLED: Final = 1
# Bytes. What is longer than any header of a later version ought to be is nobody's trace.
LIMIT: Final = 512


@dataclass(frozen=True, slots=True)
class Trace:
    """A place in a trace: 32 and 16 lower-case hexadecimal digits."""

    trace_id: str
    span_id: str
    sampled: bool


def read_trace(header: str) -> Trace | None:
    """Read a `traceparent`; None where it is not one."""
    found = _HEADER.fullmatch(header) if len(header) <= LIMIT else None
    if found is None or (found["version"] == "00" and found["more"] is not None):
        return None
    return Trace(found["trace"], found["span"], bool(int(found["flags"], 16) & _SAMPLED))


def write_trace(trace: Trace) -> str:
    """Write a `traceparent` of version 00."""
    return f"00-{trace.trace_id}-{trace.span_id}-{int(trace.sampled):02x}"
