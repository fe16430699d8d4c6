"""What can be said of a PostgreSQL store without changing it: for who looks for trouble."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

from authproxy.store.examination import Census, census
from authproxy.store.postgres.engine import Login
from authproxy.store.postgres.schema import usable, within
from authproxy.store.postgres.worker import CONNECTIONS
from authproxy.store.schema import revision
from authproxy.store.settling import count_alarms
from authproxy.store.tables import SCHEMA
from authproxy.store.verification import Walk
from authproxy.store.webhooks import Standing, standings

_ABOUT: Final = text("""
    SELECT current_setting('server_version'), current_setting('fsync') = 'on',
      current_setting('full_page_writes') = 'on', pg_is_in_recovery(),
      coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false),
      current_setting('max_connections')::int
        - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')
""")


@dataclass(frozen=True, slots=True)
class ServerSeen:
    """What was seen. `free` is how many connections the server would take besides; a replica needs CONNECTIONS."""

    version: str
    durable: bool
    standby: bool
    encrypted: bool
    free: int
    revision: str | None  # of the schema; None: the database is empty
    usable: bool  # by this program
    census: Census | None  # None where the schema is another one than this program's
    flaw: str | None  # what does not fit among the youngest rows of the record
    alarms: int = 0  # files that the index has otherwise than they should be, or has lost

    @property
    def crowded(self) -> bool:
        """Whether another replica would not find the connections that it needs."""
        return self.free < CONNECTIONS


async def examine_there(server: Login, *, now: int, horizon: int) -> ServerSeen:
    """Look at a database. Keys that end before `horizon` count as ending; both times are unix seconds."""

    def look(connection: Connection) -> ServerSeen:
        version, fsync, pages, standby, encrypted, free = connection.execute(_ABOUT).one()
        found = revision(connection, server)
        current = found == SCHEMA
        return ServerSeen(
            version,
            fsync and pages,
            standby,
            encrypted,
            free,
            found,
            usable(connection, server),
            census(connection, now, horizon) if current else None,
            _young(connection) if current else None,
            count_alarms(connection) if current else 0,
        )

    return await within(server, look)


async def standing_there(server: Login) -> list[Standing]:
    """Read how it goes with every webhook that has, or had, something to tell; nothing of another schema."""
    return await within(server, lambda connection: standings(connection) if _current(connection, server) else [])


def _current(connection: Connection, server: Login) -> bool:
    return revision(connection, server) == SCHEMA


def _young(connection: Connection) -> str | None:
    flaw = Walk().young(connection)
    return None if flaw is None else flaw.sentence
