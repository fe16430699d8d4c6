"""Keys, the files of the index, the record of every decision."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the first tables."""
    _keys()
    _record()
    _files()


def _keys() -> None:
    op.create_table(
        "keys",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("grants", sa.Text, nullable=False),
        sa.Column("networks", sa.Text, nullable=False),
        sa.Column("uses", sa.BigInteger),
        sa.Column("used", sa.BigInteger, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger),
        sa.Column("paused", sa.BigInteger),
        sa.Column("resumed", sa.BigInteger),
        sa.Column("revoked", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
    )
    op.create_index("ix_keys_created_id", "keys", ["created", "id"])
    op.create_index("ix_keys_owner_created_id", "keys", ["owner", "created", "id"])
    op.create_index("ix_keys_policy_created_id", "keys", ["policy", "created", "id"])
    op.create_table(
        "secrets",
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("slot", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger),
        sa.PrimaryKeyConstraint("key_id", "slot", name="pk_secrets"),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], name="fk_secrets_key_id", ondelete="CASCADE"),
    )
    meta = op.create_table(
        "meta",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_meta"),
        sa.CheckConstraint("id = 1", name=op.f("ck_meta_one_row")),
    )
    op.bulk_insert(meta, [{"id": 1, "generation": 1}])


def _record() -> None:
    op.create_table(
        "record",
        sa.Column("id", _serial, nullable=False),
        sa.Column("time_ms", sa.BigInteger, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("index_name", sa.Text, nullable=False),
        sa.Column("project", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("filename", sa.Text, nullable=False),
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("principal", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text),
        sa.Column("public_id", sa.Text),
        sa.Column("owner", sa.Text),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("grant", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("client", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("code", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("index_status", sa.Integer),
        sa.Column("admitted_ms", sa.BigInteger),
        sa.Column("completed_ms", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_record"),
        sqlite_autoincrement=True,
    )
    admitted = sa.text("admitted_ms IS NOT NULL")
    op.create_index(
        "ix_record_admitted",
        "record",
        ["key_id", "admitted_ms"],
        sqlite_where=admitted,
        postgresql_where=admitted,
    )


def _files() -> None:
    op.create_table(
        "claims",
        sa.Column("id", _serial, nullable=False),
        sa.Column("index_name", sa.Text, nullable=False),
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("record_id", sa.BigInteger, nullable=False),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("opened", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_claims"),
        sa.UniqueConstraint("index_name", "identity", name="uq_claims_index_name_identity"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "files",
        sa.Column("id", _serial, nullable=False),
        sa.Column("index_name", sa.Text, nullable=False),
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("project", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("filename", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text),
        sa.Column("record_id", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_files"),
        sa.UniqueConstraint("index_name", "identity", name="uq_files_index_name_identity"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_files_index_name_project", "files", ["index_name", "project"])
