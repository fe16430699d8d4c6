"""`leak_reports`: whose reports of found keys are believed, and what becomes of the keys.

The public keys are no secrets, and stand in files all the same: they have several lines, and come from the code host as
files. Who may write such a file may end keys, so one that everybody may write is an error.
"""

import os
import re
import stat
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, Field, PlainValidator

from authproxy.config.document import Document
from authproxy.config.fields import STRICT, text
from authproxy.config.reporters import LeakAction, LeakReports, ReportKey
from authproxy.config.secrets import at_once
from authproxy.domain.refusal import quoted

# A public key of this kind has 178 bytes in PEM.
PEM_LIMIT: Final = 4096

# GitHub's are 64 hexadecimal digits, GitLab's 40.
_ID: Final = r"[!-~]{1,200}"
_PLACE: Final = "leak_reports", "keys"


def _identifier(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(_ID, value):
        raise ValueError("it takes the key's identifier as the sender writes it: up to 200 characters, none a space")
    return value


class KeyFileSection(BaseModel):
    """Where a public key stands."""

    model_config = STRICT

    file: Annotated[str, Field(min_length=1)]
    """A file in PEM, relative to this one."""


class ReportKeySection(BaseModel):
    """A public key that reports are signed with."""

    model_config = STRICT

    id: Annotated[str, PlainValidator(_identifier), text(_ID, "90a421169f0a406205f1563a953312f0be898d3c7b6c06b681aa")]
    """What the sender calls it, in Github-Public-Key-Identifier or Gitlab-Public-Key-Identifier."""
    key: KeyFileSection
    """The key: ECDSA on P-256, in PEM."""


class LeakReportsSection(BaseModel):
    """Who may report keys that were found where they do not belong."""

    model_config = STRICT

    action: Annotated[LeakAction, Field(strict=False)] = LeakAction.REVOKE
    """What becomes of a key that was found."""
    keys: Annotated[list[ReportKeySection], Field(min_length=1)]
    """Whose reports are believed."""


NOBODYS: Final = LeakReportsSection.model_construct(action=LeakAction.REVOKE, keys=[])


def identifiers_apart(document: Document) -> None:
    """Refuse two keys of one identifier: a report names one."""
    listed = document.get(*_PLACE)
    seen: set[object] = set()
    for position, _ in enumerate(listed if isinstance(listed, list) else ()):
        name = document.get(*_PLACE, position, "id")
        if isinstance(name, str) and name in seen:
            document.report((*_PLACE, position, "id"), f"{quoted(name)} is the id of another key already")
        seen.add(name)


def read_report_keys(document: Document, base: Path) -> dict[int, bytes]:
    """Read the public keys, by position."""
    found = {}
    listed = document.get(*_PLACE)
    for position, _ in enumerate(listed if isinstance(listed, list) else ()):
        where = *_PLACE, position, "key", "file"
        name = document.get(*where)
        if not isinstance(name, str) or not name:
            continue
        try:
            found[position] = _pem(base / name)
        except ValueError as exc:
            document.report(where, f"leak_reports.keys[{position}].key: {exc}")
    return found


def leak_reports(section: LeakReportsSection, keys: dict[int, bytes]) -> LeakReports:
    """Put the settings together; a key that was not read is None."""
    listed = enumerate(section.keys)
    return LeakReports(section.action, tuple(ReportKey(key.id, keys.get(at), key.key.file) for at, key in listed))


def _pem(path: Path) -> bytes:
    shown = f"'{path}'"
    try:
        with open(path, "rb", opener=at_once) as file:
            mode = os.fstat(file.fileno()).st_mode
            raw = file.read(PEM_LIMIT + 1) if stat.S_ISREG(mode) else b""
    except FileNotFoundError:
        raise ValueError(f"there is no file {shown}: write the public key into it, in PEM") from None
    except OSError as exc:
        raise ValueError(f"{shown} cannot be read: {(exc.strerror or 'it fails').lower()}") from None
    if mode & stat.S_IWOTH:
        raise ValueError(f"everybody may write {shown}, and so say whose reports are believed: chmod 644 it")
    if not _is_public_key(raw):
        raise ValueError(f"{shown} is no public key for ECDSA on P-256 in PEM: -----BEGIN PUBLIC KEY-----")
    return raw


def _is_public_key(raw: bytes) -> bool:
    # Most configurations name no such key, and this takes longer than to read one of those.
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415

    try:
        key = load_pem_public_key(raw) if len(raw) <= PEM_LIMIT else None
    except (ValueError, UnsupportedAlgorithm):
        return False
    return isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)
