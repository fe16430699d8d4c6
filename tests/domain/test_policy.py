"""decide, explain and admit_uploader: every refusal, and every reason for a yes."""

from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_network
from typing import Any, cast

import pytest

from authproxy.domain.access import Access, Principal, PrincipalKind
from authproxy.domain.grants import Action, Grant, parse_grant, pattern
from authproxy.domain.names import Filetype
from authproxy.domain.policy import (
    DEAD_KEY,
    Admission,
    KeyPolicy,
    MetadataCheck,
    Overwrite,
    PackageRule,
    Rate,
    Requirement,
    VersionPattern,
    admit_uploader,
    decide,
    explain,
)
from authproxy.domain.refusal import Code, Denial
from tests.domain.drawn import NOW, holder, key, policy, upload

WHEEL = "acme_core-1.2-py3-none-any.whl"
SDIST = "acme_core-1.2.tar.gz"
VICTIM = "victim-1.0.tar.gz"


def grants(*texts: str) -> tuple[Grant, ...]:
    return tuple(map(parse_grant, texts))


@dataclass(frozen=True)
class World:
    """A policy `release` that allows acme-*, one rule about acme-*, a key without limits, the upload of a wheel."""

    release: dict[str, Any] = field(default_factory=dict)
    rule: dict[str, Any] = field(default_factory=dict)
    key: dict[str, Any] = field(default_factory=dict)
    address: str = "10.1.1.1"
    access: Access = field(default_factory=lambda: upload(WHEEL))
    now: int = NOW

    @property
    def policy(self) -> Any:
        plain = KeyPolicy("release", grants("upload:acme-*"), lifetime=None)
        return policy(
            replace(plain, **self.release), replace(PackageRule("packages[0] acme-*", pattern("acme-*")), **self.rule)
        )

    @property
    def principal(self) -> Principal:
        return holder(key(**self.key), self.address)

    def decide(self) -> Admission | Denial:
        return decide(self.policy, self.principal, self.access, now=self.now)

    def explain(self, **left_open: Any) -> Any:
        return explain(self.policy, self.principal, self.access, now=self.now, **left_open)


TEN = ip_network("10.0.0.0/8")

REFUSALS = [
    pytest.param(World(key={"revoked": NOW - 1}), Code.CREDENTIAL_INVALID, "", id="a revoked key"),
    pytest.param(World(key={"paused": True}), Code.CREDENTIAL_INVALID, "", id="a paused key"),
    pytest.param(
        World(key={"expires": NOW}), Code.CREDENTIAL_INVALID, "", id="a key at the second in which it expires"
    ),
    pytest.param(World(key={"policy": "gone"}), Code.NOT_ALLOWED, "'gone'", id="a key whose policy left the file"),
    pytest.param(
        World(release={"networks": (TEN,)}, address="192.0.2.1"),
        Code.NETWORK,
        "from 192.0.2.1: its policy allows 10.0.0.0/8",
        id="an address outside the networks of the policy",
    ),
    pytest.param(
        World(key={"networks": (TEN,)}, address="192.0.2.1"),
        Code.NETWORK,
        "from 192.0.2.1: the key itself allows 10.0.0.0/8",
        id="an address outside the networks of the key",
    ),
    pytest.param(
        World(key={"networks": (TEN,)}, address="::10.1.1.1"),
        Code.NETWORK,
        "from ::a01:101",
        id="an IPv6 address that only looks like one inside",
    ),
    pytest.param(
        World(access=upload(VICTIM)),
        Code.NOT_ALLOWED,
        "may not upload 'victim': it may upload:acme-*",
        id="a package that the policy does not grant",
    ),
    pytest.param(
        World(key={"grants": grants("upload:acme-docs")}),
        Code.NOT_ALLOWED,
        "may not upload 'acme-core': it may upload:acme-docs",
        id="a package that the key's own grants leave out",
    ),
    pytest.param(
        World(key={"grants": grants("upload:*")}, access=upload(VICTIM)),
        Code.NOT_ALLOWED,
        "it may upload:acme-*",
        id="a package that the key's own grants hold and the policy does not",
    ),
    pytest.param(
        World(release={"allow": grants("upload:acme-*@team/dev")}),
        Code.NOT_ALLOWED,
        "it may upload:acme-*@team/dev",
        id="an index that is not granted",
    ),
    pytest.param(
        World(access=Access(Action.READ, "", upload(WHEEL).project)),
        Code.NOT_ALLOWED,
        "may not read 'acme-core'",
        id="a read with an upload grant",
    ),
    pytest.param(
        World(release={"allow": grants("read:acme-*")}, access=Access(Action.READ, "", None)),
        Code.NOT_ALLOWED,
        "may not read the list of all projects",
        id="the list of all projects with a grant for some",
    ),
    pytest.param(World(rule={"match": pattern("other")}), Code.NO_RULE, "'acme-core'", id="a package without a rule"),
    pytest.param(
        World(rule={"require": cast("Requirement", "blessed")}),
        Code.NOT_ALLOWED,
        "requires 'blessed'",
        id="a requirement that nobody meets",
    ),
    pytest.param(
        World(rule={"filetypes": frozenset({Filetype.SDIST})}),
        Code.FILETYPE,
        "is of the type wheel: packages[0] acme-* takes sdist",
        id="a wheel where sdists are taken",
    ),
    pytest.param(
        World(rule={"versions": (VersionPattern("2.*"), VersionPattern(">=3"))}),
        Code.VERSION,
        "version '1.2' may not be uploaded: packages[0] acme-* takes 2.*, >=3",
        id="a version that no pattern takes",
    ),
    pytest.param(
        World(rule={"max_size": 10}, access=upload(WHEEL, size=11)),
        Code.TOO_LARGE,
        "has 11 bytes: packages[0] acme-* takes at most 10",
        id="a byte too much",
    ),
    pytest.param(
        World(release={"allow": grants("upload:*")}, access=Access(Action.UPLOAD, "", None)),
        Code.FORM_INVALID,
        "",
        id="an upload without a project",
    ),
    pytest.param(
        World(access=replace(upload(WHEEL), artifact=None)), Code.FORM_INVALID, "", id="an upload without a file"
    ),
    pytest.param(World(access=replace(upload(WHEEL), size=None)), Code.FORM_INVALID, "", id="an upload without a size"),
]


