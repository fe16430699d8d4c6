"""What new rules would have said to what really happened."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from authproxy.domain import replay
from authproxy.domain.caveats import Lifetime, Projects, shortened, write_derivation
from authproxy.domain.grants import parse_grant, pattern
from authproxy.domain.names import Filetype, ProjectName
from authproxy.domain.passwords import PasswordRule, Passwords
from authproxy.domain.policy import KeyPolicy, Overwrite, PackageRule, Policy
from authproxy.domain.replay import Kind, Replay, Seen, Turn, access_of
from authproxy.domain.rules import Requirement
from tests.domain.drawn import KEY_ID, NOW, key


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the record: a wheel that was stored."""

    time_ms: int = NOW * 1000
    action: str = "upload"
    index: str = ""
    project: str = "acme-core"
    version: str = "1.0"
    filename: str = "acme_core-1.0-py3-none-any.whl"
    size: int = 5
    sha256: str = "0" * 64
    principal: str = "key"
    public_id: str | None = KEY_ID + "0"
    key_id: str | None = KEY_ID
    owner: str | None = "ci@acme"
    address: str = "10.1.1.1"
    outcome: str = "stored"
    code: str | None = None
    rule: str = "old rule"
    grant: str = "upload:*"
    derived: str | None = None
    attestations: str | None = None
    source: str | None = None


def policy(grant: str = "upload+create:*", **rule: Any) -> Policy:
    return Policy(
        {"release": KeyPolicy("release", (parse_grant(grant),), None)}, (PackageRule("new rule", pattern("*"), **rule),)
    )


def replayed(new: Policy, *rows: Row, keys: dict[str, Any] | None = None) -> Replay:
    found = Replay(new)
    found.add(rows, {KEY_ID: key()} if keys is None else keys)
    return found


PUSH = Row(action="push", index="team/stable", source="team/dev", size=0)
SDISTS = policy(filetypes=frozenset({Filetype.SDIST}))


def test_a_real_upload_that_would_be_refused() -> None:
    """Who, what, by which rule and grant it came in, why it would not now, how often, and which file last."""
    later = Row(time_ms=NOW * 1000 + 9, filename="acme_core-1.1-py3-none-any.whl", version="1.1")
    other = Row(project="acme-web", filename="acme_web-1.0.tar.gz")
    found = replayed(SDISTS, later, Row(filename=later.filename), other)
    reason = f"'{later.filename}' is of the type wheel: new rule takes sdist"
    kind = Kind(Turn.REFUSED, KEY_ID, "ci@acme", "upload", "", "acme-core", "filetype", reason, "old rule", "upload:*")
    assert found.kinds == {kind: Seen(2, NOW * 1000 + 9, later.filename)}
    assert found.rows == 3


@pytest.mark.parametrize(
    ("row", "new", "turns"),
    [
        (Row(), policy(), []),
        (Row(outcome="denied", code="filetype"), policy(), [Turn.ADMITTED]),
        (Row(outcome="denied", code="filetype"), SDISTS, []),
        (Row(outcome="denied", code="create"), policy(), [Turn.ADMITTED]),
        (Row(outcome="denied", code="create"), policy("upload:*"), []),
        (Row(outcome="denied", code="file-exists"), policy(overwrite=Overwrite.ALLOW), [Turn.ADMITTED]),
        (Row(outcome="denied", code="file-exists"), policy(), []),
        (Row(outcome="refused"), SDISTS, [Turn.REFUSED]),
        (Row(action="delete", filename="", size=0), policy(), [Turn.REFUSED]),
        (Row(action="delete", filename="", size=0), policy("delete:*"), []),
        (PUSH, policy("push:*"), []),
        (PUSH, policy(), [Turn.REFUSED]),
        (PUSH, policy("push:*@team/stable"), [Turn.REFUSED]),
        (PUSH, policy("push:*", filetypes=frozenset({Filetype.SDIST})), [Turn.REFUSED]),
        (PUSH, policy("push:*", max_size=1), []),
        (replace(PUSH, filename="", outcome="denied", code="not-allowed"), policy("push:*"), [Turn.ADMITTED]),
    ],
)
def test_what_turns(row: Row, new: Policy, turns: list[Turn]) -> None:
    """Only what the rules decide turns: what the index refused was admitted by us, too."""
    assert [kind.turn for kind in replayed(new, row).kinds] == turns


