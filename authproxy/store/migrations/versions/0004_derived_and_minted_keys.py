"""Derived keys, minted keys, and what a row of the record says of either, of a push, and of attestations."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what is null or zero in every row that there is."""
    op.add_column("keys", sa.Column("kind", sa.Text, nullable=False, server_default="key"))
    op.add_column("keys", sa.Column("derive_only", sa.Integer, nullable=False, server_default="0"))
    op.add_column("keys", sa.Column("publisher", sa.Text))
    op.add_column("keys", sa.Column("claims", sa.Text))
    op.add_column("secrets", sa.Column("mac", sa.LargeBinary))
    for name in ("source", "derived", "claims", "attestations"):
        op.add_column("record", sa.Column(name, sa.Text))
    _once()
    _publishers()


def _once() -> None:
    op.create_table(
        "nonces",
        sa.Column("nonce", sa.Text, nullable=False),
        sa.Column("record_id", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("nonce", name="pk_nonces"),
    )
    op.create_index("ix_nonces_record_id", "nonces", ["record_id"])
    op.create_index("ix_nonces_until", "nonces", ["until"])
    op.create_table(
        "ended",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("until", sa.BigInteger),
        sa.PrimaryKeyConstraint("name", name="pk_ended"),
    )
    op.create_index("ix_ended_until", "ended", ["until"])


def _publishers() -> None:
    op.create_table(
        "assertions",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_assertions"),
    )
    op.create_index("ix_assertions_until", "assertions", ["until"])
    op.create_table(
        "pins",
        sa.Column("publisher", sa.Text, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("used", sa.BigInteger),
        sa.Column("claims", sa.Text),
        sa.PrimaryKeyConstraint("publisher", name="pk_pins"),
    )
