"""`leak_reports`: public keys in files, each mistake with its place and one sentence."""

import os
from pathlib import Path

import jsonschema
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from authproxy.config import load, schema, shown
from authproxy.config.reporters import LeakAction, LeakReports, ReportKey
from tests.config.conftest import LEAST, Complaining, Loading

KEYS = """\
leak_reports:
  action: pause
  keys:
    - {id: 90a4, key: {file: one.pem}}
    - {id: "6917d758", key: {file: two.pem}}
"""


def pem(curve: ec.EllipticCurve) -> bytes:
    key = ec.generate_private_key(curve).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(autouse=True)
def kept(file: Path) -> None:
    """The files, and some that are something else."""
    private = ec.generate_private_key(ec.SECP256R1())
    hidden = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    other = ed25519.Ed25519PrivateKey.generate().public_key()
    texts = {"one.pem": pem(ec.SECP256R1()), "two.pem": pem(ec.SECP256R1()), "p384.pem": pem(ec.SECP384R1())}
    texts |= {"private.pem": hidden, "other.pem": other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)}
    texts |= {"words.pem": b"correct horse", "empty.pem": b"", "long.pem": pem(ec.SECP256R1()) + b"x" * 5000}
    for name, raw in texts.items():
        file.with_name(name).write_bytes(raw)
        file.with_name(name).chmod(0o644)
    file.with_name("loose.pem").write_bytes(texts["one.pem"])
    file.with_name("loose.pem").chmod(0o666)
    file.with_name("folder.pem").mkdir()


def test_the_keys_are_read(loaded: Loading, file: Path) -> None:
    """A public key is no secret: everybody may read its file, and no word is lost about that."""
    config = loaded(LEAST + KEYS)
    one, two = (file.with_name(name).read_bytes() for name in ("one.pem", "two.pem"))
    found = (ReportKey("90a4", one, "one.pem"), ReportKey("6917d758", two, "two.pem"))
    assert config.leak_reports == LeakReports(LeakAction.PAUSE, found)
    assert config.warnings == ()
    listed = [{"id": "90a4", "key": {"file": "one.pem"}}, {"id": "6917d758", "key": {"file": "two.pem"}}]
    assert shown(config)["leak_reports"] == {"action": "pause", "keys": listed}


def test_without_them_nobody_is_believed(loaded: Loading) -> None:
    """And what is believed is revoked, where nothing else is said."""
    assert loaded(LEAST).leak_reports == LeakReports(LeakAction.REVOKE, ())
    assert "leak_reports" not in shown(loaded(LEAST))
    assert loaded(LEAST + KEYS.replace("  action: pause\n", "")).leak_reports.action is LeakAction.REVOKE


def test_a_file_can_be_reviewed_without_them(file: Path) -> None:
    """As without the secrets that it names."""
    file.write_text(LEAST + KEYS.replace("one", "gone"))
    assert [each.pem for each in load(file, {}, secrets=False).leak_reports.keys] == [None, None]


WRONG = {
    "gone.pem": "there is no file",
    "folder.pem": "cannot be read: is a directory",
    "p384.pem": "is no public key for ECDSA on P-256 in PEM",
    "other.pem": "is no public key",
    "private.pem": "is no public key",
    "words.pem": "is no public key",
    "empty.pem": "is no public key",
    "long.pem": "is no public key",
    "loose.pem": "everybody may write",
}


@pytest.mark.parametrize(("name", "sentence"), WRONG.items())
def test_a_file_that_holds_something_else_is_named(complaints: Complaining, name: str, sentence: str) -> None:
    """At its place; a private key belongs nowhere near a server that only verifies."""
    [told] = complaints(LEAST + KEYS.replace("two.pem", name))
    assert told.startswith("8:36: leak_reports.keys[1].key: ")
    assert sentence in told


PROBLEMS = {
    "leak_reports: {action: revoke}": "4:1: leak_reports.keys is missing",
    "leak_reports: {keys: []}": "4:22: leak_reports.keys takes a list with something in it: an empty one allows nothing",
    "leak_reports: {action: delete, keys: [{id: a, key: {file: one.pem}}]}": "4:24: leak_reports.action takes revoke or"
    " pause",
    "leak_reports: {keys: [{id: 'a b', key: {file: one.pem}}]}": "4:28: leak_reports.keys[0].id: it takes the key's "
    "identifier as the sender writes it: up to 200 characters, none a space",
    "leak_reports: {keys: [{id: 7, key: {file: one.pem}}]}": "4:28: leak_reports.keys[0].id: it takes the key's "
    "identifier as the sender writes it: up to 200 characters, none a space",
    "leak_reports: {keys: [{id: a, key: {env: KEY}}]}": "4:37: 'env' is no key of leak_reports.keys[0].key: there is "
    "file",
    "leak_reports: {keys: [{id: a, key: {file: one.pem}}, {id: a, key: {file: two.pem}}]}": "4:59: 'a' is the id of "
    "another key already",
}


@pytest.mark.parametrize(("text", "problem"), PROBLEMS.items())
def test_a_mistake_is_named(complaints: Complaining, text: str, problem: str) -> None:
    """Where it stands."""
    assert problem in complaints(LEAST + text + "\n")


@pytest.mark.parametrize(
    "text", [each for each in PROBLEMS if "id: 7" not in each and "{id: a, key: {file: two" not in each]
)
def test_the_schema_refuses_what_it_can(text: str) -> None:
    """An editor says so while it is written; and takes what is right."""
    validator = jsonschema.Draft202012Validator(schema())
    assert not validator.is_valid(yaml.safe_load(LEAST + text))
    assert validator.is_valid(yaml.safe_load(LEAST + KEYS))


def test_a_fifo_does_not_hold_up_the_start(complaints: Complaining, file: Path) -> None:
    """Nobody writes into it."""
    os.mkfifo(file.with_name("fifo.pem"), 0o600)
    [told] = complaints(LEAST + KEYS.replace("two.pem", "fifo.pem"))
    assert "is no public key" in told
