"""The endpoints of trusted publishing as their clients read them; the issuer and the sockets are real."""

import asyncio
import json
import logging

import pytest
from prometheus_client import generate_latest

from authproxy.authority import NewKey
from authproxy.domain.keys import KeyKind, PublicId, mint
from tests.peers.forms import body_of, parts_of, post
from tests.peers.packages import wheel
from tests.peers.recording import RecordingIndex
from tests.peers.wire import basic, get, head
from tests.web.published import AUDIENCE, BURN, MINT, START, Published, error, publisher, trusting, upload


async def test_the_audience_is_said(desk: Published) -> None:
    """uv, pdm and the action read one field of it; uv wants the type without a charset."""
    answer = await desk.running.ask(get("/_/oidc/audience"))
    assert (answer.status, answer.header("Content-Type")) == (200, "application/json")
    assert json.loads(answer.body) == {"audience": AUDIENCE}


async def test_without_a_publisher_it_is_off(desk: Published) -> None:
    """404 is what makes uv go on without; a mint then says that it is off."""
    desk.reload(publishers=[], trusted_publishing={})
    assert (await desk.running.ask(get("/_/oidc/audience"))).status == 404
    assert (await desk.running.ask(get("/.well-known/pytp?discover=%2F"))).status == 404
    assert error(await desk.mint())[0] == "not-enabled"


@pytest.mark.parametrize("path", [MINT, "/_/oidc/github/mint-token"])
async def test_a_token_gets_a_key_that_uploads(desk: Published, recording: RecordingIndex, path: str) -> None:
    """The whole way; the key ends when the answer says, and its claims stand on the record of the upload."""
    answer = await desk.post(path, {"token": desk.token()})
    assert (answer.status, answer.header("Content-Type")) == (200, "application/json")
    assert answer.header("Cache-Control") == "no-store"
    page = json.loads(answer.body)
    assert page == {"success": True, "token": page["token"], "expires": START + 900}
    assert page["token"].startswith("apx_")
    stored = await upload(desk, page["token"])
    assert stored.status == 200, stored.text
    assert [each.method for each in recording.requests].count("POST") == 1
    [(claims, key_id)] = desk.rows("SELECT claims, key_id FROM record")
    assert key_id in page["token"]
    said = json.loads(claims)
    assert {name: said[name] for name in ("repository", "ref", "run_id", "environment")} == {
        "repository": "acme/core",
        "ref": "refs/tags/v1.2.0",
        "run_id": "9876543210",
        "environment": "pypi",
    }
    assert said["sha"].startswith("9f31")


async def test_the_key_is_for_the_publishers_packages_alone(desk: Published) -> None:
    """And for no reads, and for nothing after its end."""
    key = await desk.key()
    other = await desk.running.ask(post(body_of(parts_of(wheel("victim"))), key=key))
    assert (other.status, "victim" in other.reason) == (403, True)
    desk.clock.now += 901
    assert (await upload(desk, key)).status == 401


