"""Whose report it is: only what a key of the configuration signed, byte for byte, under its own name."""

import base64

import pytest
from multidict import CIMultiDict

from authproxy.config.reporters import ReportKey
from authproxy.web.reportsignature import signed_by
from tests.peers.reporter import Reporter, report

HOST = Reporter()
OTHER = Reporter(id="another")
KEYS = tuple(ReportKey(each.id, each.pem, "host.pem") for each in (HOST, OTHER))
BODY = report("apx_1", "apx_2")
IDENTIFIER, SIGNATURE = "Github-Public-Key-Identifier", "Github-Public-Key-Signature"


def headers(*pairs: tuple[str, str]) -> CIMultiDict[str]:
    return CIMultiDict(pairs)


@pytest.mark.parametrize("reporter", [HOST, OTHER, Reporter(HOST.id, "Gitlab", HOST.key)], ids=["one", "two", "GitLab"])
def test_a_report_is_of_whoever_signed_it(reporter: Reporter) -> None:
    """Under the names of either code host, in any case: headers have none."""
    named = [(name.lower(), value) for name, value in reporter.headers(BODY)]
    assert signed_by(headers(*named), BODY, KEYS) == reporter.id


GITLABS = Reporter(HOST.id, "Gitlab", HOST.key).headers(BODY)
GOOD = HOST.headers(BODY)
NOBODYS = {
    "no headers": [],
    "no signature": GOOD[:1],
    "no identifier": GOOD[1:],
    "an empty signature": [GOOD[0], (SIGNATURE, "")],
    "a signature of another key": [GOOD[0], (SIGNATURE, OTHER.signature(BODY))],
    "the name of another key": [(IDENTIFIER, OTHER.id), GOOD[1]],
    "a name that nobody has": [(IDENTIFIER, "x"), GOOD[1]],
    "a signature of another body": [GOOD[0], (SIGNATURE, HOST.signature(BODY + b" "))],
    "no base64": [GOOD[0], (SIGNATURE, GOOD[1][1][:-4] + "!" + GOOD[1][1][-3:])],
    "base64 with more behind": [GOOD[0], (SIGNATURE, GOOD[1][1] + "AAAA")],
    "two numbers that are no DER": [GOOD[0], (SIGNATURE, base64.b64encode(bytes(64)).decode())],
    "far too long": [GOOD[0], (SIGNATURE, "A" * 100_000)],
    "two identifiers": [GOOD[0], *GOOD],
    "two signatures": [*GOOD, GOOD[1]],
    "both pairs": [*GOOD, *GITLABS],
    "a pair of two halves": [GOOD[0], GITLABS[1]],
    "one pair and half of the other": [*GOOD, GITLABS[0]],
}


@pytest.mark.parametrize("given", NOBODYS.values(), ids=NOBODYS)
def test_what_is_not_signed_is_nobodys(given: list[tuple[str, str]]) -> None:
    """None of them raises anything."""
    assert signed_by(headers(*given), BODY, KEYS) is None


def test_a_key_that_was_not_read_believes_nobody() -> None:
    """The configuration may be loaded without what it names."""
    assert signed_by(headers(*GOOD), BODY, [ReportKey(HOST.id, None, "host.pem")]) is None


# Made by `openssl dgst -sha256 -sign`, over the body of GitHub's own example.
PEM = b"""\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEKasnWZn2XwvjTDpwsRRpkYGPKWO+
fW1smYY5xR2ng8Ke0cJtOQ588uJtAhezaIl8thYcdOHXi21uxQ4sZx7jGA==
-----END PUBLIC KEY-----
"""
SIGNED = b'[{"source":"commit","token":"some_token","type":"some_type","url":"https://example.com/base-repo-url/"}]'
MADE = "MEUCIQC/2c4fynAU3XOX4YCEHs0k0qunl+otTZ+ys6OFVyT1PAIgXQmveS7xZb9VyhxcdfsZc0+Sd8EAUIBfxUNfqlBvpEU="


def test_what_another_program_signed_is_read() -> None:
    """Frozen: ECDSA on P-256 over SHA-256 of the raw body, in DER and Base64. One white space more is another body."""
    keys, given = [ReportKey("host", PEM, "host.pem")], headers((IDENTIFIER, "host"), (SIGNATURE, MADE))
    assert signed_by(given, SIGNED, keys) == "host"
    assert signed_by(given, SIGNED.replace(b",", b", "), keys) is None
