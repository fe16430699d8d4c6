"""Files that were deleted, and who uses a password of the index."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Remember what was deleted; find uploads with a password."""
    op.add_column("files", sa.Column("removed", sa.BigInteger))
    by_password = sa.text("principal = 'password'")
    op.create_index(
        "ix_record_passwords",
        "record",
        ["owner", "project", "time_ms"],
        sqlite_where=by_password,
        postgresql_where=by_password,
    )
