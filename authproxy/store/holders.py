"""The keys of one policy, for a question about all of them: without their secrets, thousands at a time.

A million keys are read here; what they may do is judged above. Grants that many keys share are read once, and a key
whose own grants cannot be about the project is not read at all.
"""

from collections.abc import AsyncIterator
from functools import lru_cache, partial
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, or_, select, tuple_

from authproxy.domain.grants import ANY
from authproxy.domain.keys import KeyRecord
from authproxy.store.keys import COLUMNS_OF_KEY, grants_of, matching, record_without_secrets
from authproxy.store.tables import keys
from authproxy.store.verdicts import KeyState
from authproxy.store.worker import Worker

KINDS: Final = 10_000  # of own grants that are held at once, some MB
PAGE: Final = 2000  # keys per transaction: about 20 ms, during which no upload is admitted


async def of_policy(
    worker: Worker, policy: str, project: str | None, *, every: bool, now: int
) -> AsyncIterator[list[KeyRecord]]:
    """Read the live keys of a policy, or `every` one that is not revoked, in the order of their creation.

    Keys whose own grants name neither the project nor a pattern are left out; some that are not may be of no use.
    """
    read = lru_cache(KINDS)(grants_of)
    where = matching(policy, None, None if every else KeyState.LIVE, now)
    if every:
        where = where & keys.c.revoked.is_(None)
    # Grants are stored as `format_grant` writes them, normalised, so a plain name that is the project's stands there.
    named = [] if project is None else [keys.c.grants.contains(project, autoescape=True)]
    where = where & or_(keys.c.grants == "[]", keys.c.grants.contains(ANY, autoescape=True), *named)
    after: tuple[int, str] | None = None
    while True:
        rows = await worker.read(partial(_page, where=where, after=after))
        yield [record_without_secrets(row, read) for row in rows]
        if len(rows) < PAGE:
            return
        after = rows[-1].created, rows[-1].id


def _page(connection: Connection, where: ColumnElement[bool], after: tuple[int, str] | None) -> list[Any]:
    wanted = select(*COLUMNS_OF_KEY).where(where).order_by(keys.c.created, keys.c.id).limit(PAGE)
    if after is not None:
        wanted = wanted.where(tuple_(keys.c.created, keys.c.id) > after)
    return list(connection.execute(wanted).all())
