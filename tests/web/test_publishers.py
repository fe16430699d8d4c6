"""From a verified token to a key: whose it is, what is pinned, and what goes on record; no HTTP here."""

import json
from dataclasses import replace

import pytest

from authproxy.authority.minting import Minted, Minter
from authproxy.domain.keys import KeyRecord
from authproxy.domain.publishers import Pin
from authproxy.oidc import Keyrings, TokenCode, TokenRefused
from authproxy.store import NotMinted, StoreError
from authproxy.store.minting import Minting
from authproxy.web import publishers as room
from authproxy.web.publishers import Publishers
from tests.web.published import Published, publisher, trusting

IDS = {"repository_id": "74", "repository_owner_id": "65"}


async def minted(desk: Published, uses: int | None = None, **claims: object) -> Minted:
    parts = desk.running.app.parts
    verified = await parts.publishers.verified(parts.config, desk.token(**claims), now=parts.now())
    return await parts.publishers.minted(parts.policy, verified, uses, now=parts.now())


async def test_the_key_is_the_publishers(desk: Published) -> None:
    """Its label, its lifetime, the claims that tell the run; never the whole token."""
    desk.reload(**trusting(desk.issuer, publisher(desk.issuer, lifetime="1h")))
    key = (await minted(desk, uses=1)).record
    [label] = desk.running.app.parts.policy.publishers
    assert (key.owner, key.publisher, key.policy, key.uses) == (label, label, "", 1)
    assert key.expires == int(desk.clock.now) + 3600
    said = json.loads(key.claims or "")
    assert said["iss"] == desk.issuer.url
    assert said["run_id"] == "9876543210"
    assert said.keys().isdisjoint({"jti", "aud", "exp", "sub", "runner_environment"})


async def test_claims_that_are_long_are_cut(desk: Published) -> None:
    """What goes on record is bounded, whatever an issuer signs."""
    ref = "refs/heads/" + "x" * 5000
    key = (await minted(desk, ref=ref, job_workflow_ref=f"acme/core/.github/workflows/release.yml@{ref}")).record
    assert len(key.claims or "") < 3000


async def test_first_use_pins(desk: Published) -> None:
    """And the next one notes that it was used."""
    await minted(desk)
    desk.clock.now += 5
    await minted(desk)
    [pin] = (await desk.running.app.parts.store.minting.pins()).values()
    assert pin == Pin(pin.since, int(desk.clock.now), IDS)


async def test_a_pin_that_moves_is_looked_at_again(desk: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    """As often as somebody else may win; then the job is told to try again."""
    asked: list[object] = []

    async def moved(_minter: Minter, order: object, *, now: int) -> NotMinted:
        asked.append((order, now))
        return NotMinted.MOVED

    monkeypatch.setattr(Minter, "mint_for", moved)
    with pytest.raises(TokenRefused) as refused:
        await minted(desk)
    assert refused.value.code is TokenCode.NOT_ENABLED
    assert len(asked) == room.MATCHES


async def test_a_reload_is_followed(desk: Published) -> None:
    """The issuers and the audience are those of the config in force, without a restart."""
    await minted(desk)
    desk.reload(trusted_publishing={**trusting(desk.issuer)["trusted_publishing"], "audience": "another"})  # type: ignore[dict-item]
    with pytest.raises(TokenRefused, match="another"):
        await minted(desk)
    await minted(desk, aud="another")


async def test_keys_are_held_against_each_config_that_was_in_force(
    desk: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the store was away meanwhile, and against what was minted while the config changed."""
    parts, now = desk.running.app.parts, int(desk.clock.now)
    mine = Publishers(parts.store, Keyrings(), parts.publishers.minter, parts.publishers.throttle)
    kept, gone = (await minted(desk)).record, replace(parts.policy, publishers={})
    mine.follow(parts.policy, now=now)
    await mine.end_strays(now=now)
    mine.follow(gone, now=now)

    async def away(_minting: Minting, *_: object, **__: object) -> int:
        raise StoreError("it is away")

    with monkeypatch.context() as broken:
        broken.setattr(Minting, "end", away)
        with pytest.raises(StoreError):
            await mine.end_strays(now=now)
    assert await revoked(desk, kept) is None
    await mine.end_strays(now=now + 1)
    assert await revoked(desk, kept) == now + 1
    late = (await minted(desk)).record
    desk.clock.now += 1
    new = (await minted(desk)).record
    await mine.end_strays(now=now + room.UNDER_WAY)
    assert await revoked(desk, late) == now + room.UNDER_WAY
    assert await revoked(desk, new) is None, "by a config that came later"


async def revoked(desk: Published, key: KeyRecord) -> int | None:
    found = await desk.running.app.parts.store.key(key.id)
    assert found is not None
    return found.revoked


async def test_the_keys_of_an_issuer_are_fetched_once(desk: Published) -> None:
    """A warm mint asks nobody, also after a reload."""
    await minted(desk)
    desk.reload()
    await minted(desk)
    assert desk.issuer.fetches == 1
