"""When a key, or one of its secrets, ends, and what its user is told before.

An end that surprises somebody is a release that fails at night: 30, 7 and 1 days before, whoever uses the key reads it
in the answer to an upload. This room knows neither logs nor answers.
"""

from datetime import UTC, datetime
from typing import Final

from authproxy.domain.keys import KeyRecord, Secret

DAY: Final = 86_400
# In days, the nearest first: a month to plan, a week to act, a day to hurry.
THRESHOLDS: Final = (1, 7, 30)


def threshold(created: int, expires: int | None, now: int) -> int | None:
    """Return the number of days, of THRESHOLDS, within which something ends; None where that is far or past.

    A threshold that is no shorter than the whole life warns of nothing: a key made for a day would be announced on all
    of its uploads. Times are unix seconds.
    """
    if expires is None or now >= expires:
        return None
    return next((days for days in THRESHOLDS if expires - now <= days * DAY < expires - created), None)


def replaced(record: KeyRecord, secret: Secret, now: int) -> bool:
    """Say whether this secret is the old one of a rotation: it has an end of its own, and a live one has none."""
    return secret.expires is not None and any(each.expires is None for each in record.secrets) and not secret.dead(now)


def current(record: KeyRecord) -> Secret | None:
    """Find the secret that lives as long as the key, the newest one after a rotation."""
    return next((secret for secret in reversed(record.secrets) if secret.expires is None), None)


def old(record: KeyRecord, now: int) -> Secret | None:
    """Find the secret that a rotation replaced and that still works at `now`; None where no rotation is under way."""
    return next((secret for secret in record.secrets if replaced(record, secret, now)), None)


def warning(record: KeyRecord, public_id: str, now: int) -> str | None:
    """Say what the user of a key has to know of its end; None where there is nothing to say yet."""
    told = []
    secret = record.secret(public_id)
    if secret is not None and secret.expires is not None and replaced(record, secret, now):
        told.append(f"this secret of key {record.id} ends on {_moment(secret.expires)} and a new one exists: use that")
    if threshold(record.created, record.expires, now) is not None and record.expires is not None:
        left = in_days(record.expires - now)
        when = _moment(record.expires)
        told.append(f"key {record.id} expires on {when}, {left}: ask the operator to extend or to replace it")
    return "; ".join(told) or None


def in_days(seconds: int) -> str:
    """Write how far away something is: whole days, or less than one."""
    days = seconds // DAY
    return "in less than a day" if days == 0 else f"in {days} day{'s' if days > 1 else ''}"


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
