"""The record's hash chain, when and by whom each secret of a key was last used, and webhooks on their way."""

import hashlib
import json

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
    _endings()
    _different()
    _hooks()


def _chain() -> None:
    op.create_table(
        "links",
        sa.Column("id", _serial, autoincrement=False, nullable=False),
        sa.Column("record_id", sa.BigInteger, nullable=False),
        sa.Column("time_ms", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("index_status", sa.Integer),
        sa.Column("digest", sa.LargeBinary),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_links"),
    )
    op.create_table(
        "anchor",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("link_id", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("record_id", sa.BigInteger, nullable=False),
        sa.Column("time_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_anchor"),
        sa.CheckConstraint("id = 1", name=op.f("ck_anchor_one_row")),
    )
    for name, column, condition in (
        ("ix_record_identity", "identity", "identity != ''"),
        ("ix_record_sha256", "sha256", "sha256 != ''"),
        ("ix_record_deletes", "project", "action = 'delete'"),
    ):
        where = sa.text(condition)
        op.create_index(name, "record", [column], sqlite_where=where, postgresql_where=where)
    op.create_index("ix_files_sha256", "files", ["sha256"])
    op.create_index("ix_links_record_id", "links", ["record_id"])
    _link_what_there_is()


# What of a row is hashed, in this order; `store.chain` says the same of the rows to come.
_DECIDED = (
    "id, time_ms, request_id, action, index_name, project, version, filename, identity, size, sha256, principal, key_id, "
    'public_id, owner, rule, "grant", address, client, code, reason, admitted_ms'
)
_PAGE = 1000


def _link_what_there_is() -> None:
    """Link the rows of older versions, in their order: that they were so before this, nobody can say."""
    connection = op.get_bind()
    decisions = "('pending', 'denied', 'same')"
    # An upload that was settled after a crash has no time of its end; it gets the only one that is known.
    connection.exec_driver_sql(
        f"UPDATE record SET completed_ms = time_ms WHERE completed_ms IS NULL AND outcome NOT IN {decisions}"
    )
    last, number, previous = 0, 0, hashlib.sha256(b"authproxy record, version 1").digest()
    while True:
        page = connection.exec_driver_sql(
            f"SELECT outcome, index_status, completed_ms, {_DECIDED} FROM record WHERE id > {last} ORDER BY id LIMIT {_PAGE}"
        ).fetchall()
        if not page:
            return
        made = []
        for outcome, index_status, completed_ms, *row in page:
            digest = hashlib.sha256(_bytes(["authproxy row 1", *row])).digest()
            is_decision = completed_ms is None
            states = [(row[0], row[1], "decided", outcome if is_decision else "pending", None)]
            states += [] if is_decision else [(row[0], completed_ms, "ended", outcome, index_status)]
            for state in states:
                number, whose = number + 1, digest if state[2] == "decided" else None
                told = ["authproxy link 1", number, *state, whose and whose.hex()]
                previous = hashlib.sha256(previous + _bytes(told)).digest()
                made.append((number, *state, whose, previous))
        connection.exec_driver_sql("INSERT INTO links VALUES (?, ?, ?, ?, ?, ?, ?, ?)", made)
        last = page[-1].id


def _bytes(values: list[object]) -> bytes:
    return json.dumps(values, separators=(",", ":")).encode()


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


def _endings() -> None:
    op.add_column("keys", sa.Column("paused_why", sa.Text))
    op.add_column("secrets", sa.Column("unseen", sa.Integer, nullable=False, server_default="0"))
    for name in ("uses_since", "uses_noted"):
        op.add_column("meta", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
    works = sa.text("revoked IS NULL AND paused IS NULL AND expires IS NOT NULL")
    op.create_index("ix_keys_ends", "keys", ["expires", "id"], sqlite_where=works, postgresql_where=works)
    ends = sa.text("expires IS NOT NULL")
    op.create_index("ix_secrets_ends", "secrets", ["expires", "key_id"], sqlite_where=ends, postgresql_where=ends)


def _different() -> None:
    different = sa.text("outcome = 'different'")
    op.create_index("ix_record_different", "record", ["id"], sqlite_where=different, postgresql_where=different)


def _hooks() -> None:
    op.create_table(
        "hooks",
        sa.Column("id", _serial, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_hooks"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_hooks_name_id", "hooks", ["name", "id"])
    op.create_table(
        "receivers",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("run", sa.Text),
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("due", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("error", sa.Text),
        sa.Column("sent", sa.BigInteger),
        sa.Column("dropped", sa.BigInteger, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("name", name="pk_receivers"),
    )
    op.create_table(
        "announced",
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("threshold", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key_id", name="pk_announced"),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], name="fk_announced_key_id", ondelete="CASCADE"),
    )
