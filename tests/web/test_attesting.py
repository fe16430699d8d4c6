"""Attestations as they come: read strictly, held against the very file, and verified by sigstore's own library.

The trusted root is one of ours (`tests.peers.attested`); nothing of sigstore is asked over a network.
"""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from authproxy.config.settings import TrustedPublishing
from authproxy.domain.attestations import NOTHING, Attested
from authproxy.domain.names import artifact
from authproxy.web import attesting
from authproxy.web.attesting import FIELD_LIMIT, Attesting, verifier_of
from tests.peers.attested import GITHUB, JOB, OWNER_ID, PUBLISH, SOURCE, Sigstore
from tests.peers.packages import Package, sdist, wheel

CORE = wheel("acme-core")


@pytest.fixture(scope="module")
def sigstore() -> Sigstore:
    return Sigstore()


@pytest.fixture
def root(sigstore: Sigstore, tmp_path: Path) -> Path:
    return sigstore.write_root(tmp_path / "trusted_root.json")


def by(root: Path | None) -> TrustedPublishing:
    return TrustedPublishing(attestation_root=root)


async def read(field: object, root: Path | None = None, package: Package = CORE) -> Attested:
    text = field if isinstance(field, str) else json.dumps(field)
    return await Attesting().read(text, artifact(package.filename), package.sha256, by(root))


async def test_what_one_claims(sigstore: Sigstore) -> None:
    """Its hash as canonical JSON, the kind of statement, the job and its issuer; without a root it is not verified."""
    made = sigstore.attestation(CORE)
    [found] = (await read([made])).found
    assert (found.publisher, found.issuer, found.predicate, found.verified) == (JOB, GITHUB, PUBLISH, False)
    shuffled = json.loads(json.dumps(dict(reversed(made.items()))))
    assert (await read(json.dumps([shuffled], indent=3))).found == (found,)
    other = await read([sigstore.attestation(CORE)])
    assert other.found[0].sha256 != found.sha256


async def test_what_the_run_was_for(sigstore: Sigstore) -> None:
    """The repository, its ids and the file that started it, however long; None for what is not there."""
    long = f"https://github.com/{'x' * 90}/{'y' * 100}"
    for size in (long, long + "z" * 100):
        [found] = (await read([sigstore.attestation(CORE, extensions={SOURCE: size, OWNER_ID: None})])).found
        assert (found.source, found.source_id, found.owner_id, found.started) == (size, "74", None, JOB)


@pytest.mark.parametrize("text", ["", "x" * 501, "\x1b[2J"], ids=["empty", "long", "an escape sequence"])
async def test_a_repository_that_is_none(sigstore: Sigstore, text: str) -> None:
    """Counts for nothing, as a name of the job does that is none."""
    found = await read([sigstore.attestation(CORE, extensions={SOURCE: text})])
    assert (found.found, "source of the run is no text" in (found.flaw or "")) == ((), True)


@pytest.mark.parametrize(
    ("der", "expected"),
    [
        (b"", None),
        (b"\x0c", None),
        (b"\x0c\x01a", "a"),
        (b"\x16\x01a", None),
        (b"\x0c\x02a", None),
        (b"\x0c\x82a", None),
    ],
)
def test_a_text_of_a_certificate(der: bytes, expected: str | None) -> None:
    """One UTF8String and nothing behind it."""
    assert attesting._utf8(der) == expected


async def test_an_upload_without_any() -> None:
    """Nothing, and no flaw."""
    assert await Attesting().read(None, artifact(CORE.filename), CORE.sha256, by(None)) is NOTHING


async def test_sigstore_verifies(sigstore: Sigstore, root: Path) -> None:
    """By the trusted root; two of one file, too, and the verifier is made once."""
    reader, file, trusted = Attesting(), artifact(CORE.filename), by(root)
    field = json.dumps([sigstore.attestation(CORE), sigstore.attestation(CORE, predicateType="slsa")])
    for _ in range(2):
        found = await reader.read(field, file, CORE.sha256, trusted)
        assert [(each.verified, each.predicate) for each in found.found] == [(True, PUBLISH), (True, "slsa")]


async def test_a_reload_reads_the_root_anew(sigstore: Sigstore, root: Path) -> None:
    """Under one config the file is read once; under the next it is what stands there then."""
    reader, file, field = Attesting(), artifact(CORE.filename), json.dumps([sigstore.attestation(CORE)])
    trusted = by(root)
    assert (await reader.read(field, file, CORE.sha256, trusted)).found
    Sigstore().write_root(root)
    assert (await reader.read(field, file, CORE.sha256, trusted)).found
    assert not (await reader.read(field, file, CORE.sha256, by(root))).found


