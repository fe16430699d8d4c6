"""The tables, as this program reads and writes them. How a database gets there is `migrations`.

Times are unix seconds, UTC (`*_ms`: milliseconds). No column holds a secret: digests are one-way, and what is
sealed is of no use without the master key.
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
    and_,
    literal_column,
)

# What `migrations` ends at. Stated here too, so that opening a store does not import Alembic (tests hold them equal).
SCHEMA: Final = "0004"

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
    Column("paused_why", Text),  # `unused`, by the server; `restored`; null: somebody did it
    Column("resumed", BigInteger),  # when last
    Column("revoked", BigInteger),
    Column("kind", Text, nullable=False, server_default="key"),  # a KeyKind
    Column("derive_only", Integer, nullable=False, server_default="0"),  # 1: never taken itself, only what is derived
    Column("publisher", Text),  # of a minted key: the label of the trusted publisher
    Column("claims", Text),  # and what its token said, JSON
    Index(None, "created", "id"),
    Index(None, "owner", "created", "id"),
    Index(None, "policy", "created", "id"),
)
# What ends next, and how much has ended.
_WORKS: Final = and_(keys.c.revoked.is_(None), keys.c.paused.is_(None), keys.c.expires.is_not(None))
Index("ix_keys_ends", keys.c.expires, keys.c.id, sqlite_where=_WORKS, postgresql_where=_WORKS)

secrets: Final = Table(
    "secrets",
    metadata,
    Column("key_id", Text, ForeignKey("keys.id", ondelete="CASCADE"), primary_key=True),
    Column("slot", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger),
    Column("unseen", Integer, nullable=False, server_default="0"),  # 1: it may never have been printed
    Column("mac", LargeBinary),  # the MAC key of what is derived from it, sealed; null: there was no master key
)
_ENDS: Final = secrets.c.expires.is_not(None)
Index("ix_secrets_ends", secrets.c.expires, secrets.c.key_id, sqlite_where=_ENDS, postgresql_where=_ENDS)

# One row, so that "did any key change" is one number.
meta: Final = Table(
    "meta",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("generation", BigInteger, nullable=False),
    Column("uses_since", BigInteger, nullable=False, server_default="0"),  # no use since then was missed
    Column("uses_noted", BigInteger, nullable=False, server_default="0"),  # when uses were written down last
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
    Column("source", Text),  # of a push: the index that it takes from
    Column("derived", Text),  # of a derived key: its name and its caveats, JSON
    Column("claims", Text),  # of a minted key: what its token said, JSON
    Column("attestations", Text),  # of an upload that carries any: their hashes, and whose they claim to be, JSON
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

# What settling found that must not be (`settling`): a handful of rows, counted every minute.
_IS_DIFFERENT: Final = record.c.outcome == literal_column("'different'")
Index("ix_record_different", record.c.id, sqlite_where=_IS_DIFFERENT, postgresql_where=_IS_DIFFERENT)

# Uploads and deletes on their way. A claim's number is never used twice: settling one that is gone must not hit its
# successor.
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
    Index(None, "sha256"),
    sqlite_autoincrement=True,
)

# Who put this file here? Asked by the file, under whatever spelling, and by its hash; refusals before a file was known
# are in neither. A delete names a release and no file; deletes are few.
_OF_A_FILE: Final = record.c.identity != literal_column("''")
Index("ix_record_identity", record.c.identity, sqlite_where=_OF_A_FILE, postgresql_where=_OF_A_FILE)
_HASHED: Final = record.c.sha256 != literal_column("''")
Index("ix_record_sha256", record.c.sha256, sqlite_where=_HASHED, postgresql_where=_HASHED)
_IS_DELETE: Final = record.c.action == literal_column("'delete'")
Index("ix_record_deletes", record.c.project, sqlite_where=_IS_DELETE, postgresql_where=_IS_DELETE)

# The record's chain (`chain`): a link for each decision and one for each end of it, numbered without a gap.
links: Final = Table(
    "links",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("record_id", BigInteger, nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),  # a chain.Kind
    Column("outcome", Text, nullable=False),  # what the row said then
    Column("index_status", Integer),
    Column("digest", LargeBinary),  # of what was decided; null: the link is of an end
    Column("hash", LargeBinary, nullable=False),
    Index(None, "record_id"),
)

# At most one row: where the chain begins since its old end was pruned.
anchor: Final = Table(
    "anchor",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("link_id", BigInteger, nullable=False),  # the last link that is gone
    Column("hash", LargeBinary, nullable=False),  # of that link
    Column("record_id", BigInteger, nullable=False),  # the last row whose first link is gone
    Column("time_ms", BigInteger, nullable=False),  # when
    CheckConstraint("id = 1", name="one_row"),
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

# Events on their way to a webhook, a row for each webhook that wants one (`outbox`).
hooks: Final = Table(
    "hooks",
    metadata,
    Column("id", _Serial, primary_key=True),
    Column("name", Text, nullable=False),  # of the webhook in the configuration
    Column("event", Text, nullable=False),
    Column("message", Text, nullable=False),  # its id, the same in every try
    Column("body", Text, nullable=False),  # JSON, as it will be sent
    Column("created", BigInteger, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("due", BigInteger, nullable=False),
    Index(None, "name", "id"),
    sqlite_autoincrement=True,
)

# Which end of a key webhooks have been told of, by the threshold before it.
announced: Final = Table(
    "announced",
    metadata,
    Column("key_id", Text, ForeignKey("keys.id", ondelete="CASCADE"), primary_key=True),
    Column("threshold", BigInteger, nullable=False),
)

# How it goes with each webhook, one row each.
receivers: Final = Table(
    "receivers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("run", Text),  # who sends to it (`runs`)
    Column("failures", Integer, nullable=False, server_default="0"),  # since the last success
    Column("due", BigInteger, nullable=False, server_default="0"),  # no try before
    Column("error", Text),  # of the last try; null: it went well
    Column("sent", BigInteger),  # when one went well last
    Column("dropped", BigInteger, nullable=False, server_default="0"),  # events that were never told
)
