"""The record's hash chain, when and by whom each secret of a key was last used, and webhooks on their way."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Chain the record, remember last uses, and queue webhooks."""
    _chain()
    _last_uses()
    _hooks()


def _chain() -> None:
    op.create_table(
        "links",
        sa.Column("id", _serial, nullable=False),
        sa.Column("record_id", sa.BigInteger, nullable=False),
        sa.Column("time_ms", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("index_status", sa.Integer),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_links"),
        sqlite_autoincrement=True,
    )


def _last_uses() -> None:
    op.create_table(
        "last_uses",
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("slot", sa.Text, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("project", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("client", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("key_id", "slot", name="pk_last_uses"),
    )


def _hooks() -> None:
    op.create_table(
        "hooks",
        sa.Column("id", _serial, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_hooks"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_hooks_due", "hooks", ["due"])
