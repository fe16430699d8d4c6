"""Whose token it is: labels, pins, the most specific publisher, what is said, and the law that more never widens."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authproxy.domain.claims import Check, Claims
from authproxy.domain.grants import Action
from authproxy.domain.names import ProjectName
from authproxy.domain.publisherkinds import PublisherKind
from authproxy.domain.publishers import LIFETIME, PENDING_LIFE, Asked, Matched, Pin, Publisher, Unmatched, publisher
from tests.domain.trusted import BOT, CORE, GITHUB, GOOGLE, NOW, claim, found, github, gitlab, made, takes


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("github", {}),
        ("github", {"repository": "acme/core"}),
        ("github", {"repository": (), "workflow": "release.yml"}),
        ("gitlab", {"project": "acme/core"}),
        ("google", {}),
        ("oidc", {}),
        ("oidc", {"issuer": "https://ci.example"}),
        ("oidc", {"claims": (claim("sub", "x"),)}),
    ],
)
def test_too_little_is_an_error(kind: str, said: dict[str, Any]) -> None:
    """An empty table is never one that every token meets."""
    with pytest.raises(ValueError, match=f"a publisher of kind {kind} takes"):
        made(kind, **said)


def test_a_publisher_without_checks_takes_nobody() -> None:
    """Whoever makes one past `publisher`; negative control: all checks of none are met."""
    none = replace(github(), checks=(), pinned=())
    assert all(check.met(GITHUB) for check in none.checks)
    assert not takes(none, GITHUB)


@pytest.mark.parametrize(
    ("said", "label"),
    [
        ({"repository": "Acme/Core", "environment": "PyPI"}, "github acme/core release.yml pypi"),
        ({"workflow": "Release.yml"}, "github acme/core Release.yml"),
        ({"refs": ("refs/tags/*", "refs/heads/main")}, "github acme/core release.yml refs=refs/heads/main,refs/tags/*"),
        ({"ref_protected": "true"}, "github acme/core release.yml ref_protected=true"),
        ({"repository_id": "74"}, "github acme/core release.yml"),
        ({"issuer": "https://ghe.example/t"}, "github https://ghe.example/t acme/core release.yml"),
    ],
)
def test_labels(said: dict[str, Any], label: str) -> None:
    """One line; ids that the file gives are not in it, so that whoever adds one keeps what was pinned."""
    assert github(**said).label == label


def test_what_a_publisher_grants() -> None:
    """Uploads to its packages, for fifteen minutes, into projects that there are."""
    each = github()
    assert (each.packages, each.create, each.lifetime, each.networks) == (CORE, False, LIFETIME, ())
    assert each.grant.allows(Action.UPLOAD, "team/dev", ProjectName("acme-core"))
    assert not each.grant.allows(Action.DELETE, "team/dev", ProjectName("acme-core"))
    assert each.recorded(GITHUB)["run_id"] == "9876543210"


class TestPins:
    """Ids belong to whoever came first."""

    def test_first_use_pins(self) -> None:
        """What is to be stored, all of it; afterwards there is nothing to store."""
        answer = found(GITHUB, github(), pins={})
        assert isinstance(answer, Matched)
        assert answer.pin == {"repository_id": "74", "repository_owner_id": "65"}
        again = found(GITHUB, github(), pins={github().label: Pin(NOW, NOW, answer.pin)})
        assert isinstance(again, Matched)
        assert again.pin is None

    def test_what_the_file_gives_is_not_pinned(self) -> None:
        """It stands there."""
        answer = found(GITHUB, github(repository_id="74"))
        assert isinstance(answer, Matched)
        assert answer.pin == {"repository_owner_id": "65"}
        both = found(GITHUB, github(repository_id="74", repository_owner_id="65"))
        assert isinstance(both, Matched)
        assert both.pin is None

    def test_what_was_known_before_is_kept(self) -> None:
        """A publisher that was listed and never used has a pin without ids."""
        answer = found(GITHUB, github(), pins={github().label: Pin(NOW, None, {"repository_id": "74"})})
        assert isinstance(answer, Matched)
        assert answer.pin == {"repository_id": "74", "repository_owner_id": "65"}

    @pytest.mark.parametrize("pins", [{"repository_id": "75"}, {"repository_id": "74", "repository_owner_id": "1"}])
    def test_a_name_that_was_registered_again_gets_nothing(self, pins: dict[str, str]) -> None:
        """The same name, and another number; the operator reads which, and what to do."""
        assert not takes(github(), GITHUB, **pins)
        answer = found(GITHUB, github(), pins={github().label: Pin(NOW, NOW, pins)})
        told = [each.sentence for trial in answer.asked.trials() for each in trial.findings if not each.met]
        assert len(told) == 1
        assert "at first use: the name was given up and registered again" in told[0]
        assert "authproxy publisher unpin" in told[0]

    def test_a_pin_holds_beside_a_given_id(self) -> None:
        """Whoever writes another id into the file has to take the old one out of the store too."""
        assert not takes(github(repository_id="74"), GITHUB, repository_id="73")

    def test_pins_of_others_do_not_count(self) -> None:
        """They are kept by label."""
        answer = found(GITHUB, github(), pins={"github evil/core release.yml": Pin(NOW, NOW, {"repository_id": "1"})})
        assert isinstance(answer, Matched)

    def test_a_service_account_that_was_made_again(self) -> None:
        """Google gives the email away again, and never the number."""
        bot = made("google", email=BOT)
        assert bot.pinned == ("sub",)
        assert not takes(bot, GOOGLE, sub="1")


class TestPending:
    """A publisher for a project that does not exist yet."""

    @pytest.mark.parametrize(
        ("create", "pin", "expected"),
        [
            (True, None, True),
            (True, Pin(NOW - PENDING_LIFE + 1), True),
            (True, Pin(NOW - PENDING_LIFE), False),
            (True, Pin(NOW - PENDING_LIFE, NOW - 1), True),
            (False, Pin(NOW - PENDING_LIFE), True),
        ],
    )
    def test_it_ends_unused(self, create: bool, pin: Pin | None, expected: bool) -> None:
        """After thirty days, to the second; who was used stays, and who creates nothing too."""
        each = github(create=create)
        answer = found(GITHUB, each, pins={} if pin is None else {each.label: pin})
        assert isinstance(answer, Matched) is expected
        if isinstance(answer, Unmatched):
            assert answer.ended
            [trial] = answer.asked.trials()
            assert trial.unmet == ("create",)

    def test_who_is_nobody_has_not_ended(self) -> None:
        """Only a publisher whose token it is tells that."""
        answer = found(GITHUB | {"repository": "evil/core"}, github(create=True))
        assert isinstance(answer, Unmatched)
        assert not answer.ended


# The more specific one behind the other.
ORDER = [
    github(),
    github(claims=(claim("actor", "*cat"),)),
    github(claims=(claim("actor", "octocat"),)),
    github(refs=("refs/tags/*",)),
    github(environment="pypi"),
    github(environment="pypi", refs=("refs/tags/*",)),
    github(repository_id="74"),
    github(repository_id="74", repository_owner_id="65"),
]


@pytest.mark.parametrize("position", range(len(ORDER) - 1))
def test_the_most_specific_one_counts(position: int) -> None:
    """Ids, environment, ref, exact claims, claims; wherever they stand in the file."""
    wide, narrow = ORDER[position], ORDER[position + 1]
    for both in ((wide, narrow), (narrow, wide)):
        answer = found(GITHUB, *both)
        assert isinstance(answer, Matched)
        assert answer.publisher is narrow


def test_among_equals_the_first_counts() -> None:
    """As the file has them."""
    one, other = github(refs=("refs/tags/*",)), github(refs=("refs/*",))
    for both in ((one, other), (other, one)):
        answer = found(GITHUB, *both)
        assert isinstance(answer, Matched)
        assert answer.publisher is both[0]


TOLD, NEAR = "no trusted publisher takes this token of repository", "; there is one, and it is about another"
FILE = "acme/core/.github/workflows/release.yml@refs/tags/v1.2.0"


@pytest.mark.parametrize(
    ("claims", "publishers", "reason"),
    [
        (GITHUB, (), "no trusted publisher has tokens of the issuer 'https://token.actions.githubusercontent.com'"),
        ({}, (github(),), "no trusted publisher has tokens of the issuer missing"),
        (
            GITHUB | {"repository": "evil/core", "environment": None},
            (github(environment="secret-name"),),
            f"{TOLD} 'evil/core', job_workflow_ref '{FILE}', sub 'repo:acme/core:environment:pypi'",
        ),
        (
            GITHUB | {"environment": "test"},
            (github(environment="secret-name"), github(environment="other", workflow="x.yml")),
            f"{TOLD} 'acme/core', job_workflow_ref '{FILE}', environment 'test'{NEAR} environment",
        ),
        (
            {"iss": "https://ci.example"},
            (made("oidc", "https://ci.example", claims=(claim("job", "x"),)),),
            "no trusted publisher takes this token of nobody",
        ),
    ],
)  # fmt: skip
def test_what_a_client_is_told(claims: Claims, publishers: tuple[Publisher, ...], reason: str) -> None:
    """What it sent; of the file it learns the names of claims, and those only for its own repository."""
    answer = found(claims, *publishers)
    assert isinstance(answer, Unmatched)
    assert answer.reason == reason
    assert "secret-name" not in answer.reason
    assert len(answer.reason) <= 400


def test_every_publisher_is_told_claim_by_claim() -> None:
    """All that it asks, in its order; of another issuer's no more than that."""
    answer = found(GITHUB | {"environment": "test"}, github(environment="pypi"), gitlab())
    one, other = answer.asked.trials()
    assert [(each.claim, each.met) for each in one.findings] == [
        *(("repository", True), ("repository_owner", True), ("job_workflow_ref", True), ("event_name", True)),
        *(("environment", False), ("repository_id", True), ("repository_owner_id", True)),
    ]
    assert one.findings[-1].sentence == "repository_owner_id is '65', and is pinned at first use"
    assert [each.sentence for each in other.findings] == [
        "iss is 'https://token.actions.githubusercontent.com': it must be 'https://gitlab.com'"
    ]
    pinned = found(GITHUB, github(), pins={github().label: Pin(NOW, NOW, {"repository_id": "74"})})
    [trial] = pinned.asked.trials()
    assert "repository_id is '74', as at first use" in [each.sentence for each in trial.findings]


