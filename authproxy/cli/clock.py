"""Whether the clock of this machine can be right: it is behind what the record says has happened already, or it is not.

A machine without a battery wakes up in 1970, a restored one in the last month: a server that starts then takes keys
that have expired, and writes times down that nobody can make sense of afterwards. Nothing is changed here.
"""

import time
from typing import TYPE_CHECKING, Final

from authproxy.cli.failures import Failure
from authproxy.cli.options import opened
from authproxy.cli.output import moment

if TYPE_CHECKING:
    from authproxy.config import Config

# Seconds by which the clock may be behind the last row. Replicas have clocks of their own; five minutes is what
# Kerberos allows them (RFC 4120, section 8.2).
BEHIND: Final = 300


async def require_clock(config: "Config") -> None:
    """Fail where the record ends later than the clock says it is."""
    async with opened(config) as store:
        rows, _ = await store.record.latest(1)
    now = time.time()
    if rows and rows[-1].time_ms / 1000 > now + BEHIND:
        there, here = moment(rows[-1].time_ms // 1000), moment(int(now))
        raise Failure(
            f"the clock of this machine says {here}, and the last row of the record was written at {there}: set the"
            " clock, by which keys end, or start once with --trust-clock where it is right now and was wrong then"
        )
