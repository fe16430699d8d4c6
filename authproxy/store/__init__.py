"""What must outlive the program: keys, the files of the index, the record of every decision; on one SQLite file.

This room owns the tables, their migrations, durability and every transaction. It knows nothing of credentials, of HTTP
or of why something is allowed: it enforces what only a transaction can (a use is spent once, a file is claimed once, a
revoked key is admitted never again) and remembers. SQLAlchemy and sqlite3, and their exceptions, stay inside.
"""

from authproxy.store.database import Store
from authproxy.store.errors import SchemaError, StoreBusy, StoreError, StoreFull
from authproxy.store.passwords import PasswordUse
from authproxy.store.schema import current, migrate
from authproxy.store.verdicts import (
    BUSY,
    Admitted,
    AdoptedFile,
    Busy,
    Claim,
    Entry,
    FileBusy,
    FileKnown,
    FileRow,
    FileUnsettled,
    Hold,
    Intent,
    KeyDead,
    KeyState,
    Passing,
    RateExceeded,
    ReleaseHeld,
    Removed,
    Ticket,
    UsesSpent,
    Verdict,
)

__all__ = [
    "BUSY",
    "Admitted",
    "AdoptedFile",
    "Busy",
    "Claim",
    "Entry",
    "FileBusy",
    "FileKnown",
    "FileRow",
    "FileUnsettled",
    "Hold",
    "Intent",
    "KeyDead",
    "KeyState",
    "Passing",
    "PasswordUse",
    "RateExceeded",
    "ReleaseHeld",
    "Removed",
    "SchemaError",
    "Store",
    "StoreBusy",
    "StoreError",
    "StoreFull",
    "Ticket",
    "UsesSpent",
    "Verdict",
    "current",
    "migrate",
]