# A token of GitHub's in which a claim or two are others, or gone: near enough that one more check decides.
CHANGES = st.dictionaries(
    st.sampled_from(sorted(GITHUB)), st.sampled_from(["", "x", 74, None, ["a"], "pull_request_target"]), max_size=2
)
FAR = st.sets(st.sampled_from(sorted(GITHUB))).map(
    lambda kept: {name: value if name in kept | {"iss"} else "x" for name, value in GITHUB.items()}
)
TOKENS = CHANGES.map(lambda changed: {**GITHUB, **changed}) | FAR
SAID = st.fixed_dictionaries(
    {"repository": st.just(("acme/core",)), "workflow": st.just(("release.yml",))},
    optional={
        "environment": st.sampled_from([("pypi",), ("test",)]),
        "refs": st.sampled_from([("refs/tags/*",), ("refs/heads/main",)]),
        "ref_protected": st.just(("true",)),
        "repository_id": st.sampled_from([("74",), ("x",)]),
        "repository_owner_id": st.sampled_from([("65",), ("66",)]),
    },
)
MORE = st.sampled_from([claim("actor", "octocat"), claim("actor", "x*"), claim("runner_environment", "*hosted")])
IDS = {"repository_id": "74", "repository_owner_id": "65"}
PINS = st.dictionaries(st.sampled_from(sorted(IDS)), st.booleans()).map(
    lambda right: {name: IDS[name] if each else "x" for name, each in right.items()}
)


