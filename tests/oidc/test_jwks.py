"""The cache of keys: how often an issuer is asked, by how many, and what stays when it fails."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from authproxy.oidc import Issuer, Keyrings, TokenRefused, Verifier
from authproxy.oidc.jwks import APART, APART_EMPTY, FRESH, STALE
from authproxy.oidc.source import Unavailable
from tests.oidc.conftest import AUDIENCE, IMPATIENT, NOW, URL
from tests.peers.ci_claims import github
from tests.peers.issuer import Answer, Hang, LocalIssuer, SigningKey

ISSUER = Issuer(URL)


@dataclass
class Scene:
    """An issuer without a network and a clock that a test moves; `fetched` counts."""

    answer: bytes | Exception
    time: float = 1000.0
    fetched: list[str] = field(default_factory=list)

    async def fetch(self, issuer: Issuer) -> bytes:
        self.fetched.append(issuer.url)
        await asyncio.sleep(0)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def clock(self) -> float:
        return self.time


def key_set(*names: str, key: SigningKey) -> bytes:
    return json.dumps({"keys": [{**key.jwk, "kid": name} for name in names]}).encode()


@pytest.fixture
def scene(rsa_key: SigningKey) -> Scene:
    return Scene(key_set("one", key=rsa_key))


@pytest.fixture
async def rings(scene: Scene) -> AsyncIterator[Keyrings]:
    rings = Keyrings(scene.fetch, scene.clock)
    yield rings
    await rings.close()


async def refused(rings: Keyrings, kid: str, issuer: Issuer = ISSUER) -> str:
    with pytest.raises(TokenRefused) as caught:
        await rings.key(issuer, kid)
    assert caught.value.code == "invalid-token"
    assert caught.value.description.isascii()
    return caught.value.description


async def test_a_key_is_fetched_once(rings: Keyrings, scene: Scene) -> None:
    """And again when the set is ten minutes old: what was withdrawn is good for no longer."""
    first = await rings.key(ISSUER, "one")
    scene.time += FRESH - 1
    assert await rings.key(ISSUER, "one") is first
    assert len(scene.fetched) == 1
    scene.time += 1
    scene.answer = scene.answer.replace(b"one", b"two")
    assert "has no key 'one'" in await refused(rings, "one")
    assert len(scene.fetched) == 2


async def test_every_issuer_has_its_own(rings: Keyrings, scene: Scene) -> None:
    """Also one that is configured anew, and then nothing of the old is used."""
    for issuer in (ISSUER, Issuer(URL + "/a"), Issuer(URL, keys_url=URL + "/keys")):
        await rings.key(issuer, "one")
    assert scene.fetched == [URL, URL + "/a", URL]


async def test_an_unknown_kid_asks_once_a_minute(rings: Keyrings, scene: Scene) -> None:
    """However many there are, and the known ones are answered all the while."""
    await rings.key(ISSUER, "one")
    for step in range(600):  # ten minutes of an attack
        scene.time += 1
        assert "has no key" in await refused(rings, f"made-up-{step}")
        await rings.key(ISSUER, "one")
    assert len(scene.fetched) == 1 + 600 / APART


async def test_a_rotation_is_seen(rings: Keyrings, scene: Scene, rsa_key: SigningKey) -> None:
    """A key that is new is found at once, where the last question was a minute ago; else a minute after it."""
    await rings.key(ISSUER, "one")
    scene.answer = key_set("one", "two", key=rsa_key)
    assert "try again in 60 s" in await refused(rings, "two")
    scene.time += APART
    await rings.key(ISSUER, "two")
    assert len(scene.fetched) == 2


async def test_an_attack_does_not_hide_a_rotation(rings: Keyrings, scene: Scene, rsa_key: SigningKey) -> None:
    """Whose key is new waits for a minute at most, whoever has asked before."""
    await rings.key(ISSUER, "one")
    scene.time += APART
    await refused(rings, "made-up")
    scene.answer = key_set("one", "two", key=rsa_key)
    await refused(rings, "two")
    scene.time += APART
    await rings.key(ISSUER, "two")


FAILURES: dict[str, bytes | Exception] = {
    "away": Unavailable("cannot be reached: connection refused"),
    "empty": b'{"keys": []}',
    "of other keys": b'{"keys": [{"kty": "oct", "kid": "one", "k": "c2VjcmV0"}]}',
    "of 101 keys": json.dumps({"keys": [{}] * 101}).encode(),
    "no JSON": b"<html>maintenance</html>",
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
async def test_the_last_good_keys_stay(
    failure: bytes | Exception, rings: Keyrings, scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """For twelve hours, asked for anew once a minute and no oftener; then they are good no more."""
    await rings.key(ISSUER, "one")
    good, scene.answer = scene.answer, failure
    for _ in range(10):
        scene.time += FRESH
        await rings.key(ISSUER, "one")
        await rings.key(ISSUER, "one")
    assert len(scene.fetched) == 11
    assert "its last good keys stay in use" in caplog.text
    scene.time = 1000 + STALE - 1
    await rings.key(ISSUER, "one")
    scene.time += 1
    said = await refused(rings, "one")
    assert said.startswith(f"the keys of '{URL}' cannot be had: it ")
    assert said.endswith("it is asked again in 59 s, run the job again then")
    scene.answer, scene.time = good, scene.time + APART
    await rings.key(ISSUER, "one")


async def test_without_keys_no_token_is_good(rings: Keyrings, scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """It is asked again after ten seconds: a job should not pay for a minute for what broke as the server started."""
    good, scene.answer = scene.answer, Unavailable("answers 500 for its key set")
    said = f"the keys of '{URL}' cannot be had: it answers 500 for its key set; it is asked again in 10 s"
    assert said in await refused(rings, "one")
    assert caplog.record_tuples == [
        ("authproxy.oidc", logging.WARNING, f"the issuer {URL} answers 500 for its key set; no token of it can be verified")
    ]  # fmt: skip
    scene.answer, scene.time = good, scene.time + APART_EMPTY - 1
    assert "in 1 s" in await refused(rings, "one")
    scene.time += 1
    await rings.key(ISSUER, "one")
    assert len(scene.fetched) == 2


async def test_why_a_key_cannot_be_used_is_said(rings: Keyrings, scene: Scene, rsa_key: SigningKey) -> None:
    """To the one whose token names it: nobody else can tell the issuer."""
    scene.answer = json.dumps({"keys": [rsa_key.jwk, {**rsa_key.jwk, "kid": "two", "use": "enc"}]}).encode()
    assert await refused(rings, "two") == "the issuer's key 'two' cannot be used: it is not for signatures"


async def test_what_an_attacker_calls_a_key_is_only_quoted(rings: Keyrings) -> None:
    """No escape of a terminal, no line, no markup."""
    said = await refused(rings, "\x1b[2J\n'<b>\u202e" + "k" * 100)
    assert said.startswith("the issuer has no key '?[2J??<b>?kkk")
    assert "\n" not in said


async def test_who_leaves_takes_nothing_away(rings: Keyrings, scene: Scene) -> None:
    """A client that hangs up while keys are fetched does not end the fetch for the others."""
    leaving = asyncio.create_task(rings.key(ISSUER, "one"))
    staying = asyncio.create_task(rings.key(ISSUER, "one"))
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying).algorithm == "RS256"
    assert leaving.cancelled()
    assert len(scene.fetched) == 1


async def test_closing_ends_what_is_under_way(scene: Scene) -> None:
    """No task outlives the server."""
    forever = asyncio.Event()

    async def hang(_: Issuer) -> bytes:
        await forever.wait()
        raise AssertionError

    rings = Keyrings(hang, scene.clock)
    waiting = asyncio.create_task(rings.key(ISSUER, "one"))
    await asyncio.sleep(0.01)
    await rings.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_64_at_once_make_one_fetch(issuer: LocalIssuer, configured: Issuer, keyrings: Keyrings) -> None:
    """With a cold cache, over a real connection; each of them is verified."""
    verifier = Verifier([configured], AUDIENCE, keyrings.key)
    token = issuer.token(github(issuer.url, AUDIENCE, NOW))
    found = await asyncio.gather(*(verifier.verified(token, now=NOW) for _ in range(64)))
    assert len({claims.assertion_id for claims in found}) == 1
    assert len(issuer.seen) == 2
    assert issuer.fetches == 1


async def test_a_real_issuer_rotates(issuer: LocalIssuer, configured: Issuer) -> None:
    """Its tokens are good before and after, and those of the key that it took away are not."""
    now = [0.0]
    rings = Keyrings(IMPATIENT, lambda: now[0])
    verifier = Verifier([configured], AUDIENCE, rings.key)
    old = issuer.token(github(issuer.url, AUDIENCE, NOW))
    await verifier.verified(old, now=NOW)
    issuer.rotate(keep=False)
    now[0] += APART
    await verifier.verified(issuer.token(github(issuer.url, AUDIENCE, NOW)), now=NOW)
    with pytest.raises(TokenRefused, match="has no key"):
        await verifier.verified(old, now=NOW)
    assert issuer.fetches == 2


@pytest.mark.parametrize("answer", [Hang(), Answer(b" " * 1000, pause=0.02)], ids=["hanging", "dripping"])
async def test_a_hanging_issuer_is_answered_for(
    answer: Answer | Hang, issuer: LocalIssuer, configured: Issuer, keyrings: Keyrings
) -> None:
    """All who wait are told together, after one fetch's time; who comes next is told at once."""
    verifier = Verifier([configured], AUDIENCE, keyrings.key)
    token = issuer.token(github(issuer.url, AUDIENCE, NOW))
    issuer.key_set = answer
    began = time.monotonic()
    found = await asyncio.gather(*(verifier.verified(token, now=NOW) for _ in range(16)), return_exceptions=True)
    assert {str(exc).partition(";")[0] for exc in found} == {
        f"the keys of '{issuer.url}' cannot be had: it did not answer within 0.5 seconds"
    }
    assert time.monotonic() - began < 1.5
    began = time.monotonic()
    with pytest.raises(TokenRefused, match="is asked again in"):
        await verifier.verified(token, now=NOW)
    assert time.monotonic() - began < 0.1
    assert issuer.fetches == 1


async def test_a_hanging_issuer_does_not_stop_who_is_known(
    issuer: LocalIssuer, configured: Issuer, keyrings: Keyrings
) -> None:
    """While an unknown kid waits for the issuer, a known one is verified at once."""
    verifier = Verifier([configured], AUDIENCE, keyrings.key)
    good = issuer.token(github(issuer.url, AUDIENCE, NOW))
    await verifier.verified(good, now=NOW)
    keyrings._rings[configured].tried -= APART
    issuer.key_set = Hang()
    waiting = asyncio.create_task(
        verifier.verified(issuer.token(github(issuer.url, AUDIENCE, NOW), {"kid": "new"}), now=NOW)
    )
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await asyncio.wait_for(verifier.verified(good, now=NOW), 0.2)
    with pytest.raises(TokenRefused, match="has no key 'new'"):
        await waiting