@pytest.mark.parametrize(("world", "code", "words"), REFUSALS)
def test_decide_refuses(world: World, code: Code, words: str) -> None:
    """Each refusal has its code, and one sentence that says what is allowed instead."""
    answer = world.decide()
    assert isinstance(answer, Denial)
    assert answer.code is code
    assert words in answer.reason
    assert answer.reason.isascii()
    assert answer.reason.isprintable()
    assert len(answer.reason) <= 400


def test_nobody_without_a_key_is_admitted() -> None:
    """An anonymous principal is asked for a credential, also one that carries a record it did not prove."""
    world = World()
    for principal in (
        Principal(PrincipalKind.ANONYMOUS, ip_address("10.1.1.1")),
        Principal(PrincipalKind.ANONYMOUS, ip_address("10.1.1.1"), key()),
        Principal(PrincipalKind.KEY, ip_address("10.1.1.1")),
    ):
        answer = decide(world.policy, principal, world.access, now=NOW)
        assert isinstance(answer, Denial)
        assert answer.code is Code.CREDENTIAL_MISSING


@pytest.mark.parametrize("state", [{"revoked": 1}, {"paused": True}, {"expires": NOW}], ids=str)
def test_a_dead_key_learns_nothing(state: dict[str, Any]) -> None:
    """The refusal of a dead key is one and the same, whatever it is dead of; only the operator's step says it."""
    assert World(key=state).decide() == DEAD_KEY
    assert World(key=state).explain().steps[-1].sentence.endswith(("is revoked", "is paused", "is expired"))


ADMISSIONS = [
    pytest.param(World(), id="what grant and rule allow"),
    pytest.param(World(access=upload(SDIST)), id="an sdist as well"),
    pytest.param(World(key={"expires": NOW + 1}), id="a key in its last second"),
    pytest.param(World(key={"networks": (TEN,)}), id="an address inside the networks"),
    pytest.param(World(key={"networks": (TEN,)}, address="::ffff:10.1.1.1"), id="the same address in IPv6 dress"),
    pytest.param(World(rule={"max_size": 5}), id="a file of the largest size"),
    pytest.param(World(rule={"versions": (VersionPattern("9"), VersionPattern("1.*"))}), id="one of the versions"),
    pytest.param(World(key={"grants": grants("upload:docs", "upload:acme-core")}), id="one of the key's own grants"),
    pytest.param(World(key={"used": 10**6}), id="a key used often and without a limit"),
]


