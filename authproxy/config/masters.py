"""The master keys that the file names: how one is written, and that no two are the same.

A master key is 32 random bytes as Base64 (`authproxy db master-key` makes them). What is sealed under one stands in
`authproxy.authority.sealing`.
"""

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from authproxy.config import values
from authproxy.config.document import Document, Loc
from authproxy.config.problem import Problem
from authproxy.config.secrets import secret

MASTER_BYTES: Final = 32  # AES-256

CURRENT: Final[Loc] = ("keys", "master_key")
FORMER: Final[Loc] = ("keys", "former_master_keys")


def written(master: bytes) -> str:
    """Write a master key as its file holds it."""
    return base64.b64encode(master).decode("ascii")


def master_key(text: str) -> bytes:
    """Read what `written` writes. Raises ValueError with a sentence that does not hold it."""
    takes = f"a master key is {MASTER_BYTES} bytes in Base64, as `authproxy db master-key` makes them"
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"{takes}: this is no Base64") from None
    if len(found) != MASTER_BYTES or written(found) != text:
        raise ValueError(f"{takes}: this is another text, of {len(found)} bytes")
    return found


def former_beside_current(document: Document) -> None:
    """Refuse former master keys where there is none to seal under now: derived keys would work only for a while."""
    if document.get(*FORMER) and document.get(*CURRENT) is None and not document.is_bad(CURRENT):
        document.report(FORMER, "keys.former_master_keys takes a keys.master_key beside it", key=True)


def read_master_keys(
    document: Document, base: Path, env: Mapping[str, str]
) -> tuple[bytes | None, tuple[bytes, ...], tuple[Problem, ...]]:
    """Read the master key, the former ones, and the warnings about how they are kept."""
    named = document.get(*FORMER)
    places = [CURRENT, *((*FORMER, position) for position in range(len(named) if isinstance(named, list) else 0))]
    found: dict[Loc, bytes] = {}
    warnings: list[Problem] = []
    for place in places:
        written_there = document.get(*place)
        if written_there is None:
            continue
        name = _shown(place)
        try:
            kept = secret(values.secret_reference(written_there), base, env)
            key = master_key(kept.text)
        except ValueError as exc:
            document.report(place, f"{name}: {exc}")
            continue
        same = next((_shown(other) for other, theirs in found.items() if theirs == key), None)
        if same is not None:
            document.report(place, f"{name} is the same key as {same}: one of the two must go")
        if kept.warning is not None:
            warnings.append(document.problem(place, f"{name}: {kept.warning}"))
        found[place] = key
    current = found.pop(CURRENT, None)
    return current, tuple(found.values()), tuple(warnings)


def _shown(place: Loc) -> str:
    return "keys.master_key" if place == CURRENT else f"keys.former_master_keys[{place[-1]}]"
