"""Fetching from a real issuer over TLS: what is asked, what is taken, and every way in which it can fail."""

import asyncio
import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from authproxy.oidc import Issuer
from authproxy.oidc.source import DISCOVERY_BYTES, FETCH_TIME, KEYS_BYTES, Unavailable, key_set_of
from tests.oidc.conftest import IMPATIENT
from tests.peers.issuer import Answer, Hang, LocalIssuer, document, local_issuer, silent_port
from tests.peers.ports import LOOPBACK, reserved_port


async def test_keys_come_by_the_discovery_document(issuer: LocalIssuer, configured: Issuer) -> None:
    """Two requests, that name us and nothing of anybody's."""
    raw = await IMPATIENT(configured)
    assert json.loads(raw) == {"keys": [issuer.key.jwk]}
    assert [target for target, _ in issuer.seen] == ["/.well-known/openid-configuration", "/keys"]
    for _, headers in issuer.seen:
        assert headers == {
            "Host": f"{LOOPBACK}:{issuer.port}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "authproxy",
        }


async def test_a_url_of_keys_in_the_config_leaves_discovery_out(issuer: LocalIssuer) -> None:
    """For an issuer that has no such document, or one that cannot be reached."""
    await IMPATIENT(Issuer(issuer.url, keys_url=issuer.keys_url, ca_file=issuer.ca_file))
    assert [target for target, _ in issuer.seen] == ["/keys"]


async def test_an_issuer_may_have_a_path(tmp_path: Path) -> None:
    """As Forgejo's has, and one for every organization of CircleCI and Azure DevOps."""
    with local_issuer(tmp_path, path="/api/actions") as forgejo:
        await IMPATIENT(Issuer(forgejo.url, ca_file=forgejo.ca_file))
        assert [target for target, _ in forgejo.seen] == [
            "/api/actions/.well-known/openid-configuration",
            "/api/actions/keys",
        ]


async def test_keys_may_be_on_another_host(issuer: LocalIssuer, configured: Issuer) -> None:
    """As Google's are; what vouches for the issuer vouches for that host too."""
    issuer.discovery = document({"issuer": issuer.url, "jwks_uri": f"https://localhost:{issuer.port}/keys"})
    with pytest.raises(Unavailable, match="certificate that is not trusted"):  # it is for 127.0.0.1 alone
        await IMPATIENT(configured)
    assert issuer.fetches == 0


def says(**changes: object) -> Callable[[LocalIssuer], Answer]:
    def answer(issuer: LocalIssuer) -> Answer:
        return document({"issuer": issuer.url, "jwks_uri": issuer.keys_url} | changes)

    return answer


def always(answer: Answer | Hang) -> Callable[[LocalIssuer], Answer | Hang]:
    return lambda _: answer


MOVED = Answer(status=302, headers=(("Location", "/keys"),))
HUGE = b" " * (KEYS_BYTES + 1)
DRIP = Answer(b'{"keys":' + b" " * 1000, pause=0.02)

DISCOVERIES: dict[str, tuple[Callable[[LocalIssuer], Answer | Hang], str]] = {
    "not there": (always(Answer(status=404)), "answers 404 for its discovery document"),
    "an error": (always(Answer(status=500)), "answers 500 for its discovery document"),
    "no content": (always(Answer(status=204)), "answers 204 for its discovery document"),
    "moved": (always(MOVED), "answers with a redirect for its discovery document"),
    "moved for good": (always(dataclasses.replace(MOVED, status=308)), "redirects are not followed"),
    "huge": (always(Answer(b" " * (DISCOVERY_BYTES + 1))), "a discovery document of more than 65536 bytes"),
    "a page": (always(Answer(b"<html>")), "a discovery document that cannot be read: it is not JSON"),
    "with its issuer twice": (always(Answer(b'{"issuer":"a","issuer":"b"}')), "a key twice"),
    "of another issuer": (says(issuer="https://evil.example"), "a discovery document of another issuer"),
    "of no issuer": (says(issuer=None), "a discovery document of another issuer"),
    "of the issuer with a slash": (lambda i: says(issuer=i.url + "/")(i), "a discovery document of another issuer"),
    "without keys": (says(jwks_uri=None), "names no https URL for its keys"),
    "with keys without TLS": (lambda i: says(jwks_uri=i.keys_url.replace("https", "http"))(i), "names no https URL"),
    "with keys in a file": (says(jwks_uri="file:///etc/passwd"), "names no https URL"),
    "with keys behind a password": (lambda i: says(jwks_uri=i.keys_url.replace("//", "//u:p@"))(i), "names no https URL"),
    "with a list of keys": (says(jwks_uri=["https://ci.example.com"]), "names no https URL"),
    "hanging": (always(Hang()), "did not answer within 0.5 seconds"),
    "dripping": (always(DRIP), "did not answer within 0.5 seconds"),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "words"), DISCOVERIES.values(), ids=DISCOVERIES.keys())
async def test_a_discovery_document_that_is_wrong_leads_to_no_keys(
    answer: Callable[[LocalIssuer], Answer | Hang],
    words: str,
    issuer: LocalIssuer,
    configured: Issuer,
) -> None:
    """It is said in words of ours, within the time, and nobody else is asked."""
    issuer.discovery = answer(issuer)
    with pytest.raises(Unavailable, match=words):
        await IMPATIENT(configured)
    assert len(issuer.seen) == 1


