"""The attestations that an upload carries (PEP 740): read strictly, held against the file, and verified where we can.

The field is a JSON list of attestations, each a statement in an envelope with the certificate of whoever signed. What
cannot be read counts for nothing and says why: a rule that requires an attestation refuses with it, and any other
upload passes as before. Reading trusts nothing: without sigstore's trusted root all of it is what the sender claims.
"""

import asyncio
import base64
import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from cryptography import x509

from authproxy.config.settings import TrustedPublishing
from authproxy.domain.attestations import NOTHING, Attestation, Attested
from authproxy.domain.names import Artifact, artifact
from authproxy.domain.refusal import Refused
from authproxy.oidc.strict import json_array, json_object

log: Final = logging.getLogger("authproxy.attesting")

# Bytes of the field. One has 6 to 11 KB; PyPI takes one of each kind, and knows two kinds.
FIELD_LIMIT: Final = 256 * 1024
MOST: Final = 4
STATEMENT_LIMIT: Final = 64 * 1024
# Characters of what goes on record of one.
TEXT_LIMIT: Final = 500

_NOTHING: Final = "what was sent counts for nothing: "
_STATEMENT: Final = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
_BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
# https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md: the issuer of the token, as DER and, older, as it is.
_ISSUER: Final = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
_ISSUER_RAW: Final = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
# The same page: of the repository that the run was for, and the file that it was started from; all as DER.
_OF_RUN: Final = {
    "source": x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.12"),
    "source_id": x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.15"),
    "owner_id": x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.17"),
    "started": x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.18"),
    "trigger": x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.20"),
}
_UTF8: Final = 0x0C
# A length of DER from here on stands in the bytes behind it: 0x81 in one, 0x82 in two.
_LONG: Final = 0x80

# Raises ValueError where sigstore's library does not find the attestation good; returns the statement that was signed.
Verify = Callable[[dict[str, Any]], bytes]


class Attesting:
    """Reads attestations, and keeps the one verifier of the trusted root in force; a reload reads the file anew."""

    def __init__(self) -> None:
        self._verify: tuple[TrustedPublishing, Verify] | None = None

    async def read(self, field: str | None, file: Artifact, sha256: str, trusted: TrustedPublishing) -> Attested:
        """Read the field of an upload. In a thread: certificates and signatures are milliseconds of CPU each."""
        if field is None:
            return NOTHING
        return await asyncio.to_thread(self._read, field, file, sha256, trusted)

    def _read(self, field: str, file: Artifact, sha256: str, trusted: TrustedPublishing) -> Attested:
        try:
            verify = self._verifier(trusted)
        except ValueError as error:
            log.error("no attestation is verified", extra={"trouble": str(error)})  # noqa: TRY400 - a sentence of ours
            return Attested(flaw=f"{_NOTHING}{error}")
        try:
            return Attested(tuple(_one(each, file, sha256, verify) for each in _listed(field)))
        except ValueError as error:
            return Attested(flaw=f"{_NOTHING}{error}")

    def _verifier(self, trusted: TrustedPublishing) -> Verify | None:
        if trusted.attestation_root is None:
            return None
        if self._verify is None or self._verify[0] is not trusted:
            self._verify = trusted, verifier_of(trusted.attestation_root)
        return self._verify[1]


def verifier_of(root: Path) -> Verify:
    """Make what verifies by a trusted root. Raises ValueError where there is no library, or no root in the file."""
    try:
        # A second to import, and an extra.
        from sigstore.errors import Error  # noqa: PLC0415
        from sigstore.models import Bundle, TrustedRoot  # noqa: PLC0415
        from sigstore.verify import Verifier  # noqa: PLC0415
    except ImportError:
        raise ValueError("the proxy has a trusted root and no sigstore library to verify with") from None
    try:
        verifier = Verifier(trusted_root=TrustedRoot.from_file(str(root)))
    except (Error, OSError, ValueError):
        raise ValueError("the proxy's trusted root cannot be read") from None

    def verify(attestation: dict[str, Any]) -> bytes:
        bundle = json.dumps(_bundle_of(attestation))
        try:
            kind, payload = verifier.verify_dsse(Bundle.from_json(bundle), _Whoever())
        except Error:
            raise ValueError("sigstore does not verify it") from None
        if kind != PAYLOAD_TYPE:
            raise ValueError("what was signed is no in-toto statement")
        return payload

    return verify


class _Whoever:
    """Sigstore's question whose certificate it is: whoever's. Whether that is a publisher's is the rule's question."""

    def verify(self, cert: x509.Certificate) -> None:
        """Say nothing against it."""


def _bundle_of(attestation: dict[str, Any]) -> dict[str, Any]:
    """Write an attestation as the bundle that sigstore reads, which is the same in other places (PEP 740)."""
    material = attestation.get("verification_material")
    entries = material.get("transparency_entries") if isinstance(material, dict) else None
    if not isinstance(entries, list):
        raise ValueError("an attestation has no list of transparency_entries")  # noqa: TRY004 - one error for all of it
    return {
        "mediaType": _BUNDLE,
        "verificationMaterial": {
            "certificate": {"rawBytes": _text(attestation, "verification_material", "certificate")},
            "tlogEntries": entries,
        },
        "dsseEnvelope": {
            "payload": _text(attestation, "envelope", "statement"),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": _text(attestation, "envelope", "signature")}],
        },
    }


