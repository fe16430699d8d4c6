"""A sigstore of our own: a CA, a certificate log, a transparency log, their trusted root, and jobs that sign with them.

All of it is made for one test and verified by sigstore's own library: the certificate names the job and holds the
log's promise (RFC 6962), the entry of the transparency log has its promise, its proof and its checkpoint.
"""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.peers.packages import Package

GITHUB = "https://token.actions.githubusercontent.com"
JOB = "https://github.com/acme/core/.github/workflows/release.yml@refs/tags/v1.0"
PUBLISH = "https://docs.pypi.test/attestations/publish/v1"
TYPE = "application/vnd.in-toto+json"
ISSUER = "1.3.6.1.4.1.57264.1.8"
# Of the repository that the run was for, and the file that it was started from (sigstore/fulcio, docs/oid-info.md).
SOURCE, SOURCE_ID, OWNER_ID, BUILD, TRIGGER = (f"1.3.6.1.4.1.57264.1.{each}" for each in (12, 15, 17, 18, 20))
SCTS = "1.3.6.1.4.1.11129.2.4.2"
SHA256 = ec.ECDSA(hashes.SHA256())


def b64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def canonical(of: object) -> bytes:
    return json.dumps(of, sort_keys=True, separators=(",", ":")).encode()


def der(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def octets_of(tag: int, value: bytes) -> bytes:
    """DER with a length of up to 65,535."""
    size = len(value)
    long = b"\x81" + bytes([size]) if size < 256 else b"\x82" + size.to_bytes(2)
    return bytes([tag]) + (bytes([size]) if size < 128 else long) + value


def extensions_of(job: str, issuer: str) -> dict[str, str]:
    """What Fulcio writes into the certificate of a job whose own repository has the file that it runs."""
    source = job.partition("/.github/")[0]
    return {ISSUER: issuer, SOURCE: source, SOURCE_ID: "74", OWNER_ID: "65", BUILD: job, TRIGGER: "push"}


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass
class Sigstore:
    """The keys of the three."""

    authority: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    certificates: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    entries: ec.EllipticCurvePrivateKey = field(default_factory=new_key)

    def __post_init__(self) -> None:
        now = datetime.now(UTC)
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fulcio.acme.test")])
        self.root = (
            x509.CertificateBuilder(self.name, self.name, self.authority.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.authority.public_key()), critical=False)
            .sign(self.authority, hashes.SHA256())
        )

    def write_root(self, path: Path) -> Path:
        """`trusted_root.json`, as sigstore publishes its own."""
        begun = {"start": (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")}

        def log(key: ec.EllipticCurvePrivateKey, name: str) -> dict[str, Any]:
            public = {"rawBytes": b64(der(key)), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": begun}
            known = {"keyId": b64(hashlib.sha256(der(key)).digest())}
            return {"baseUrl": f"https://{name}", "hashAlgorithm": "SHA2_256", "publicKey": public, "logId": known}

        chain = {"certificates": [{"rawBytes": b64(self.root.public_bytes(serialization.Encoding.DER))}]}
        ca = {"uri": "https://fulcio.acme.test", "certChain": chain, "validFor": begun}
        document = {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(self.entries, "rekor.acme.test")],
            "certificateAuthorities": [ca | {"subject": {"organization": "acme", "commonName": "fulcio.acme.test"}}],
            "ctlogs": [log(self.certificates, "ctfe.acme.test")],
            "timestampAuthorities": [],
        }
        path.write_text(json.dumps(document), encoding="utf-8")
        return path

    def attestation(
        self,
        package: Package,
        job: str = JOB,
        issuer: str = GITHUB,
        extensions: dict[str, str | None] | None = None,
        **changes: Any,
    ) -> dict[str, Any]:
        """What a job says of a file, signed. `extensions` are changes of the certificate, `changes` of the statement."""
        subject = {"name": package.filename, "digest": {"sha256": package.sha256}}
        statement = {"_type": "https://in-toto.io/Statement/v1", "subject": [subject], "predicateType": PUBLISH}
        payload = json.dumps(statement | {"predicate": None} | changes).encode()
        key = new_key()
        said = extensions_of(job, issuer) | (extensions or {})
        certificate = self._certificate(key, job, {oid: text for oid, text in said.items() if text is not None})
        signed = b"DSSEv1 %d %s %d %s" % (len(TYPE), TYPE.encode(), len(payload), payload)
        signature = b64(key.sign(signed, SHA256))
        return {
            "version": 1,
            "verification_material": {
                "certificate": b64(certificate.public_bytes(serialization.Encoding.DER)),
                "transparency_entries": [self._entry(certificate, payload, signature)],
            },
            "envelope": {"statement": b64(payload), "signature": signature},
        }

    def _certificate(self, key: ec.EllipticCurvePrivateKey, job: str, said: dict[str, str]) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder(self.name, x509.Name([]), key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=1))
            .not_valid_after(now + timedelta(minutes=9))
            .add_extension(_usage(signs=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.authority.public_key()), critical=False
            )
            .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(job)]), critical=True)
        )
        for oid, text in said.items():
            builder = builder.add_extension(_raw(oid, octets_of(0x0C, text.encode())), critical=False)
        promise = self._promise(builder.sign(self.authority, hashes.SHA256()).tbs_certificate_bytes)
        return builder.add_extension(_raw(SCTS, promise), critical=False).sign(self.authority, hashes.SHA256())

    def _promise(self, tbs: bytes) -> bytes:
        """The certificate log's promise, as a list of one (RFC 6962, section 3.3)."""
        time = int(datetime.now(UTC).timestamp() * 1000).to_bytes(8)
        issuer = hashlib.sha256(der(self.authority)).digest()
        entry = b"\x00\x00" + time + b"\x00\x01" + issuer + len(tbs).to_bytes(3) + tbs + b"\x00\x00"
        signature = self.certificates.sign(entry, SHA256)
        log = hashlib.sha256(der(self.certificates)).digest()
        sct = b"\x00" + log + time + b"\x00\x00" + b"\x04\x03" + len(signature).to_bytes(2) + signature
        return octets_of(0x04, (len(sct) + 2).to_bytes(2) + len(sct).to_bytes(2) + sct)

    def _entry(self, certificate: x509.Certificate, payload: bytes, signature: str) -> dict[str, Any]:
        """The entry of the transparency log: its only one."""
        envelope = canonical({"payload": b64(payload), "payloadType": TYPE, "signatures": [{"sig": signature}]})
        spec = {
            "envelopeHash": {"algorithm": "sha256", "value": hashlib.sha256(envelope).hexdigest()},
            "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
            "signatures": [
                {"signature": signature, "verifier": b64(certificate.public_bytes(serialization.Encoding.PEM))}
            ],
        }
        body = canonical({"apiVersion": "0.0.1", "kind": "dsse", "spec": spec})
        log, now = hashlib.sha256(der(self.entries)).digest(), int(datetime.now(UTC).timestamp())
        promised = {"body": b64(body), "integratedTime": now, "logID": log.hex(), "logIndex": 0}
        root = hashlib.sha256(b"\x00" + body).digest()
        note = f"rekor.acme.test - 1\n1\n{b64(root)}\n"
        sealed = b64(log[:4] + self.entries.sign(note.encode(), SHA256))
        return {
            "logIndex": "0",
            "logId": {"keyId": b64(log)},
            "kindVersion": {"kind": "dsse", "version": "0.0.1"},
            "integratedTime": str(now),
            "inclusionPromise": {"signedEntryTimestamp": b64(self.entries.sign(canonical(promised), SHA256))},
            "inclusionProof": {
                "logIndex": "0",
                "rootHash": b64(root),
                "treeSize": "1",
                "hashes": [],
                "checkpoint": {"envelope": f"{note}\n\N{EM DASH} rekor.acme.test {sealed}\n"},
            },
            "canonicalizedBody": b64(body),
        }


def _raw(oid: str, value: bytes) -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not signs,
        crl_sign=not signs,
        encipher_only=False,
        decipher_only=False,
    )