KEY_SETS: dict[str, tuple[Answer | Hang, str]] = {
    "not there": (Answer(status=404), "answers 404 for its key set"),
    "moved": (Answer(status=301, headers=(("Location", "https://evil.example/"),)), "answers with a redirect for its key set"),
    "huge": (Answer(HUGE), "has a key set of more than 524288 bytes"),
    "huge, and says that it is small": (Answer(b"{" * 10, headers=(("Content-Length", "9999999999"),), sent=10), "broke the connection off"),
    "hanging": (Hang(), "did not answer within 0.5 seconds"),
    "dripping": (DRIP, "did not answer within 0.5 seconds"),
    "cut short": (Answer(b'{"keys":[]}', sent=5), "broke the connection off"),
    "of a header without end": (Answer(headers=(("X-Long", "a" * 100_000),)), "broke the connection off"),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "words"), KEY_SETS.values(), ids=KEY_SETS.keys())
async def test_a_key_set_that_does_not_come_whole_is_none(
    answer: Answer | Hang, words: str, issuer: LocalIssuer, configured: Issuer
) -> None:
    """However it fails: one request for it, and an answer in time."""
    issuer.key_set = answer
    began = time.monotonic()
    with pytest.raises(Unavailable, match=words):
        await IMPATIENT(configured)
    assert time.monotonic() - began < 2
    assert issuer.fetches == 1


async def test_who_goes_on_speaking_is_hung_up_on(issuer: LocalIssuer, configured: Issuer) -> None:
    """At once: TLS would have us wait for its consent, and listen for half a minute."""
    issuer.key_set = Answer(b" " * 64 * 1024 * 1024)
    with pytest.raises(Unavailable, match="more than 524288 bytes"):
        await IMPATIENT(configured)
    assert await asyncio.to_thread(issuer.hung_up.wait, 5)


@pytest.mark.parametrize("kind", ["text/html", "application/jwk-set+json", "application/json; charset=latin-1", ""])
async def test_a_content_type_is_no_matter(kind: str, issuer: LocalIssuer, configured: Issuer) -> None:
    """Issuers write all sorts; what comes is JSON or it is not."""
    issuer.key_set = dataclasses.replace(document({"keys": []}), headers=(("Content-Type", kind),))
    assert await IMPATIENT(configured) == b'{"keys": []}'


async def test_what_is_compressed_is_not_unpacked(issuer: LocalIssuer, configured: Issuer) -> None:
    """A server that compresses unasked sends bytes that are no JSON, and not a megabyte for each kilobyte."""
    issuer.key_set = Answer(b"\x1f\x8b\x08", headers=(("Content-Encoding", "gzip"),))
    assert await IMPATIENT(configured) == b"\x1f\x8b\x08"


async def test_tls_is_verified(issuer: LocalIssuer, tmp_path: Path) -> None:
    """A certificate that nobody here vouches for is none, and the request does not go out."""
    with pytest.raises(Unavailable, match="has a TLS certificate that is not trusted here"):
        await IMPATIENT(Issuer(issuer.url))
    (tmp_path / "other").mkdir()
    with local_issuer(tmp_path / "other") as other, pytest.raises(Unavailable, match="not trusted here"):
        await IMPATIENT(Issuer(issuer.url, ca_file=other.ca_file))
    assert issuer.seen == []


@pytest.mark.parametrize("content", [None, b"", b"no certificate"], ids=["no file", "an empty one", "another one"])
async def test_a_file_of_certificates_may_be_missing(
    content: bytes | None, issuer: LocalIssuer, tmp_path: Path
) -> None:
    """The operator is told which of the two sides it is."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Unavailable, match="the file of its certificate authority cannot be read"):
        await IMPATIENT(Issuer(issuer.url, ca_file=path))


async def test_a_certificate_authority_may_be_replaced(issuer: LocalIssuer, tmp_path: Path) -> None:
    """The file is read for each fetch, so that nobody has to start the server anew."""
    path = tmp_path / "ca.pem"
    path.write_bytes(b"")
    moving = Issuer(issuer.url, ca_file=path)
    with pytest.raises(Unavailable):
        await IMPATIENT(moving)
    path.write_bytes(issuer.ca_file.read_bytes())
    assert await IMPATIENT(moving)


async def test_an_issuer_that_cannot_be_reached() -> None:
    """Nobody listens; a name that leads nowhere; something that speaks no TLS; something that says nothing."""
    with pytest.raises(Unavailable, match="cannot be reached: connection refused"):
        await IMPATIENT(Issuer(f"https://{LOOPBACK}:{reserved_port()}"))
    with pytest.raises(Unavailable, match="a name that cannot be resolved"):
        await IMPATIENT(Issuer("https://nowhere.invalid"))
    with silent_port() as silent, pytest.raises(Unavailable, match=r"did not answer within 0\.5 seconds"):
        await IMPATIENT(Issuer(f"https://{LOOPBACK}:{silent.getsockname()[1]}"))

    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(plain, LOOPBACK, 0) as server:
        with pytest.raises(Unavailable, match="cannot be reached: TLS with it failed"):
            await IMPATIENT(Issuer(f"https://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"))


async def test_no_proxy_of_the_environment(
    issuer: LocalIssuer, configured: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is set for other programs does not read along."""
    for name in ("https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    assert await IMPATIENT(configured)


async def test_an_issuer_that_hangs_has_three_seconds(issuer: LocalIssuer, configured: Issuer) -> None:
    """For both documents together, so that a client that waits for five gets its answer."""
    assert FETCH_TIME == 3
    issuer.key_set = Hang()
    issuer.discovery = Answer(says()(issuer).body, pause=0.015)  # takes its time, too
    began = time.monotonic()
    with pytest.raises(Unavailable, match="within 3 seconds"):
        await key_set_of(configured)
    assert 2.9 < time.monotonic() - began < 4
    assert issuer.fetches == 1