def _listed(field: str) -> list[dict[str, Any]]:
    if len(field) > FIELD_LIMIT:
        raise ValueError(f"attestations have more than {FIELD_LIMIT} bytes")
    found = json_array(field.encode("utf-8", "surrogatepass"))
    if not 0 < len(found) <= MOST:
        raise ValueError(f"attestations are a list of 1 to {MOST}")
    listed = [each for each in found if isinstance(each, dict) and each.get("version") == 1]
    if len(listed) < len(found):
        raise ValueError("an attestation is an object of version 1")
    return listed


def _one(attestation: dict[str, Any], file: Artifact, sha256: str, verify: Verify | None) -> Attestation:
    """Read one. Raises ValueError."""
    statement = _unpacked(_text(attestation, "envelope", "statement"), STATEMENT_LIMIT)
    if verify is not None and verify(attestation) != statement:
        raise ValueError("what was signed is another statement")
    predicate = _about(statement, file, sha256)
    certificate = _certificate(attestation)
    publisher, issuer = _identity(certificate)
    canonical = json.dumps(attestation, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return Attestation(
        sha256=hashlib.sha256(canonical.encode()).hexdigest(),
        predicate=predicate,
        publisher=publisher,
        issuer=issuer,
        verified=verify is not None,
        **_run(certificate),
    )


def _about(statement: bytes, file: Artifact, sha256: str) -> str:
    """Return the kind of the statement; ValueError where it is not about this very file."""
    found = json_object(statement)
    subjects, predicate = found.get("subject"), found.get("predicateType")
    if found.get("_type") != _STATEMENT or not isinstance(subjects, list) or len(subjects) != 1:
        raise ValueError("an attestation has an in-toto statement about one file")
    subject = subjects[0]
    name, digests = (subject.get("name"), subject.get("digest")) if isinstance(subject, dict) else (None, None)
    if not isinstance(name, str) or not isinstance(digests, dict) or digests.get("sha256") != sha256:
        raise ValueError("an attestation is about other bytes")
    try:
        if artifact(name).identity != file.identity:
            raise ValueError("an attestation is about a file of another name")
    except Refused:
        raise ValueError("an attestation is about a file of another name") from None
    return _shown(predicate, "kind of statement")


def _certificate(attestation: dict[str, Any]) -> x509.Certificate:
    raw = _unpacked(_text(attestation, "verification_material", "certificate"), STATEMENT_LIMIT)
    try:
        return x509.load_der_x509_certificate(raw)
    except (ValueError, x509.InvalidVersion):
        raise ValueError("an attestation's certificate cannot be read") from None


def _identity(certificate: x509.Certificate) -> tuple[str, str]:
    """Who signed, and by whose token: what Fulcio writes into a certificate."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        [who] = [*uris, *names.get_values_for_type(x509.RFC822Name)]
        return _shown(who, "publisher"), _shown(_issuer(certificate), "issuer")
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise ValueError("an attestation's certificate names no publisher and its issuer") from None


def _issuer(certificate: x509.Certificate) -> str | None:
    raw = _raw(certificate)
    if _ISSUER in raw:
        return _utf8(raw[_ISSUER])
    return raw[_ISSUER_RAW].decode("utf-8") if _ISSUER_RAW in raw else None


def _run(certificate: x509.Certificate) -> dict[str, str]:
    """What the run was for and what started it, as far as the certificate says so. Raises ValueError."""
    raw = _raw(certificate)
    return {name: _shown(_utf8(raw[oid]), f"{name} of the run") for name, oid in _OF_RUN.items() if raw.get(oid)}


def _raw(certificate: x509.Certificate) -> dict[x509.ObjectIdentifier, bytes]:
    return {each.oid: each.value.value for each in certificate.extensions if _is_raw(each)}


def _utf8(der: bytes) -> str | None:
    """Read a UTF8String of DER; None where it is none."""
    if len(der) < 2 or der[0] != _UTF8:
        return None
    more = der[1] - _LONG if der[1] >= _LONG else 0
    size, text = int.from_bytes(der[2 : 2 + more]) if more else der[1], der[2 + more :]
    return text.decode("utf-8") if size == len(text) else None


def _is_raw(extension: x509.Extension[Any]) -> bool:
    return isinstance(extension.value, x509.UnrecognizedExtension)


def _text(attestation: dict[str, Any], *path: str) -> str:
    value: Any = attestation
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    if not isinstance(value, str):
        raise ValueError(f"an attestation has no {'.'.join(path)}")  # noqa: TRY004 - a value of the sender's
    return value


def _unpacked(text: str, limit: int) -> bytes:
    try:
        found = base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError:
        raise ValueError("an attestation has what is no base64") from None
    if len(found) > limit:
        raise ValueError(f"an attestation has a part of more than {limit} bytes")
    return found


def _shown(value: object, what: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= TEXT_LIMIT or not (value.isascii() and value.isprintable()):
        raise ValueError(f"an attestation's {what} is no text of at most {TEXT_LIMIT} characters")
    return value
