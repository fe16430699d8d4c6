"""The tables, as this program reads and writes them. How a database gets there is `migrations`.

Times are unix seconds, UTC (`*_ms`: milliseconds). No column holds a secret: digests are Argon2id.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
)

# What `migrations` ends at. Stated here too, so that opening a store does not import Alembic (tests hold them equal).
SCHEMA: Final = "0003"

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only where the type is INTEGER to the letter.
_Serial: Final = BigInteger().with_variant(Integer, "sqlite")

keys: Final = Table(
    "keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("grants", Text, nullable=False),  # JSON: a list of grants as people write them
    Column("networks", Text, nullable=False),  # JSON: a list of networks in CIDR notation
    Column("uses", BigInteger),
    Column("used", BigInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger),
    Column("paused", BigInteger),  # since when
    Column("resumed", BigInteger),  # when last
    Column("revoked", BigInteger),
    Index(None, "created", "id"),
    Index(None, "owner", "created", "id"),
    Index(None, "policy", "created", "id"),
)

secrets: Final = Table(
    "secrets",
    metadata,
    Column("key_id", Text, ForeignKey("keys.id", ondelete="CASCADE"), primary_key=True),
    Column("slot", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger),
)

# One row, so that "did any key change" is one number.
meta: Final = Table(
    "meta",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("generation", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

record: Final = Table(
    "record",
    metadata,
    Column("id", _Serial, primary_key=True),
    Column("time_ms", BigInteger, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("index_name", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("filename", Text, nullable=False),
    Column("identity", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("key_id", Text),
    Column("public_id", Text),
    Column("owner", Text),
    Column("rule", Text, nullable=False),
    Column("grant", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("client", Text, nullable=False),
    Column("outcome", Text, nullable=False),  # pending, an Outcome, or denied
    Column("code", Text),  # of the Denial; null: admitted
    Column("reason", Text),  # why it was denied; of an admitted one, what the user was told besides
    Column("index_status", Integer),
    Column("admitted_ms", BigInteger),  # to the second; null: denied, or nothing to admit
    Column("completed_ms", BigInteger),
    sqlite_autoincrement=True,
)

# Counts a key's admissions for its rate, by when they were made: a body may take half an hour after its head. Refusals,
# which anyone can cause in any number, are not in it.
_WAS_ADMITTED: Final = record.c.admitted_ms.is_not(None)
Index(
    "ix_record_admitted",
    record.c.key_id,
    record.c.admitted_ms,
    sqlite_where=_WAS_ADMITTED,
    postgresql_where=_WAS_ADMITTED,
)

# Who still uses a password of the index; keys, which are most of the record, are not in it.
_BY_PASSWORD: Final = record.c.principal == literal_column("'password'")
Index(
    "ix_record_passwords",
    record.c.owner,
    record.c.project,
    record.c.time_ms,
    sqlite_where=_BY_PASSWORD,
    postgresql_where=_BY_PASSWORD,
)

# Uploads on their way. A claim's number is never used twice: settling one that is gone must not hit its successor.
claims: Final = Table(
    "claims",
    metadata,
    Column("id", _Serial, primary_key=True),
    Column("index_name", Text, nullable=False),
    Column("identity", Text, nullable=False),
    Column("record_id", BigInteger, nullable=False),
    Column("run", Text, nullable=False),
    Column("opened", BigInteger, nullable=False),
    UniqueConstraint("index_name", "identity"),
    sqlite_autoincrement=True,
)

files: Final = Table(
    "files",
    metadata,
    Column("id", _Serial, primary_key=True),
    Column("index_name", Text, nullable=False),
    Column("identity", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("filename", Text, nullable=False),
    Column("sha256", Text),
    Column("record_id", BigInteger),  # of the upload; null: the index had it before us
    Column("removed", BigInteger),  # when it was deleted through us; the row stays, since a name is for one content
    UniqueConstraint("index_name", "identity"),
    Index(None, "index_name", "project"),
    sqlite_autoincrement=True,
)

# The record's chain: a link for each decision and one for each end of it. A link's hash is over the one before and over
# what the row says, so that a row that was changed, or is gone, shows.
links: Final = Table(
    "links",
    metadata,
    Column("id", _Serial, primary_key=True),
    Column("record_id", BigInteger, nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("index_status", Integer),
    Column("hash", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

# When each secret of a key was last used, at most a minute late; reads are in it, which are not on record.
last_uses: Final = Table(
    "last_uses",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("slot", Text, primary_key=True),
    Column("time", BigInteger, nullable=False),
    Column("action", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("client", Text, nullable=False),
)

# Events on their way to a webhook.
hooks: Final = Table(
    "hooks",
    metadata,
    Column("id", _Serial, primary_key=True),
    Column("name", Text, nullable=False),  # of the webhook in the configuration
    Column("event", Text, nullable=False),
    Column("body", Text, nullable=False),  # JSON, as it will be sent
    Column("tries", Integer, nullable=False),
    Column("due", BigInteger, nullable=False),
    Index(None, "due"),
    sqlite_autoincrement=True,
)