async def test_no_secret_lies_in_the_store_or_the_log(desk: Published, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the key nor the token; of the key there is a SHA-256 that no other code makes."""
    caplog.set_level(logging.DEBUG)
    token = desk.token()
    page = json.loads((await desk.mint(token)).body)
    held = "\n".join(desk.dump()) + caplog.text + "".join(str(vars(each)) for each in caplog.records)
    assert page["token"][-49:-6] not in held
    assert token.split(".")[2] not in held
    assert [row[0][:8] for row in desk.rows("SELECT digest FROM secrets")] == ["$sha256$"]


async def test_64_replays_at_once_get_one_key(desk: Published) -> None:
    """Each token mints once, whoever is first."""
    desk.running.app.parts.publishers.throttle = type(desk.running.app.parts.publishers.throttle)(
        failures=1000, window=60
    )
    await desk.key()  # so that the issuer's keys are there and all 64 reach the store together
    token = desk.token()
    answers = await asyncio.gather(*(desk.mint(token) for _ in range(64)))
    minted = [each for each in answers if each.status == 200]
    assert len(minted) == 1
    assert {error(each)[0] for each in answers if each.status != 200} == {"invalid-reuse-token"}
    assert desk.rows("SELECT count(*) FROM keys") == [(2,)]


async def test_a_replay_within_the_leeway_gets_nothing(desk: Published) -> None:
    """A token is taken for 30 s after its end, so its name is kept for longer than that; a sweep in between is no way."""
    desk.clock.now += 100
    token = desk.token(iat=START, exp=START + 101)
    assert (await desk.mint(token)).status == 200
    desk.clock.now = START + 101 + 29
    await desk.running.app.parts.store.minting.sweep(now=int(desk.clock.now))
    assert error(await desk.mint(token))[0] == "invalid-reuse-token"
    desk.clock.now += 1
    assert error(await desk.mint(token))[0] == "invalid-token"


async def test_a_name_that_was_given_away_gets_nothing(desk: Published) -> None:
    """First use pins the ids; the same name with another id is somebody else."""
    await desk.key()
    code, said = error(await desk.mint(desk.token(repository_id="75")))
    assert (code, "repository_id" in said) == ("invalid-publisher", True)
    assert (await desk.mint()).status == 200


async def test_two_first_uses_at_once_pin_one_owner(desk: Published) -> None:
    """The pin is compared in the transaction that stores the key: one of two different owners wins."""
    await desk.running.app.parts.publishers.verified(
        desk.running.app.parts.config, desk.token(), now=int(desk.clock.now)
    )
    tokens = [desk.token(repository_id=number) for number in ("74", "75") * 8]
    answers = await asyncio.gather(*map(desk.mint, tokens))
    won = {number for number, answer in zip(("74", "75") * 8, answers, strict=True) if answer.status == 200}
    assert len(won) == 1
    assert {error(each)[0] for each in answers if each.status != 200} <= {"invalid-publisher", "not-enabled"}


async def test_a_publisher_that_may_create_ends_unused(desk: Published) -> None:
    """Thirty days after it came into the config; one that was used does not end."""
    later = publisher(desk.issuer, repository="acme/later", packages=["acme-later"])
    desk.reload(**trusting(desk.issuer, publisher(desk.issuer), later))
    await desk.running.app.parts.store.minting.note(desk.running.app.parts.policy.publishers, now=START)
    await desk.key()
    desk.clock.now += 30 * 86_400
    token = desk.token(
        repository="acme/later",
        job_workflow_ref="acme/later/.github/workflows/release.yml@refs/tags/v1.2.0",
    )
    assert error(await desk.mint(token))[0] == "invalid-pending-publisher"
    assert (await desk.mint()).status == 200


async def test_a_publisher_that_left_the_config_ends_its_keys(desk: Published) -> None:
    """At once, and for good: when it comes back it gets new ones."""
    key = await desk.key()
    desk.reload(**trusting(desk.issuer, publisher(desk.issuer, repository="acme/other")))
    assert (await upload(desk, key)).status in (401, 403)  # it follows nobody, and soon it is revoked
    desk.reload(**trusting(desk.issuer))
    async with asyncio.timeout(10):
        while desk.rows("SELECT revoked FROM keys WHERE kind = 'minted'") == [(None,)]:
            await asyncio.sleep(0.01)
    assert (await upload(desk, key)).status == 401
    desk.clock.now += 1
    assert (await upload(desk, await desk.key())).status == 200


async def test_ids_that_come_into_the_config_end_the_keys_of_others(desk: Published) -> None:
    """Who had the name when the key was minted is not who has it by the file."""
    key, same = await desk.key(), publisher(desk.issuer, repository_id=74)
    desk.reload(**trusting(desk.issuer, same))
    assert (await upload(desk, key)).status == 200
    desk.reload(**trusting(desk.issuer, same | {"repository_id": 75}))
    answer = await upload(desk, key)
    assert answer.status in (401, 403), answer.text
    desk.reload(**trusting(desk.issuer, same))
    async with asyncio.timeout(10):
        while desk.rows("SELECT revoked FROM keys WHERE kind = 'minted'") == [(None,)]:
            await asyncio.sleep(0.01)
    assert (await upload(desk, key)).status == 401


async def test_single_use_is_one_upload(desk: Published) -> None:
    """PEP 807's feature: a second upload with the key is refused."""
    page = json.loads((await desk.mint(features=["single-use-token"])).body)
    assert (await upload(desk, page["token"])).status == 200
    second = await desk.running.ask(post(body_of(parts_of(wheel("acme-core", "2.0"))), key=page["token"]))
    assert second.status == 403


async def test_a_burned_key_is_dead(desk: Published) -> None:
    """From the next request on."""
    key = await desk.key()
    answer = await desk.post(BURN, {"token": key})
    assert (answer.status, json.loads(answer.body)) == (202, {"message": "Accepted", "errors": []})
    assert (await upload(desk, key)).status == 401


async def test_a_burn_says_the_same_whatever_was_sent(desk: Published) -> None:
    """Who asks learns nothing; and an ordinary key, or half of one, is not burned."""
    ordinary, minted = await desk.running.key(), await desk.key()
    digit = "a" if minted[30] != "a" else "b"
    bodies = [
        {"token": ordinary},
        {"token": minted[:30] + digit + minted[31:]},
        {"token": ""},
        {"token": None},
        {},
        b"rubbish",
        b"",
        b'{"token": "a", "token": "b"}',
        {"token": "x" * 100_000},
        {"token": desk.token()},
    ]
    answers = [await desk.post(BURN, body) for body in bodies]
    assert {(each.status, each.body) for each in answers} == {(202, b'{"message": "Accepted", "errors": []}')}
    assert desk.rows("SELECT count(*) FROM keys WHERE revoked IS NOT NULL") == [(0,)]
    assert (await upload(desk, ordinary)).status == 200


async def test_a_canary_that_is_to_be_burned_is_heard(desk: Published) -> None:
    """Whoever sends it has been where it lay; it goes on watching, and the answer is as ever."""
    parts = desk.running.app.parts
    new = NewKey(owner="trap", note="", policy="", kind=KeyKind.CANARY)
    _, canary = await parts.authority.issue(new, now=parts.now())
    wrong = mint("apx", PublicId(canary[4:17]), bytes(32))
    for text, alarms in ((wrong, 0), (canary, 1)):
        assert (await desk.post(BURN, {"token": text})).status == 202
        await parts.authority.canaries.close()
        assert desk.rows("SELECT count(*) FROM record WHERE action = 'canary'") == [(alarms,)]
    assert desk.rows("SELECT count(*) FROM keys WHERE revoked IS NOT NULL") == [(0,)]


async def test_whoever_burns_nothing_has_to_wait_after_some(desk: Published) -> None:
    """As for `/-/revoke`, and with it; the jobs of a CI that burn their keys are not counted."""
    for key in [await desk.key() for _ in range(12)]:
        assert (await desk.post(BURN, {"token": key})).status == 202
    answers = [await desk.post(BURN, {"token": "rubbish"}) for _ in range(11)]
    assert [each.status for each in answers] == [202] * 10 + [429]


async def test_the_paths_are_ours_whatever_the_method(desk: Published, recording: RecordingIndex) -> None:
    """A GET of the mint, a POST of the audience: refused here, and never the index's business."""
    for raw in (
        get(MINT),
        get(BURN),
        head("POST", "/_/oidc/audience", [("Content-Length", "0"), ("Connection", "close")]),
    ):
        assert (await desk.running.ask(raw)).status == 403
    recording.assert_saw_nothing()


async def test_the_holder_of_a_minted_key_is_told_what_it_is(desk: Published) -> None:
    """As the holder of any key, and besides for which publisher it was minted."""
    key = await desk.key()
    page = json.loads((await desk.running.ask(get("/-/whoami", [("Authorization", basic("__token__", key))]))).body)
    [label] = desk.running.app.parts.policy.publishers
    assert (page["publisher"], page["allow"], page["expires"]) == (label, ["upload+create:acme-*"], START + 900)


async def test_a_mint_and_a_refusal_are_lines_in_the_log(desk: Published, caplog: pytest.LogCaptureFixture) -> None:
    """With what an operator looks for; what is counted has words of ours alone."""
    caplog.set_level(logging.INFO, "authproxy.publishing")
    await desk.key()
    await desk.mint(desk.token(repository="acme/other"))
    minted, refused = (vars(each) for each in caplog.records if each.name == "authproxy.publishing")
    assert (minted["msg"], minted["publisher"][:16]) == ("a key was minted", "github https://1")
    assert "refs/tags/v1.2.0" in minted["claims"]
    assert (refused["msg"], refused["code"]) == ("no key was minted", "invalid-publisher")
    shown = generate_latest(desk.running.app.parts.metrics.registry).decode()
    assert 'authproxy_requests_total{action="mint",decision="allowed",reason="ok"} 1.0' in shown
    assert 'authproxy_requests_total{action="mint",decision="refused",reason="refused"} 1.0' in shown
