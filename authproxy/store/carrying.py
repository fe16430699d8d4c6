"""What an old store knows of keys that a backup does not, and where it makes a key weaker, never stronger.

A store that somebody broke into may be what one restores from: so nothing of it lets anything work. It ends keys and
secrets, pauses, counts uses, ends derived keys, and has spent what is good once.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from authproxy.store.driver import sqlite3

PAGE: Final = 1000
# Why a key is paused, in `keys.paused_why`.
RESTORED: Final = "restored"

_GENERATION: Final = "SELECT generation FROM meta"
_KEYS: Final = "SELECT id, owner, revoked, paused, used, {minted} FROM keys WHERE id > ? ORDER BY id LIMIT ?"
_SECRETS: Final = "SELECT slot, digest, expires FROM secrets WHERE key_id = ?"
_ENDED: Final = "SELECT name, until FROM ended"
_NONCES: Final = "SELECT nonce, until FROM nonces"
_ASSERTIONS: Final = "SELECT id, until FROM assertions"
_PINS: Final = "SELECT publisher, claims FROM pins WHERE claims IS NOT NULL"
# Known since now, so that a publisher that was not used before the backup does not end with it.
_PIN: Final = """
    INSERT INTO pins (publisher, since, claims) VALUES (?, ?, ?)
    ON CONFLICT (publisher) DO UPDATE SET claims = excluded.claims WHERE pins.claims IS NULL
"""
_LIVE: Final = "revoked IS NULL AND paused IS NULL AND (expires IS NULL OR expires > :now)"
_PAUSE: Final = f"UPDATE keys SET paused = :now, paused_why = '{RESTORED}' WHERE {_LIVE}"  # noqa: S608 - constants


@dataclass(slots=True)
class Carried:
    """Ids of keys: what was ended in the copy again, and which keys the backup does not have."""

    revoked: list[str] = field(default_factory=list)
    paused: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)  # of which an old secret was ended
    lost: list[str] = field(default_factory=list)  # that live in the old store


@dataclass(frozen=True, slots=True)
class _Row:
    id: str
    owner: str
    revoked: int | None
    paused: int | None
    used: int
    minted: bool = False


def carry(old: sqlite3.Connection, new: sqlite3.Connection, generation: int, now: int) -> Carried | None:
    """End in `new` what `old` knows was ended. None where `old` is not what came of `new`: then it cannot say.

    `generation` is that of the backup; in `new` a migration may have raised it. sqlite3.Error: `old` cannot be read.
    """
    if not _succeeds(old, new, generation):
        return None
    carried = Carried()
    _end_derived(old, new)
    _hold_tokens(old, new, now)
    for was in _rows(old):
        found = new.execute("SELECT id, owner, revoked, paused, used FROM keys WHERE id = ?", (was.id,)).fetchone()
        if found is None:
            if was.revoked is None and not was.minted:  # that one would have ended in minutes
                carried.lost.append(was.id)
            continue
        _tighten(old, new, was, _Row(*found), carried, now)
    return carried


def _end_derived(old: sqlite3.Connection, new: sqlite3.Connection) -> None:
    """End the derived keys that were ended since, and take every nonce for spent: its upload is not in the copy."""
    known = {name for (name,) in old.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not known >= {"ended", "nonces"}:  # of an older version, which had no derived keys
        return
    new.executemany("INSERT OR IGNORE INTO ended (name, until) VALUES (?, ?)", old.execute(_ENDED))
    new.executemany("INSERT OR REPLACE INTO nonces (nonce, record_id, until) VALUES (?, 0, ?)", old.execute(_NONCES))


def _hold_tokens(old: sqlite3.Connection, new: sqlite3.Connection, now: int) -> None:
    """Take every token for used that was, and let a publisher's names stay with whom they belonged to since."""
    if not _has(old, "kind"):
        return
    new.executemany("INSERT OR IGNORE INTO assertions (id, until) VALUES (?, ?)", old.execute(_ASSERTIONS))
    new.executemany(_PIN, ((publisher, now, claims) for publisher, claims in old.execute(_PINS)))


