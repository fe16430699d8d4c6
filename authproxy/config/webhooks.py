"""What the file says of webhooks where one value alone does not tell: names that differ, secrets that are secrets."""

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from authproxy.config import values
from authproxy.config.document import Document
from authproxy.config.problem import Problem
from authproxy.config.secrets import secret
from authproxy.domain.refusal import quoted

# Standard Webhooks asks for 24 bytes; what is shorter than 16 can be guessed offline by whoever has seen one message.
SHORTEST: Final = 16
# Before a secret that is the Base64 of its bytes (Standard Webhooks 1.0.0, "Signature scheme").
ENCODED: Final = "whsec_"


def signing_key(text: str) -> bytes:
    """Return the bytes to sign with: of `whsec_...` what it encodes, else the text itself. Raises ValueError."""
    if text.startswith(ENCODED):
        try:
            found = base64.b64decode(text.removeprefix(ENCODED), validate=True)
        except (binascii.Error, ValueError):
            raise ValueError(f"what stands behind {ENCODED} is no Base64: make one with `openssl rand`") from None
    else:
        found = text.encode()
    if len(found) < SHORTEST:
        raise ValueError(
            f"it has {len(found)} bytes and takes {SHORTEST} at least, as `openssl rand -hex 32` makes them"
        )
    return found


def names_apart(document: Document) -> None:
    """Refuse two webhooks of one name: their events wait under it."""
    hooks = document.get("webhooks")
    seen: set[object] = set()
    for position, _ in enumerate(hooks if isinstance(hooks, list) else ()):
        name = document.get("webhooks", position, "name")
        if isinstance(name, str) and name in seen:
            sentence = f"{quoted(name)} is the name of another webhook already: choose another"
            document.report(("webhooks", position, "name"), sentence)
        seen.add(name)


def read_signing_keys(
    document: Document, base: Path, env: Mapping[str, str]
) -> tuple[dict[int, bytes], tuple[Problem, ...]]:
    """Read the secrets of the webhooks, by position, and the warnings about how they are kept."""
    found, warnings = {}, []
    hooks = document.get("webhooks")
    for position, _ in enumerate(hooks if isinstance(hooks, list) else ()):
        where = "webhooks", position, "secret"
        written = document.get(*where)
        if written is None:
            continue
        try:
            kept = secret(values.secret_reference(written), base, env)
            found[position] = signing_key(kept.text)
        except ValueError as exc:
            document.report(where, f"webhooks[{position}].secret: {exc}")
            continue
        if kept.warning is not None:
            warnings.append(document.problem(where, f"webhooks[{position}].secret: {kept.warning}"))
    return found, tuple(warnings)
