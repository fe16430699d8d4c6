"""What mints nothing: every failure has one form and changes nothing in the store, and is there in time."""

import asyncio
import json
import time

import pytest

from authproxy.oidc import jwks
from tests.peers.issuer import Answer as Answered
from tests.peers.issuer import Hang
from tests.peers.wire import Answer, Conversation, head
from tests.web.published import AUDIENCE, MINT, START, Published, error, upload

BAD_BODIES = {
    "nothing": b"",
    "no JSON": b"token=abc",
    "no object": b'["abc"]',
    "no token": b"{}",
    "a token that is no text": b'{"token": 7}',
    "a token that is no JWT": b'{"token": "abc"}',
    "two tokens": b'{"token": "a.b.c", "token": "d.e.f"}',
    "something unknown besides": b'{"token": "a.b.c", "scope": "*"}',
    "an unknown feature": b'{"token": "a.b.c", "features": ["forever"]}',
    "features that are no list": b'{"token": "a.b.c", "features": {}}',
    "a feature that is no text": b'{"token": "a.b.c", "features": [[]]}',
    "a token of 32 KiB and one": json.dumps({"token": "a" * (32 * 1024 + 1)}).encode(),
    "far too much": json.dumps({"token": "a" * 200_000}).encode(),
    "half a character": b'{"token": "\\ud800"}',
    "no UTF-8": b'{"token": "\xff"}',
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
async def test_a_body_that_is_none_changes_nothing(desk: Published, body: bytes) -> None:
    """422 with both keys and a sentence that says what to send; the store is as it was."""
    before = desk.dump()
    assert error(await desk.post(MINT, body))[0] == "invalid-payload"
    assert desk.dump() == before
    assert desk.issuer.seen == []


async def test_a_good_token_in_a_bad_body_mints_nothing(desk: Published) -> None:
    """Two readers could read two tokens, or another wish; and the token is not used up by it."""
    before, one, two = desk.dump(), desk.token(), desk.token()
    for more in (f', "token": "{two}"', ', "scope": "*"', ', "features": ["forever"]', ', "features": {"a": 1}'):
        assert error(await desk.post(MINT, f'{{"token": "{one}"{more}}}'.encode()))[0] == "invalid-payload"
    assert desk.dump() == before
    assert (await desk.mint(one)).status == 200


BAD_CLAIMS = {
    "another audience": ({"aud": "pypi"}, "invalid-token"),
    "several audiences": ({"aud": [AUDIENCE, "pypi"]}, "invalid-token"),
    "over": ({"iat": START - 400, "nbf": START - 400, "exp": START - 31}, "invalid-token"),
    "from the future": ({"iat": START + 100, "exp": START + 200}, "invalid-token"),
    "without an end": ({"exp": None}, "invalid-token"),
    "of an issuer that nobody named": ({"iss": "https://ci.example.com"}, "invalid-payload"),
    "of another repository": ({"repository": "acme/other"}, "invalid-publisher"),
    "of a pull request from elsewhere": ({"event_name": "pull_request_target"}, "invalid-publisher"),
}


@pytest.mark.parametrize(("claims", "code"), BAD_CLAIMS.values(), ids=BAD_CLAIMS)
async def test_a_token_that_is_no_good_changes_nothing(desk: Published, claims: dict[str, object], code: str) -> None:
    """Whatever is wrong with it; and a good one mints afterwards."""
    before = desk.dump()
    assert error(await desk.mint(desk.token(**claims)))[0] == code
    assert desk.dump() == before
    assert (await desk.mint()).status == 200


async def test_the_right_claims_from_the_wrong_hand_change_nothing(desk: Published) -> None:
    """A forged signature is refused; so is a body that says that its length is not known."""
    before = desk.dump()
    good = desk.token()
    forged = ".".join([*good.split(".")[:2], desk.token().split(".")[2]])
    assert error(await desk.mint(forged))[0] == "invalid-token"
    chunked = head("POST", MINT, [("Transfer-Encoding", "chunked"), ("Connection", "close")]) + b"2\r\n{}\r\n0\r\n\r\n"
    assert error(await desk.running.ask(chunked))[0] == "invalid-payload"
    assert desk.dump() == before


async def test_whoever_sends_rubbish_waits_and_keys_do_not(desk: Published) -> None:
    """Ten bad tokens from one address; a good one then waits as well, a key never."""
    for _ in range(10):
        assert error(await desk.mint("rubbish"))[0] == "invalid-payload"
    code, said = error(await desk.mint())
    assert (code, "try again in" in said) == ("not-enabled", True)
    assert (await upload(desk, "apx_broken")).status == 401  # not 429: keys have a meter of their own
    desk.clock.now += 300
    assert (await desk.mint()).status == 200


async def test_an_issuer_that_hangs_is_answered_for_in_time(desk: Published) -> None:
    """uv and pdm give up after five seconds; the sentence has to be there before."""
    desk.issuer.key_set = Hang()
    start = time.monotonic()
    code, said = error(await desk.mint())
    assert time.monotonic() - start < 4.9
    assert (code, "cannot be had" in said) == ("invalid-token", True)


async def test_an_outage_of_the_issuer_locks_nobody_out(desk: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty jobs fail while it has no keys; as soon as it has some again the next one gets its key."""
    desk.issuer.key_set = Answered(b"down", 503)
    for _ in range(30):
        assert error(await desk.mint())[0] == "invalid-token"
    desk.issuer.key_set = None
    monkeypatch.setattr(jwks, "APART_EMPTY", 0)  # it is asked again in ten seconds
    assert (await desk.mint()).status == 200


async def test_a_client_that_stops_sending_is_answered_in_time(desk: Published) -> None:
    """Half a body, and then nothing."""

    def half() -> tuple[Answer, float]:
        start = time.monotonic()
        with Conversation(desk.running.address) as conversation:
            conversation.send(head("POST", MINT, [("Content-Length", "500")]), b'{"token": "')
            return conversation.answer(), time.monotonic() - start

    answer, seconds = await asyncio.to_thread(half)
    assert error(answer)[0] == "not-enabled"
    assert seconds < 6


async def test_a_store_that_fails_mints_nothing(desk: Published) -> None:
    """Also then a 422 that says so: the clients show nothing of a 500."""
    token = desk.token()
    await desk.running.app.parts.store.close()
    assert error(await desk.mint(token))[0] == "not-enabled"