def _has(connection: sqlite3.Connection, column: str) -> bool:
    """Whether keys have this column: an older version of this program had fewer."""
    return any(name == column for _, name, *_ in connection.execute("PRAGMA table_info(keys)"))


def pause_all(new: sqlite3.Connection, now: int) -> int:
    """Pause every live key; return how many."""
    return new.execute(_PAUSE, {"now": now}).rowcount


def raise_generation(new: sqlite3.Connection, old: sqlite3.Connection | None) -> None:
    """Let the number that says "a key changed" never go back."""
    try:
        (before,) = old.execute(_GENERATION).fetchone() if old is not None else (0,)
    except (sqlite3.Error, TypeError):
        before = 0
    new.execute("UPDATE meta SET generation = max(generation, ?) + 1", (int(before),))


def _succeeds(old: sqlite3.Connection, new: sqlite3.Connection, then: int) -> bool:
    """Whether the old store went on from where the backup was made: it is no younger one, and knows every key of it.

    But for those that were minted, which are swept some time after their end.
    """
    (before,) = old.execute(_GENERATION).fetchone() or (-1,)
    if before < then:
        return False
    known = "SELECT 1 FROM keys WHERE id = ? AND created = ?"
    return all(
        old.execute(known, row).fetchone() is not None
        for row in new.execute("SELECT id, created FROM keys WHERE kind <> 'minted' ORDER BY id")
    )


def _rows(connection: sqlite3.Connection) -> Iterator[_Row]:
    last, asked = "", _KEYS.format(minted="kind = 'minted'" if _has(connection, "kind") else "0")
    while rows := connection.execute(asked, (last, PAGE)).fetchall():
        for row in rows:
            yield _Row(*row)
        last = rows[-1][0]


def _tighten(
    old: sqlite3.Connection, new: sqlite3.Connection, was: _Row, now_is: _Row, carried: Carried, now: int
) -> None:
    if was.used > now_is.used:
        new.execute("UPDATE keys SET used = ? WHERE id = ?", (was.used, was.id))
    if now_is.revoked is not None:
        return
    if was.revoked is not None:
        new.execute("UPDATE keys SET revoked = ? WHERE id = ?", (was.revoked, was.id))
        carried.revoked.append(was.id)
        return
    if _end_secrets(old, new, was.id, carried):
        # All that the backup has of it was rotated away since, perhaps because it had leaked: no resume may revive it.
        new.execute("UPDATE keys SET revoked = ? WHERE id = ?", (now, was.id))
        carried.revoked.append(was.id)
        return
    if now_is.paused is None and was.paused is not None:
        pause = "UPDATE keys SET paused = ?, paused_why = ? WHERE id = ?"
        new.execute(pause, (was.paused, RESTORED, was.id))
        carried.paused.append(was.id)


def _end_secrets(old: sqlite3.Connection, new: sqlite3.Connection, key_id: str, carried: Carried) -> bool:
    """End the secrets that rotations have ended since; say whether none is left: they stay, and the key has to end."""
    lived = {(slot, digest): expires for slot, digest, expires in old.execute(_SECRETS, (key_id,))}
    mine = new.execute(_SECRETS, (key_id,)).fetchall()
    gone = [slot for slot, digest, _ in mine if (slot, digest) not in lived]
    if mine and len(gone) == len(mine):
        return True
    changed = bool(gone)
    for slot in gone:
        new.execute("DELETE FROM secrets WHERE key_id = ? AND slot = ?", (key_id, slot))
    for slot, digest, expires in mine:
        ends = lived.get((slot, digest))
        if ends is not None and (expires is None or ends < expires):
            new.execute("UPDATE secrets SET expires = ? WHERE key_id = ? AND slot = ?", (ends, key_id, slot))
            changed = True
    if changed:
        carried.secrets.append(key_id)
    return False