@pytest.mark.parametrize("world", ADMISSIONS)
def test_decide_admits(world: World) -> None:
    """The rows beside the refusals: one step inside each limit the answer is yes."""
    answer = world.decide()
    assert isinstance(answer, Admission), answer
    assert answer.rule == "packages[0] acme-*"


def test_an_admission_carries_the_conditions() -> None:
    """The rule's and the policy's conditions go with the yes, the uses the lower of both limits."""
    world = World(
        release={"rate": Rate(10, 3600), "uses": 5},
        rule={"overwrite": Overwrite.ALLOW, "metadata": MetadataCheck.OFF},
        key={"uses": 3, "grants": grants("upload:acme-core")},
    )
    assert world.decide() == Admission(
        rule="packages[0] acme-*",
        grant="upload:acme-* & upload:acme-core",
        may_create=False,
        overwrite=Overwrite.ALLOW,
        metadata=MetadataCheck.OFF,
        rate=Rate(10, 3600),
        uses=3,
    )


@pytest.mark.parametrize(
    ("allow", "own", "answer"),
    [
        pytest.param(grants("upload+create:acme-*"), (), True, id="the policy says create"),
        pytest.param(grants("upload:acme-*"), (), False, id="it does not"),
        pytest.param(grants("upload+create:acme-*"), grants("upload:*"), False, id="the key's own grant does not"),
        pytest.param(grants("upload:acme-*"), grants("upload+create:*"), False, id="only the key's own grant does"),
        pytest.param(grants("upload+create:acme-*"), grants("upload+create:*"), True, id="both do"),
        pytest.param(
            grants("upload:acme-*", "upload+create:acme-core"), (), True, id="another grant of the policy does"
        ),
        pytest.param(grants("upload:acme-*", "upload+create:docs"), (), False, id="a grant for another package does"),
    ],
)
def test_who_may_create(allow: tuple[Grant, ...], own: tuple[Grant, ...], answer: bool) -> None:
    """A project may be made only where policy and own grant say so; the order of grants does not matter."""
    for ordered in (allow, allow[::-1]):
        admission = World(release={"allow": ordered}, key={"grants": own}).decide()
        assert isinstance(admission, Admission)
        assert admission.may_create is answer


def test_a_read_needs_a_grant_and_no_rule() -> None:
    """Package rules are about uploads: a read is decided by grants alone, and nothing is conceded besides."""
    world = World(release={"allow": grants("read:*")}, rule={"match": pattern("other")})
    for project in (None, upload(VICTIM).project):
        answer = replace(world, access=Access(Action.READ, "", project)).decide()
        assert answer == Admission("", "read:*", False, Overwrite.NEVER, MetadataCheck.VERIFY, None, None)


def test_a_long_list_is_cut() -> None:
    """A key with many long grants still gets a sentence that fits a reason phrase."""
    many = tuple(Grant(frozenset({Action.UPLOAD}), (pattern("a" * 90 + "*"),)) for _ in range(50))
    answer = World(release={"allow": many}).decide()
    assert isinstance(answer, Denial)
    assert answer.reason.endswith("... and 47 more")
    assert len(answer.reason) <= 400


@pytest.mark.parametrize(
    ("world", "index", "code"),
    [
        pytest.param(World(), "", None, id="a key that may upload something"),
        pytest.param(World(release={"allow": grants("read:*")}), "", Code.NOT_ALLOWED, id="a key that may only read"),
        pytest.param(World(key={"grants": grants("read:*")}), "", Code.NOT_ALLOWED, id="a key that narrowed itself"),
        pytest.param(
            World(release={"allow": grants("upload:*@team/dev")}), "team/prod", Code.NOT_ALLOWED, id="another index"
        ),
        pytest.param(World(key={"paused": True}), "", Code.CREDENTIAL_INVALID, id="a paused key"),
        pytest.param(World(key={"networks": (TEN,)}, address="192.0.2.1"), "", Code.NETWORK, id="another network"),
        pytest.param(World(key={"policy": "gone"}), "", Code.NOT_ALLOWED, id="a policy that is gone"),
    ],
)
def test_admit_uploader(world: World, index: str, code: Code | None) -> None:
    """Before the body: whoever could upload nothing at all is refused cheaply, everybody else is let through."""
    answer = admit_uploader(world.policy, world.principal, index, now=NOW)
    assert (answer.code if answer else None) is code
