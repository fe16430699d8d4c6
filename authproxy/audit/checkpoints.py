"""Checkpoints: where the record's chain stood at a moment, signed, to be stored where nobody of this machine can write.

Whoever may write the database can write a whole chain anew, or cut off its young end; a checkpoint that lies elsewhere
shows it. Ed25519 (RFC 8032), with a key of the installation's own in its state directory. Whoever may read that key can
sign a false checkpoint, so its public half belongs elsewhere too.
"""

import base64
import binascii
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from authproxy.store import Head

VERSION: Final = 1
KEY_FILE: Final = "checkpoint-key.pem"
PRIVATE: Final = 0o600
# A checkpoint has some 400 bytes and a key some 120; what is much larger is another file.
LARGEST: Final = 16 * 1024

_SIGNED: Final = "authproxy checkpoint 1"
_FIELDS: Final[dict[str, type]] = {
    "version": int,
    "installation": str,
    "link": int,
    "hash": str,
    "count": int,
    "time": int,
    "key": str,
    "signature": str,
}


class CheckpointError(Exception):
    """A key or a checkpoint that is of no use. The message is one sentence."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where the chain stood: its last link, and how many rows had been written. `time` is unix seconds."""

    installation: str
    link: int
    hash: bytes
    count: int
    time: int

    @property
    def head(self) -> Head:
        """The link that must be in the chain."""
        return Head(self.link, self.hash)

    def message(self) -> bytes:
        """What is signed: a JSON array without white space, ASCII alone."""
        told = [_SIGNED, self.installation, self.link, self.hash.hex(), self.count, self.time]
        return json.dumps(told, separators=(",", ":")).encode()


def signing_key(directory: Path) -> Ed25519PrivateKey:
    """Read the installation's key; make it where there is none yet. Raises CheckpointError, OSError."""
    path = directory / KEY_FILE
    if not path.exists():
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_new(path, Ed25519PrivateKey.generate())
    mode = path.stat().st_mode & 0o777
    if mode & ~PRIVATE:
        raise CheckpointError(f"{path} has mode {mode:04o} and must be its owner's alone: run chmod 600 on it")
    try:
        key = load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise CheckpointError(f"{path} holds no private key: put back the one that was there") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise CheckpointError(f"{path} holds a key of another kind: put back the Ed25519 key that was there")
    return key


def _write_new(path: Path, key: Ed25519PrivateKey) -> None:
    """Write a key so that it is there whole or not at all; of two that are written at once, the first stays."""
    made = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, PRIVATE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(made, path)
        except FileExistsError:
            return
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        made.unlink()


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        found = file.read(LARGEST + 1)
    if len(found) > LARGEST:
        raise CheckpointError(f"{path} is too large to be a checkpoint or a key")
    return found


def public_pem(key: Ed25519PublicKey) -> str:
    """Write a verification key for who checks elsewhere."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def read_public(path: Path) -> Ed25519PublicKey:
    """Read what `public_pem` wrote. Raises CheckpointError, OSError."""
    try:
        key = load_pem_public_key(_read(path))
    except (ValueError, UnsupportedAlgorithm):
        raise CheckpointError(f"{path} holds no public key: `audit checkpoint --public-key` prints it") from None
    if not isinstance(key, Ed25519PublicKey):
        raise CheckpointError(f"{path} holds a key of another kind: checkpoints are signed with Ed25519")
    return key


def fingerprint(key: Ed25519PublicKey) -> str:
    """Name a key by the first 16 hex digits of the SHA-256 of its 32 bytes."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def signed(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> dict[str, str | int]:
    """Sign a checkpoint; return the document that is stored elsewhere."""
    return {
        "version": VERSION,
        "installation": checkpoint.installation,
        "link": checkpoint.link,
        "hash": checkpoint.hash.hex(),
        "count": checkpoint.count,
        "time": checkpoint.time,
        "key": fingerprint(key.public_key()),
        "signature": base64.b64encode(key.sign(checkpoint.message())).decode(),
    }


def read_signed(path: Path, key: Ed25519PublicKey) -> Checkpoint:
    """Read a checkpoint and check its signature. Raises CheckpointError, OSError."""
    checkpoint, signer, signature = _parsed(path)
    try:
        key.verify(signature, checkpoint.message())
    except InvalidSignature:
        if signer != fingerprint(key):
            ours = fingerprint(key)
            raise CheckpointError(f"{path} was signed with another key ({signer}) than this one ({ours})") from None
        raise CheckpointError(f"{path} was changed: its signature does not fit") from None
    return checkpoint


def _parsed(path: Path) -> tuple[Checkpoint, str, bytes]:
    try:
        document = json.loads(_read(path))
    except (ValueError, RecursionError):
        raise CheckpointError(f"{path} is no checkpoint: it is no JSON") from None
    if not isinstance(document, dict) or set(document) != set(_FIELDS):
        raise CheckpointError(f"{path} is no checkpoint: it takes {', '.join(_FIELDS)}, and nothing else")
    wrong = [name for name, kind in _FIELDS.items() if type(document[name]) is not kind]
    if wrong or document["version"] != VERSION:
        field = (wrong or ["version"])[0]
        raise CheckpointError(f"{path} is no checkpoint that this authproxy knows: its {field} is not right")
    try:
        hashed, signature = bytes.fromhex(document["hash"]), base64.b64decode(document["signature"], validate=True)
    except (ValueError, binascii.Error):
        raise CheckpointError(f"{path} is no checkpoint: its hash or its signature cannot be read") from None
    told = Checkpoint(document["installation"], document["link"], hashed, document["count"], document["time"])
    return told, document["key"], signature
