"""A key as it is stored: when it is dead, which secret a public id names, what it shows of itself."""

from dataclasses import replace

import pytest

from authproxy.domain.keys import KeyId, KeyRecord, Secret

RECORD = KeyRecord(
    id=KeyId("Abc123XYZ789"),
    owner="ci@acme",
    note="",
    policy="release",
    grants=(),
    networks=(),
    uses=None,
    used=0,
    created=1000,
    expires=2000,
    paused=False,
    revoked=None,
    secrets=(Secret("0", "$argon2id$0", 1000, None), Secret("1", "$argon2id$1", 1500, 1900)),
)

DEATHS = {
    "it lives": (RECORD, 1999, None),
    "it expires at its second": (RECORD, 2000, "expired"),
    "without an end it lives": (replace(RECORD, expires=None), 10**12, None),
    "paused": (replace(RECORD, paused=True), 1500, "paused"),
    "paused comes before expired": (replace(RECORD, paused=True), 3000, "paused"),
    "revoked comes before all": (replace(RECORD, paused=True, revoked=1200), 3000, "revoked"),
    "revoked at second 0 is revoked": (replace(RECORD, revoked=0), 1500, "revoked"),
    "revoked by a clock that runs ahead": (replace(RECORD, revoked=1800), 1500, "revoked"),
}


@pytest.mark.parametrize(("record", "now", "reason"), DEATHS.values(), ids=DEATHS.keys())
def test_why_a_key_does_not_work(record: KeyRecord, now: int, reason: str | None) -> None:
    """One reason each, the most lasting one first."""
    assert record.dead(now) == reason


@pytest.mark.parametrize(("now", "dead"), [(1899, False), (1900, True)])
def test_a_secret_ends_at_its_second(now: int, dead: bool) -> None:
    """A secret has an end of its own, and one without an end does not die."""
    assert RECORD.secrets[1].dead(now) is dead
    assert not RECORD.secrets[0].dead(now)


@pytest.mark.parametrize(
    ("public_id", "slot"),
    [("Abc123XYZ7890", "0"), ("Abc123XYZ7891", "1"), ("Abc123XYZ7892", None), ("Abd123XYZ7890", None), ("0", None)],
)
def test_a_public_id_finds_its_secret_alone(public_id: str, slot: str | None) -> None:
    """Both the id and the slot must be the record's."""
    found = RECORD.secret(public_id)
    assert (found.slot if found else None) == slot


def test_no_digest_shows_itself() -> None:
    """A digest stands in no repr: whoever has it may guess at leisure."""
    assert "argon2id" not in repr(RECORD) + str(RECORD) + f"{RECORD.secrets}"