def _with(made: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """The same with one place changed."""
    copy = json.loads(json.dumps(made))
    *before, last = path.split(".")
    place = copy
    for step in before:
        place = place[int(step)] if step.isdigit() else place[step]
    place[last] = value
    return copy


ENTRY = "verification_material.transparency_entries.0"


@pytest.mark.parametrize(
    "path",
    [
        "envelope.signature",
        "envelope.statement",
        "verification_material.certificate",
        f"{ENTRY}.inclusionPromise.signedEntryTimestamp",
        f"{ENTRY}.canonicalizedBody",
        f"{ENTRY}.inclusionProof.rootHash",
        f"{ENTRY}.integratedTime",
    ],
)
async def test_what_is_not_of_one_piece_is_not_verified(sigstore: Sigstore, root: Path, path: str) -> None:
    """Each part taken from another attestation of the same job and file: not good, whatever the parts are by themselves."""
    made, other = sigstore.attestation(CORE), sigstore.attestation(CORE, predicateType="another")
    value: Any = other
    for step in path.split("."):
        value = value[int(step)] if step.isdigit() else value[step]
    if path.endswith("integratedTime"):
        value = str(int(value) + 86_400)
    found = await read([_with(made, path, value)], root)
    assert found.found == ()
    assert found.flaw == "what was sent counts for nothing: sigstore does not verify it"


async def test_another_root_verifies_none(root: Path) -> None:
    """A job of somebody else's sigstore."""
    found = await read([Sigstore().attestation(CORE)], root)
    assert (found.found, found.flaw) == ((), "what was sent counts for nothing: sigstore does not verify it")


@pytest.mark.parametrize(
    ("changes", "flaw"),
    [
        pytest.param({"subject": []}, "statement about one file", id="about none"),
        pytest.param({"_type": "https://in-toto.io/Statement/v0.1"}, "statement about one file", id="an old kind"),
        pytest.param({"subject": ["x"]}, "about other bytes", id="no subject"),
        pytest.param(
            {"subject": [{"name": CORE.filename, "digest": {"sha256": "00"}}]}, "about other bytes", id="other bytes"
        ),
        pytest.param(
            {"subject": [{"name": "other-1.0.tar.gz", "digest": {"sha256": CORE.sha256}}]}, "another name", id="another"
        ),
        pytest.param({"subject": [{"name": "x", "digest": {"sha256": CORE.sha256}}]}, "another name", id="no filename"),
        pytest.param({"predicateType": 7}, "kind of statement is no text", id="no kind"),
        pytest.param({"predicateType": "\x1b[2J"}, "kind of statement is no text", id="an escape sequence"),
        pytest.param({"predicateType": "x" * 501}, "at most 500 characters", id="a long kind"),
    ],
)
async def test_a_statement_that_counts_for_nothing(
    sigstore: Sigstore, root: Path, changes: dict[str, Any], flaw: str
) -> None:
    """However well it is signed."""
    for given in (None, root):
        found = await read([sigstore.attestation(CORE, **changes)], given)
        assert found.found == ()
        assert flaw in (found.flaw or "")


async def test_a_name_in_another_spelling_is_the_same_file(sigstore: Sigstore) -> None:
    """As PyPI compares them."""
    file = sdist("acme-core")
    said = [{"name": file.filename.replace("acme_core", "Acme-Core"), "digest": {"sha256": file.sha256}}]
    assert (await read([sigstore.attestation(file, subject=said)], package=file)).found


@pytest.mark.parametrize(
    ("field", "flaw"),
    [
        pytest.param("", "not JSON", id="nothing"),
        pytest.param("{}", "not a JSON array", id="no list"),
        pytest.param("[]", "a list of 1 to 4", id="an empty list"),
        pytest.param("[1]", "an object of version 1", id="no object"),
        pytest.param('[{"version": 2}]', "an object of version 1", id="another version"),
        pytest.param('[{"version": 1}]', "no envelope.statement", id="no envelope"),
        pytest.param('[{"version": 1, "version": 1}]', "a key twice", id="a key twice"),
        pytest.param("[" * 50_000, "nested too deeply", id="deep"),
        pytest.param('["' + "x" * FIELD_LIMIT + '"]', "more than 262144 bytes", id="long"),
        pytest.param('[{"version": 1, "envelope": {"statement": "%%%"}}]', "no base64", id="no base64"),
        pytest.param('[{"version": 1, "envelope": {"statement": "\u00e9"}}]', "no base64", id="no ASCII"),
        pytest.param('[{"version": 1, "envelope": {"statement": "e30="}}]', "about one file", id="an empty statement"),
        pytest.param('["\\ud800"]', "", id="half a character"),
    ],
)
async def test_a_field_that_counts_for_nothing(field: str, flaw: str) -> None:
    """One sentence, and nothing of what was sent in it."""
    found = await read(field)
    assert found.found == ()
    assert (found.flaw or "").startswith("what was sent counts for nothing: ")
    assert flaw in (found.flaw or "")


async def test_five_are_too_many(sigstore: Sigstore) -> None:
    """PyPI takes one of each of two kinds."""
    assert "a list of 1 to 4" in ((await read([sigstore.attestation(CORE)] * 5)).flaw or "")


@pytest.mark.parametrize("certificate", ["", "AAAA", base64.b64encode(b"x" * 70_000).decode()])
async def test_a_certificate_that_is_none(sigstore: Sigstore, certificate: str) -> None:
    """It names nobody."""
    found = await read([_with(sigstore.attestation(CORE), "verification_material.certificate", certificate)])
    assert (found.found, "counts for nothing" in (found.flaw or "")) == ((), True)


@pytest.mark.parametrize("name", [b"\x30\x02\xa3\x00", b"\x30\x02\xa5\x00"], ids=["x400Address", "ediPartyName"])
async def test_a_name_of_a_kind_that_nobody_reads(sigstore: Sigstore, name: bytes) -> None:
    """It is no outage of the proxy, and no name."""
    key = ec.generate_private_key(ec.SECP256R1())
    nobody = x509.Name([])
    builder = x509.CertificateBuilder().subject_name(nobody).issuer_name(nobody).public_key(key.public_key())
    builder = (
        builder.serial_number(1)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2027, 1, 1, tzinfo=UTC))
    )
    odd = x509.UnrecognizedExtension(x509.oid.ExtensionOID.SUBJECT_ALTERNATIVE_NAME, name)
    made = builder.add_extension(odd, critical=False).sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    changed = _with(sigstore.attestation(CORE), "verification_material.certificate", base64.b64encode(made).decode())
    found = await read([changed])
    assert (found.found, "counts for nothing" in (found.flaw or "")) == ((), True)


