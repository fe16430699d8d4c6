"""The store on a database server, as `store.postgres.examination` sees it. What is in it is judged as a file's is."""

import asyncio
from collections.abc import Iterator

from authproxy.cli.checkup.finding import Finding, ok, problem, warning
from authproxy.config import Config
from authproxy.store import SchemaError, StoreBusy, StoreError
from authproxy.store.postgres.engine import Login
from authproxy.store.postgres.examination import ServerSeen, examine_there
from authproxy.store.tables import SCHEMA


def seen(config: Config, server: Login, *, now: int, horizon: int) -> ServerSeen | Finding:
    """Look at it, or say why it cannot be looked at."""
    try:
        return asyncio.run(examine_there(server, now=now, horizon=horizon))
    except StoreBusy as error:
        return problem("store", str(error), f"start it, or mend `store` in {config.file}; then run doctor again")
    except SchemaError as error:
        return problem("store", str(error), "make it, and then its tables: `authproxy db migrate`")
    except StoreError as error:
        return problem("store", str(error), "mend that, and run doctor as the user who runs the server")


def about_server(found: ServerSeen, server: Login) -> Iterator[Finding]:
    """Judge what is the server's: whether it keeps what it acknowledges, who could listen, and its schema."""
    if found.standby:
        yield problem("store", f"{server} is a standby, which takes no writes", "name the server that does")
    elif not found.durable:
        advice = "set fsync and full_page_writes to on: a power cut may bring a revoked key back"
        yield problem("store", f"{server} loses what it has acknowledged when the power fails", advice)
    else:
        yield ok("store", f"{server} answers, a PostgreSQL {found.version}")
    if not found.encrypted and not server.address.is_here:
        advice = "write sslmode=verify-full behind its URL, or be sure that nobody listens in between"
        yield warning("store", f"what goes to {server} and back is not encrypted", advice)
    if found.crowded:
        advice = "raise its max_connections, or end what uses them"
        yield warning("store", f"{server} has only {found.free} connections left", advice)
    if found.revision == SCHEMA:
        yield ok("store-schema", f"the store is at schema {found.revision}, which is this version's")
    elif found.usable:
        yield ok("store-schema", f"the store is at schema {found.revision}, of a newer authproxy; this one works on it")
    else:
        sentence = f"the store is at schema {found.revision or 'none'}, which is not this version's"
        advice = "install that version" if (found.revision or "") > SCHEMA else "run `authproxy db migrate`"
        yield problem("store-schema", sentence, advice)
