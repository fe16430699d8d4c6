"""What a person types, read once: an id, a grant, a network, a duration. What cannot be read is wrong usage.

The readers themselves stand in the rooms below; here their refusals become click's.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import click

from authproxy.cli.issuing import DAY, Life
from authproxy.cli.logs import redact
from authproxy.domain.grants import index_name, parse_grant
from authproxy.domain.keys import KeyId, read_key_id
from authproxy.domain.names import artifact, project_name, version_text
from authproxy.domain.refusal import Refused
from authproxy.domain.rules import Network

# More of it than this does not help whoever mistyped an id.
SHOWN = 40

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

WHOLE_KEY = (
    "that is a whole key, and now it stands in the shell's history: "
    "name keys by the 12 characters after their prefix, and revoke this one"
)


# click made ParamType generic in 8.5; before that it cannot be subscripted.
class Typed(click.ParamType):  # type: ignore[type-arg]
    """A value that a function reads out of text; it says what is wrong with one by raising ValueError or Refused."""

    def __init__(self, name: str) -> None:
        self.name = name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value  # a default, read already
        if redact(value) != value:
            self.fail(WHOLE_KEY, param, ctx)
        try:
            return _READERS[self.name](value)
        except Refused as refused:
            self.fail(refused.denial.reason, param, ctx)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _key_id(text: str) -> KeyId:
    found = read_key_id(text)
    if found is not None:
        return found
    shown = text if len(text) <= SHOWN else text[:SHOWN] + "..."
    raise ValueError(f"'{shown}' is no key id: it has 12 letters and digits, `authproxy key list` shows them")


def _network(text: str) -> Network:
    from authproxy.config.values import network

    return network(text)


def _address(text: str) -> IPv4Address | IPv6Address:
    try:
        return ip_address(text)
    except ValueError:
        raise ValueError(f"'{text}' is no IP address") from None


def _life(text: str) -> int | Life:
    from authproxy.config.values import lifetime

    seconds = lifetime(text)
    return Life.NEVER if seconds is None else seconds


def _instant(text: str) -> int:
    """Unix milliseconds; a day alone is its beginning."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"'{text[:SHOWN]}' is no time: write one as in 2027-01-31 or 2027-01-31T12:00:00Z") from None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    try:
        return int(found.timestamp() * 1000)
    except (OverflowError, ValueError):
        raise ValueError(f"'{text[:SHOWN]}' is too far away") from None


def _moment(text: str) -> int:
    """Unix seconds; a day alone is its beginning."""
    return _instant(text) // 1000


def _last_day(text: str) -> int:
    """Unix seconds; a day alone counts as a whole, so that what lasts until a day lasts through it."""
    return _moment(text) + (DAY if _DAY.fullmatch(text) else 0)


def _size(text: str) -> int:
    from authproxy.config.values import size

    return size(f"{text}B" if text.isascii() and text.isdigit() else text)


_READERS: Mapping[str, Callable[[str], object]] = {
    "id": _key_id,
    "grant": parse_grant,
    "cidr": _network,
    "address": _address,
    "duration": _life,
    "instant": _instant,
    "moment": _moment,
    "until": _last_day,
    "size": _size,
    "project": project_name,
    "version": version_text,
    "filename": artifact,
    "index": index_name,
}

KEY_ID, GRANT, CIDR, ADDRESS, DURATION, INSTANT, MOMENT, UNTIL, SIZE, PROJECT, VERSION, FILENAME, INDEX = map(
    Typed, _READERS
)