def test_a_key_counts_as_it_was_when_it_worked() -> None:
    """Its end since then is no effect of the rules; without this, every revoked key would be told as refused."""
    dead = key(revoked=NOW, paused=True, expires=NOW - 5)
    assert replayed(policy(), Row(), keys={KEY_ID: dead}).kinds == {}


def test_keys_that_are_gone_are_told() -> None:
    """Nobody knows what such a key might do, so its rows are counted and not judged."""
    found = replayed(SDISTS, Row(), Row(), keys={})
    assert (found.kinds, found.keyless) == ({}, {KEY_ID: 2})


@pytest.mark.parametrize(
    "row",
    [
        Row(project=""),
        Row(action="dance"),
        Row(filename=""),
        Row(filename="no file"),
        Row(action="push", filename="acme_core-1.0.tar.gz"),
    ],
    ids=["no project", "an action of another time", "no file", "no filename that anybody reads", "a push from nowhere"],
)
def test_rows_that_name_nothing(row: Row) -> None:
    """A form that could not be read is about no project: nothing can be asked again."""
    assert replayed(policy(), row).unnamed == 1


def test_refusals_that_no_rule_decides() -> None:
    """A wrong digest stays one whatever the rules say."""
    found = replayed(policy(), Row(outcome="denied", code="digest"))
    assert (found.kinds, found.unruled) == ({}, 1)


def test_derived_keys_are_judged_as_such() -> None:
    """Where new rules require what is signed, who sent a derived key is not told as refused, and who sent a key is."""
    signed = policy(require=Requirement.SIGNED)
    short = write_derivation("p0HcUu3kZ1WbqYtr", (Lifetime(NOW + 300, NOW),))
    assert replayed(signed, Row(derived=short)).kinds == {}
    [kind] = replayed(signed, Row()).kinds
    assert (kind.turn, kind.code) == (Turn.REFUSED, "not-allowed")
    later = '{"name":"p0HcUu3kZ1WbqYtr","caveats":[[0,2000000000,0],[200,"of a later version"]]}'
    assert [each.turn for each in replayed(signed, Row(derived=later)).kinds] == [Turn.REFUSED]


def test_what_a_caveat_refused_no_rule_lets_in() -> None:
    """That it was for another package is no effect of the rules."""
    other = write_derivation("p0HcUu3kZ1WbqYtr", (Projects(frozenset({ProjectName("acme-web")})),))
    found = replayed(policy(), Row(outcome="denied", code="caveat", derived=other))
    assert (found.kinds, found.unruled) == ({}, 1)


def test_what_is_left_out_of_the_record_is_not_judged_as_the_key() -> None:
    """A refused derived key whose caveats are not all on record is told as admitted by no rules."""
    many = write_derivation("p0HcUu3kZ1WbqYtr", (Projects(frozenset(ProjectName(f"a{n:099}") for n in range(20))),))
    short = shortened(many)
    assert short != many
    for derived, kinds in ((short, 0), (None, 1)):
        assert len(replayed(policy(), Row(outcome="denied", code="not-allowed", derived=derived)).kinds) == kinds


def test_passwords_are_judged_as_such() -> None:
    """A user's upload is judged by the day it was made on."""
    alice = Row(principal="password", key_id=None, public_id=None, owner="alice")
    taken = replace(policy(), passwords=PasswordRule(Passwords.WARN))
    assert replayed(taken, alice).kinds == {}
    [kind] = replayed(policy(), alice).kinds
    assert (kind.owner, kind.key_id, kind.code) == ("alice", None, "not-allowed")


def test_a_replay_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many keys and packages change, so many are told apart and the rest is counted."""
    monkeypatch.setattr(replay, "KINDS", 2)
    rows = [Row(project=f"p{n}", filename=f"p{n}-1.0-py3-none-any.whl") for n in range(5)]
    found = replayed(SDISTS, *rows, *rows)
    assert (len(found.kinds), found.more) == (2, 6)
    gone = replayed(SDISTS, *[Row(key_id=f"k{n % 4}") for n in range(8)], keys={})
    assert (len(gone.keyless), sum(gone.keyless.values()), gone.keyless_more) == (2, 4, 4)


def test_an_access_is_what_the_row_says() -> None:
    """Names are read again as they were then."""
    access = access_of(Row())
    assert access is not None
    assert access.artifact is not None
    assert (access.project, access.artifact.version, access.size) == ("acme-core", "1.0", 5)
