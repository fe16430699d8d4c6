"""How a connection to PostgreSQL is made, so that nothing acknowledged is lost, and what its failures mean.

No sentence of the server's is passed on: it may repeat a row. What it says is told apart by its SQLSTATE,
https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

import errno
import os
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import asyncpg
from asyncpg import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from authproxy.config.databases import PostgresAddress, SslMode, read_postgres
from authproxy.store.errors import SchemaError, StoreBusy, StoreError, StoreFull, StoreLost

# Seconds. A server that does not answer by then is lost, and its client still waits for a sentence.
CONNECT_SECONDS: Final = 3.0
# Longer than any statement of ours takes, waiting for other replicas' commits included, as SQLite's busy timeout is.
STATEMENT_SECONDS: Final = 5.0
# Seconds that a server is given beyond that to say so: of two clocks set alike ours is the first, and a server that
# only waits for a lock (busy) would be taken for one that is away (lost), its connections thrown out with it.
SAYING_SO: Final = 1.0
# Seconds after which a server ends our transaction where we have gone silent in it: else its lock would stand until TCP
# gives up, and no replica could write.
IDLE_SECONDS: Final = 10

# A commit is acknowledged when it is on disk. A server may wait for its standbys as well, which is kept as it is.
_DURABLE: Final = (
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
)

# By the class of an SQLSTATE, its first two characters, or by all five of them.
_FAILURES: Final[dict[str, tuple[type[StoreError], str]]] = {
    "08": (StoreLost, "cannot be reached: the connection was lost"),
    "57P": (StoreLost, "cannot be reached: the server is starting, stopping or being restarted"),
    "57014": (StoreBusy, "is held by another program, or slow: try again"),
    "55P03": (StoreBusy, "is held by another program, or slow: try again"),
    "40": (StoreBusy, "is held by another program: try again"),
    "53100": (StoreFull, "cannot grow: the server's disk is full"),
    "53200": (StoreBusy, "is out of memory: try again"),
    "53300": (StoreBusy, "takes no more connections: raise its max_connections"),
    "22": (StoreError, "was asked something it cannot answer"),
    "25006": (StoreLost, "is a standby, or read-only: name the server that takes writes"),
    "25P": (StoreLost, "cannot be reached: the connection was silent for too long"),
    "28": (StoreError, "refuses the login: check the user in `store`, store_password, and the server's pg_hba.conf"),
    "3D000": (SchemaError, "does not exist: make it there with `createdb --owner=USER NAME`"),
    "42501": (StoreError, "may not be used so by this user: make it the database's owner"),
    "42P01": (SchemaError, "has no tables: run `authproxy db migrate`"),
    "XX": (StoreError, "is damaged, or fails inside: ask its log"),
    "58": (StoreError, "cannot be read or written: the server's disk reports an error"),
}


@dataclass(frozen=True, slots=True)
class Login:
    """A database and the password to it, which no sentence and no repr shows."""

    address: PostgresAddress
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return self.address.place


def login(url: str, password: str | None) -> Login:
    """Read a store's URL. Raises StoreError."""
    try:
        return Login(read_postgres(url), password)
    except ValueError as exc:
        raise StoreError(f"the store's URL cannot be used: {exc}") from None


def _tls(address: PostgresAddress) -> ssl.SSLContext | bool:
    if address.sslmode is SslMode.DISABLE:
        return False
    context = ssl.create_default_context(cafile=address.sslrootcert)
    context.check_hostname = address.sslmode is SslMode.VERIFY_FULL
    if address.sslmode is SslMode.REQUIRE:
        context.verify_mode = ssl.CERT_NONE  # as libpq's `require`: nobody listens, whoever answers is believed
    return context


async def connect(login: Login, purpose: str, seconds: float = STATEMENT_SECONDS) -> Connection:
    """Open one connection, on which no statement takes longer than that. Raises what `border` translates."""
    address = login.address
    connection: Connection = await asyncpg.connect(
        host=address.host,
        port=address.port,
        user=address.user,
        password=login.password,
        database=address.database,
        ssl=_tls(address),
        timeout=CONNECT_SECONDS,
        command_timeout=seconds + SAYING_SO,
        server_settings={
            "application_name": f"authproxy {purpose}",
            "idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s",
            "statement_timeout": f"{round(seconds * 1000)}ms",
        },
    )
    try:
        await connection.execute(_DURABLE)
    except BaseException:
        connection.terminate()
        raise
    return connection