@pytest.mark.parametrize(
    "path",
    ["verification_material", "verification_material.transparency_entries", "envelope.signature"],
)
async def test_a_piece_of_another_type(sigstore: Sigstore, root: Path, path: str) -> None:
    """With a root, too, it counts for nothing."""
    found = await read([_with(sigstore.attestation(CORE), path, 7)], root=root)
    assert (found.found, "counts for nothing" in (found.flaw or "")) == ((), True)


async def test_a_certificate_that_names_nobody(sigstore: Sigstore) -> None:
    """The CA's own, for one."""
    from cryptography.hazmat.primitives.serialization import Encoding

    raw = base64.b64encode(sigstore.root.public_bytes(Encoding.DER)).decode()
    found = await read([_with(sigstore.attestation(CORE), "verification_material.certificate", raw)])
    assert "names no publisher and its issuer" in (found.flaw or "")


async def test_a_root_that_cannot_be_read(sigstore: Sigstore, tmp_path: Path) -> None:
    """Then nothing is verified, and nothing counts."""
    (tmp_path / "root.json").write_text("{}")
    found = await read([sigstore.attestation(CORE)], tmp_path / "root.json")
    assert (found.found, "trusted root cannot be read" in (found.flaw or "")) == ((), True)


def test_without_the_library_nothing_is_verified(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is not installed; `config check` says so before."""
    import sys

    for name in [each for each in sys.modules if each.partition(".")[0] == "sigstore"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "sigstore", None)
    with pytest.raises(ValueError, match="no sigstore library"):
        verifier_of(root)


async def test_control_a_reader_that_skips_the_statement_would_be_noticed(
    sigstore: Sigstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that does not hold it against the file takes an attestation of other bytes."""
    monkeypatch.setattr(attesting, "_about", lambda *_: PUBLISH)
    said = [{"name": CORE.filename, "digest": {"sha256": "00"}}]
    assert (await read([sigstore.attestation(CORE, subject=said)])).found
