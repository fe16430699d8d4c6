"""What an operator takes for right: a file that the index has with other bytes than were uploaded, or has no more.

Nothing is taken so in silence: each is a row of the record, with who and why, in the transaction that changes the file.
From then on the file is held to that row as it was to its upload.
"""

from dataclasses import replace

from sqlalchemy import Connection

from authproxy.domain.access import ACCEPT, ACCEPT_GONE, Outcome
from authproxy.store import files
from authproxy.store.uploads import note
from authproxy.store.verdicts import Entry, FileRow


def accept(connection: Connection, row: FileRow, entry: Entry) -> int | None:
    """Take a stored file for what `entry.sha256` says; return the number of the row on record.

    None comes back where the file was replaced since it was looked at, or somebody is uploading it.
    """
    if not files.is_the_one(connection, row) or files.is_claimed(connection, row):
        return None
    number = note(connection, replace(entry, action=ACCEPT), outcome=Outcome.ACCEPTED)
    files.right(connection, row, entry.sha256, number)
    return number


def accept_gone(connection: Connection, row: FileRow, entry: Entry, now: int) -> bool:
    """Take a file that the index has no more for deleted: its name stays its own, and it is missed no longer."""
    if not files.gone(connection, row, now):
        return False
    note(connection, replace(entry, action=ACCEPT_GONE), outcome=Outcome.ACCEPTED)
    return True