def engine_on(
    login: Login,
    purpose: str,
    connections: int,
    *,
    heard: tuple[str, Callable[..., None]] | None = None,
    seconds: float = STATEMENT_SECONDS,
) -> AsyncEngine:
    """Make an engine with so many connections at most, opened when they are needed.

    `heard` is a channel and who hears what is told on it, our own commits too: before they return.
    """

    async def creator() -> Connection:
        connection = await connect(login, purpose, seconds)
        if heard is not None:
            await connection.add_listener(*heard)
        return connection

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=creator,
        hide_parameters=True,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=STATEMENT_SECONDS,
    )


@contextmanager
def border(login: Login) -> Iterator[None]:
    """Let no exception of a database library through: each becomes a StoreError of one sentence."""
    try:
        yield
    except StoreError:
        raise
    except DBAPIError as exc:
        raise translated(exc.orig, login) from exc
    except NoConnectionFree as exc:
        raise StoreBusy(f"{login} is slow: all connections of this program wait for it, try again") from exc
    except (SQLAlchemyError, OverflowError, UnicodeError) as exc:
        raise StoreError(f"{login} was asked something it cannot answer: {type(exc).__name__}") from exc
    except Exception as exc:
        if not _is_foreign(exc):
            raise
        raise translated(exc, login) from exc


def _is_foreign(exc: BaseException) -> bool:
    # The system's own failures come from the socket here: no work of the store opens a file.
    return isinstance(exc, OSError) or type(exc).__module__.startswith("asyncpg.")


def _why(failure: OSError, address: PostgresAddress) -> str:
    """Say why there is no connection. Python's own sentence has the call in it; of several tries it has only a text."""
    found = re.search(r"\[Errno (\d+)\]", str(failure))
    number = failure.errno or (int(found[1]) if found else 0)
    if address.is_socket and number in (errno.ECONNREFUSED, errno.ENOENT):
        return f"nobody listens at its socket {address.host}/.s.PGSQL.{address.port}"
    if number == errno.ECONNREFUSED:
        host = f"[{address.host}]" if ":" in address.host else address.host
        return f"nobody listens at {host}:{address.port}"
    if isinstance(failure, socket.gaierror) or number <= 0:
        return (failure.strerror or "").lower()
    return os.strerror(number).lower()


def translated(exc: BaseException | None, login: Login) -> StoreError:
    """Say what a failure of the driver or of the server means."""
    state = getattr(exc, "sqlstate", None) or getattr(exc.__cause__ if exc else None, "sqlstate", None)
    if state:
        found = next((_FAILURES[state[:length]] for length in (5, 3, 2) if state[:length] in _FAILURES), None)
        kind, sentence = found or (StoreError, f"failed: SQLSTATE {state}")
        return kind(f"{login} {sentence}")
    # SQLAlchemy wraps what asyncpg raised; a timeout of asyncpg's own has what it cancelled for a cause.
    cause = exc if isinstance(exc, OSError) or exc is None else exc.__cause__ or exc
    if isinstance(cause, ssl.SSLCertVerificationError):
        return StoreError(f"{login} shows a certificate that proves nothing: {cause.verify_message}")
    if isinstance(cause, ConnectionError) and "SSL" in str(cause):
        return StoreError(f"{login} takes no TLS: write sslmode=disable behind its URL where nobody listens")
    if isinstance(cause, TimeoutError):
        return StoreLost(f"{login} cannot be reached: it does not answer")
    if isinstance(cause, OSError):
        reason = _why(cause, login.address)
        return StoreLost(f"{login} cannot be reached{': ' + reason if reason else ''}")
    # What is left of the driver's own: a connection that is closed, or was cut in the middle of an answer.
    return StoreLost(f"{login} cannot be reached: the connection was lost")