def judged(said: Any, claims: tuple[Check, ...], pins: Mapping[str, str], token: Claims) -> bool:
    each = publisher(PublisherKind.GITHUB, said, packages=CORE, claims=claims)
    return Asked((each,), token, {each.label: Pin(NOW, NOW, pins)}, NOW).meets(each)


@settings(max_examples=1000)  # a millisecond each; one in a hundred turns on what was added
@given(SAID, SAID, st.lists(MORE, max_size=2), MORE, PINS, PINS, TOKENS)
def test_what_is_added_never_widens(
    said: Any, added: Any, claims: Any, one: Check, pins: Any, more: Any, token: Any
) -> None:
    """A key of the file, a claim, a pin: who takes a token with them takes it without."""
    claims = tuple(claims)
    if not judged(said, claims, pins, token):
        assert not judged(said, (*claims, one), pins, token)
        assert not judged(added | said, claims, pins, token)
        assert not judged(said, claims, more | pins, token)


@given(SAID, PINS, TOKENS)
def test_both_ways_to_ask_have_one_answer(said: Any, pins: Any, token: Any) -> None:
    """With a sentence for each claim and without."""
    each = publisher(PublisherKind.GITHUB, said, packages=CORE)
    asked = Asked((each,), token, {each.label: Pin(NOW, NOW, pins)}, NOW)
    assert asked.meets(each) is asked.trial(each).met
