"""What must outlive the program: keys, the files of the index, the record of every decision; in SQLite or PostgreSQL.

This room owns the tables, their migrations, durability and every transaction. It knows nothing of credentials, of HTTP
or of why something is allowed: it enforces what only a transaction can (a use is spent once, a file is claimed once, a
revoked key is admitted never again) and remembers. SQLAlchemy and the drivers, and their exceptions, stay inside.
"""

from authproxy.store.chain import Anchor, Head
from authproxy.store.database import Store
from authproxy.store.derivations import Resealed, SealedKey
from authproxy.store.errors import SchemaError, StoreBusy, StoreError, StoreFull, StoreLost
from authproxy.store.keyring import Ending, KeyLife, Paused
from authproxy.store.last_uses import LastUse
from authproxy.store.leaks import Derivation, Fate, Find, Remedy
from authproxy.store.lives import Extend, Finish, Rotate, Shown, Step, TakeBack, Unchanged
from authproxy.store.migrating import current, migrate
from authproxy.store.minting import NO_POLICY, Mint, NotMinted, Swept
from authproxy.store.passwords import PasswordUse
from authproxy.store.pruning import Pruned
from authproxy.store.record import Record
from authproxy.store.trail import About, Decision, KnownFile, Wanted
from authproxy.store.verdicts import (
    BUSY,
    Admitted,
    Adopted,
    AdoptedFile,
    Alarm,
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
    NonceSpent,
    Passing,
    RateExceeded,
    ReleaseHeld,
    Removed,
    Ticket,
    UsesSpent,
    Verdict,
)
from authproxy.store.verification import Flaw, Sound, Wrong
from authproxy.store.webhooks import Failure, Message, Standing

__all__ = [
    "BUSY",
    "NO_POLICY",
    "About",
    "Admitted",
    "Adopted",
    "AdoptedFile",
    "Alarm",
    "Anchor",
    "Busy",
    "Claim",
    "Decision",
    "Derivation",
    "Ending",
    "Entry",
    "Extend",
    "Failure",
    "Fate",
    "FileBusy",
    "FileKnown",
    "FileRow",
    "FileUnsettled",
    "Find",
    "Finish",
    "Flaw",
    "Head",
    "Hold",
    "Intent",
    "KeyDead",
    "KeyLife",
    "KeyState",
    "KnownFile",
    "LastUse",
    "Message",
    "Mint",
    "NonceSpent",
    "NotMinted",
    "Passing",
    "PasswordUse",
    "Paused",
    "Pruned",
    "RateExceeded",
    "Record",
    "ReleaseHeld",
    "Remedy",
    "Removed",
    "Resealed",
    "Rotate",
    "SchemaError",
    "SealedKey",
    "Shown",
    "Sound",
    "Standing",
    "Step",
    "Store",
    "StoreBusy",
    "StoreError",
    "StoreFull",
    "StoreLost",
    "Swept",
    "TakeBack",
    "Ticket",
    "Unchanged",
    "UsesSpent",
    "Verdict",
    "Wanted",
    "Wrong",
    "current",
    "migrate",
]
