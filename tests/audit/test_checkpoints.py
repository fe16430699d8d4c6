"""A checkpoint says where the chain stood, and only who holds the installation's key can say so."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from authproxy.audit import checkpoints
from authproxy.audit.checkpoints import Checkpoint, CheckpointError

POINT = Checkpoint("https://pypi.acme.test/", 12, bytes(range(32)), 7, 1_800_000_000)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))


def written(path: Path, **changes: Any) -> Path:
    """A checkpoint in a file; a change of None leaves a field out."""
    document = checkpoints.signed(POINT, KEY) | changes
    path.write_text(json.dumps({name: value for name, value in document.items() if value is not None}))
    return path


def test_what_is_signed_is_read_back(tmp_path: Path) -> None:
    """All of it, and the link that must be in the chain."""
    found = checkpoints.read_signed(written(tmp_path / "c"), KEY.public_key())
    assert found == POINT
    assert (found.head.link, found.head.hash) == (12, POINT.hash)


def test_the_signature_is_frozen() -> None:
    """Ed25519 has one signature for a key and a message; old checkpoints must be good for ever."""
    assert POINT.message() == (
        b'["authproxy checkpoint 1","https://pypi.acme.test/",12,'
        b'"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",7,1800000000]'
    )
    assert checkpoints.signed(POINT, KEY)["signature"] == (
        "XfKkGibPpaOneXe0x5p9kp72fHJ9EboXeRPkSDB7JIkXp69krVyLaK3pM5e7tHMf3XO8hr7cc32hQ3hvnMoKCg=="
    )


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "another link": ({"link": 11}, "its signature does not fit"),
    "another hash": ({"hash": "00" * 32}, "its signature does not fit"),
    "another installation": ({"installation": "https://evil.test/"}, "its signature does not fit"),
    "another time": ({"time": 5}, "its signature does not fit"),
    "another count": ({"count": 5}, "its signature does not fit"),
    "another key's name": ({"key": "0" * 16, "link": 11}, "signed with another key"),
    "a field too few": ({"count": None}, "is no checkpoint"),
    "a field too many": ({"more": 1}, "is no checkpoint"),
    "a truth value for a number": ({"link": True}, "its link is not right"),
    "a version of tomorrow": ({"version": 2}, "its version is not right"),
    "a hash that is none": ({"hash": "xyz"}, "cannot be read"),
    "a signature that is none": ({"signature": "?"}, "cannot be read"),
}


@pytest.mark.parametrize(("changes", "words"), CHANGES.values(), ids=CHANGES.keys())
def test_a_changed_checkpoint_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    """With a sentence; the unchanged one, above, is the control."""
    with pytest.raises(CheckpointError, match=words):
        checkpoints.read_signed(written(tmp_path / "c", **changes), KEY.public_key())


@pytest.mark.parametrize("text", ["", "[]", "[" * 16_000, "5", "\x00", "{" + " " * 20_000 + "}"])
def test_what_is_no_checkpoint(tmp_path: Path, text: str) -> None:
    """A wrong file, an empty one, a huge one."""
    (tmp_path / "c").write_text(text)
    with pytest.raises(CheckpointError, match=r"is no checkpoint|too large"):
        checkpoints.read_signed(tmp_path / "c", KEY.public_key())


def test_the_key_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    """In a folder that may have to be made; nothing else is left there."""
    old = os.umask(0)
    try:
        first = checkpoints.signing_key(tmp_path / "state")
    finally:
        os.umask(old)
    (path,) = (tmp_path / "state").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = checkpoints.signing_key(tmp_path / "state")
    assert checkpoints.public_pem(first.public_key()) == checkpoints.public_pem(again.public_key())


def test_of_two_programs_that_make_a_key_the_first_one_wins(tmp_path: Path) -> None:
    """The other takes what is there."""
    first = checkpoints.signing_key(tmp_path)
    checkpoints._write_new(tmp_path / checkpoints.KEY_FILE, Ed25519PrivateKey.generate())
    assert checkpoints.fingerprint(checkpoints.signing_key(tmp_path).public_key()) == checkpoints.fingerprint(
        first.public_key()
    )
    assert len(list(tmp_path.iterdir())) == 1


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """Whoever has it can sign in our name."""
    checkpoints.signing_key(tmp_path)
    (tmp_path / checkpoints.KEY_FILE).chmod(0o640)
    with pytest.raises(CheckpointError, match="chmod 600"):
        checkpoints.signing_key(tmp_path)


OTHER = generate_private_key(SECP256R1())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"garbage", "no private key", id="garbage"),
        pytest.param(
            OTHER.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), "another kind", id="another kind"
        ),
    ],
)
def test_a_private_key_that_is_none(tmp_path: Path, content: bytes, words: str) -> None:
    """It is not replaced: checkpoints were signed with the one that was there."""
    path = tmp_path / checkpoints.KEY_FILE
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(CheckpointError, match=words):
        checkpoints.signing_key(tmp_path)
    assert path.read_bytes() == content


def test_a_public_key_is_read_back(tmp_path: Path) -> None:
    """As `audit checkpoint --public-key` prints it; another kind and garbage are refused."""
    path = tmp_path / "public.pem"
    path.write_text(checkpoints.public_pem(KEY.public_key()))
    assert checkpoints.fingerprint(checkpoints.read_public(path)) == checkpoints.fingerprint(KEY.public_key())
    path.write_bytes(OTHER.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(CheckpointError, match="another kind"):
        checkpoints.read_public(path)
    path.write_text("garbage")
    with pytest.raises(CheckpointError, match="no public key"):
        checkpoints.read_public(path)
