"""A key as people and scripts see it: its record, and who used it last. Never a digest."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from authproxy.cli.issuing import allowed
from authproxy.cli.output import client_name, moment
from authproxy.domain.endings import current, old
from authproxy.domain.keys import KeyKind, KeyRecord

if TYPE_CHECKING:
    from authproxy.config import Config
    from authproxy.store import KeyLife, LastUse

Document = dict[str, object]

# What `used` counts: neither requests nor uploads of what the index has already.
STORED = "files stored"

# What there is to say of keys for trusted publishers alone.
OF_MINTED = frozenset({"publisher", "claims"})

BECAUSE: Mapping[str | None, str] = {
    "unused": "nobody used it for as long as its policy allows",
    "restored": "a backup was restored",
    "leaked": "it was reported to have leaked",
    None: "by a command",
}


def state_of(record: KeyRecord, at: int) -> str:
    """`live`, or why the key does not work."""
    return record.dead(at) or "live"


def document_of(config: "Config", record: KeyRecord, uses: Sequence["LastUse"], at: int) -> Document:
    """A key as `--json` shows it. Never a digest: whoever has one can try secrets at home."""
    return {
        "id": record.id,
        "state": state_of(record, at),
        "owner": record.owner,
        "note": record.note,
        "policy": record.policy,
        "allow": list(allowed(config, record)),
        "networks": [str(network) for network in record.networks],
        "uses": record.uses,
        "used": record.used,
        "created": moment(record.created),
        "expires": moment(record.expires),
        "revoked": moment(record.revoked),
        "last_used": moment(max((use.time for use in uses), default=None)),
        "rotation": rotation_of(record, uses, at),
        "derive_only": record.derive_only,
        "derivable": underivable(config, record) is None,
        "canary": record.kind is KeyKind.CANARY,
        "publisher": record.publisher,
        "claims": None if record.claims is None else json.loads(record.claims),
    }


def underivable(config: "Config", record: KeyRecord) -> str | None:
    """Why nothing that is derived from the newest secret of a key works; None where its MAC key can be opened."""
    from authproxy.authority.sealing import NEVER_SEALED, NO_MASTER, VERSION, Masters

    newest, masters = current(record), Masters(config.masters.current, config.masters.former)
    if newest is None:
        return "it has no secret that works"
    if not masters.heads:
        return NO_MASTER.why
    if newest.sealed is None:
        return NEVER_SEALED.why
    head = newest.sealed[: len(next(iter(masters.heads)))]
    if head not in masters.heads:
        return f"it is sealed under master key {head[len(VERSION) :].hex()}, which the configuration does not name"
    return None


def rotation_of(record: KeyRecord, uses: Sequence["LastUse"], at: int) -> Document | None:
    """When the old secret ends, and who used it and the new one last; None where no rotation is under way."""
    ending, newest = old(record, at), current(record)
    if ending is None or newest is None:
        return None
    return {
        "public_id": record.id + newest.slot,
        "overlap_ends": moment(ending.expires),
        "old_last_use": use_of(uses, ending.slot),
        "new_last_use": use_of(uses, newest.slot),
    }


def use_of(uses: Sequence["LastUse"], slot: str) -> Document | None:
    """The last use of one secret; None where it was not used."""
    use = next((use for use in uses if use.slot == slot), None)
    if use is None:
        return None
    return {
        "time": moment(use.time),
        "action": use.action,
        "project": use.project or None,
        "address": use.address,
        "client": use.client,
    }


def life_of(config: "Config", life: "KeyLife", at: int) -> Document:
    """All that is known of one key."""
    shown = document_of(config, life.key, life.uses, at)
    last = life.uses[0] if life.uses else None
    shown["last_use"] = use_of(life.uses, last.slot) if last else None
    shown["underivable"] = underivable(config, life.key)
    shown["paused"] = moment(life.paused)
    shown["paused_why"] = None if life.paused is None else BECAUSE[life.paused_why]
    shown["unseen"] = None if life.unseen is None else life.key.id + life.unseen
    return shown


def lines_of(shown: Document) -> list[str]:
    """The same for a person."""
    lines = []
    for name, value in shown.items():
        if name == "underivable" or (name in OF_MINTED and value is None):
            continue
        if name == "claims" and isinstance(value, dict):
            lines += [f"  {part + ':':<14} {_plain(told)}" for part, told in value.items()]
        elif name == "rotation":
            under_way = value if isinstance(value, dict) else {}
            lines.append(f"{name + ':':<13} {'under way' if under_way else 'none'}")
            lines += [f"  {part + ':':<14} {_plain(told)}" for part, told in under_way.items()]
        else:
            head = STORED if name == "used" else name
            more = f", {shown['underivable']}" if name == "derivable" and shown.get("underivable") else ""
            lines.append(f"{head + ':':<13} {_plain(value)}{more}")
    return lines


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    if isinstance(value, dict):
        return sentence(value)
    return "-" if value in (None, "") else str(value)


def sentence(use: Mapping[str, object]) -> str:
    """One use in words."""
    what = f"{use['action']} {use['project']}" if use["project"] else str(use["action"])
    client = client_name(str(use["client"] or ""))
    return f"{use['time']} {what}, from {use['address']} with {client or 'an unnamed client'}"
