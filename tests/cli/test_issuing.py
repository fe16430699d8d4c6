"""From an order to a key: what a policy does not give is refused, whatever combination it is asked in."""

from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.cli.issuing import Life, Order, allowed, expiry, in_words, refusal
from authproxy.cli.options import load_config
from authproxy.config import Config
from authproxy.domain.grants import Action, Grant, parse_grant, pattern
from authproxy.domain.keys import KeyId, KeyRecord
from authproxy.domain.names import ProjectName
from authproxy.domain.rules import KeyPolicy, Policy

NOW = 1_800_000_000
DAY = 86_400

PATTERNS = st.sampled_from(["*", "acme-*", "acme-core", "acme-web", "a*e", "b"]).map(pattern)
GRANTS = st.builds(
    Grant,
    st.frozensets(st.sampled_from(Action), min_size=1),
    st.lists(PATTERNS, min_size=1, max_size=2).map(tuple),
    create=st.booleans(),
)
PROJECTS = [ProjectName(each) for each in ("acme-core", "acme-web", "acme-x", "ae", "b", "c")]


@pytest.fixture
def config(config_file: Path) -> Config:
    """The configuration of the command-line tests."""
    return load_config(config_file)


def _with(config: Config, policy: KeyPolicy) -> Config:
    return replace(config, policy=Policy({policy.name: policy}, ()))


def _may(grants: tuple[Grant, ...]) -> set[tuple[Action, str]]:
    return {
        (action, project)
        for action in Action
        for project in PROJECTS
        if any(grant.allows(action, "pypiserver", project) for grant in grants)
    }


@given(st.lists(GRANTS, max_size=3).map(tuple), st.lists(GRANTS, min_size=1, max_size=3).map(tuple))
def test_no_accepted_order_is_wider_than_its_policy(given_: tuple[Grant, ...], wanted: tuple[Grant, ...]) -> None:
    """Whatever is ordered and accepted, the policy allows each single access of it; and what it allows as it stands
    is accepted.
    """
    policy = KeyPolicy("p", given_, lifetime=None)
    config = replace(_BLANK, policy=Policy({"p": policy}, ()))
    if refusal(config, Order("p", "me", allow=wanted)) is None:
        assert _may(wanted) <= _may(given_)
        assert not any(grant.create for grant in wanted if Action.UPLOAD in grant.actions) or any(
            grant.create for grant in given_
        )
    assert given_ == () or refusal(config, Order("p", "me", allow=given_)) is None


_BLANK = Config(**dict.fromkeys(Config.__dataclass_fields__))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("networks", "fine"),
    [
        ([], True),
        (["10.1.0.0/16"], True),
        (["10.0.0.0/8"], True),
        (["10.1.0.0/16", "192.0.2.1/32"], False),
        (["::/0"], False),
    ],
    ids=["none of its own", "narrower", "the same", "one outside", "the other family"],
)
def test_networks(config: Config, networks: list[str], fine: bool) -> None:
    """Every network of a key lies within one of its policy's."""
    order = Order("release", "me", networks=tuple(map(ip_network, networks)))
    assert (refusal(config, order) is None) is fine


@pytest.mark.parametrize(
    ("lifetime", "default", "life", "expected"),
    [
        pytest.param(30 * DAY, 90 * DAY, Life.DEFAULT, NOW + 30 * DAY, id="the policy's"),
        pytest.param(365 * DAY, 90 * DAY, Life.DEFAULT, NOW + 90 * DAY, id="the default, where the policy allows more"),
        pytest.param(None, 90 * DAY, Life.DEFAULT, NOW + 90 * DAY, id="the default, where the policy sets no end"),
        pytest.param(None, None, Life.DEFAULT, None, id="no end, which both files say"),
        pytest.param(None, 90 * DAY, Life.NEVER, None, id="no end, which somebody typed"),
        pytest.param(365 * DAY, 90 * DAY, 200 * DAY, NOW + 200 * DAY, id="more than the default, which somebody typed"),
    ],
)
def test_expiry(
    config: Config, lifetime: int | None, default: int | None, life: int | Life, expected: int | None
) -> None:
    """A key without an end takes somebody who wrote `never`."""
    config = replace(_with(config, KeyPolicy("p", (), lifetime)), keys=replace(config.keys, lifetime=default))
    assert expiry(config, Order("p", "me", life=life), NOW) == expected


@pytest.mark.parametrize(
    ("seconds", "words"), [(90 * DAY, "90d"), (36 * 3600, "36h"), (90, "90s"), (120, "2m"), (DAY, "1d")], ids=str
)
def test_in_words(seconds: int, words: str) -> None:
    """A sentence speaks of durations as the configuration does."""
    assert in_words(seconds) == words


def test_what_a_key_may_do_today(config: Config) -> None:
    """Its own grants where it has some, its policy's where not, and nothing where its policy is gone."""
    own = parse_grant("upload:acme-core")
    record = KeyRecord(KeyId("Ab0123456789"), "me", "", "release", (own,), (), None, 0, NOW, None, False, None, ())
    assert allowed(config, record) == ("upload:acme-core",)
    assert allowed(config, replace(record, grants=())) == ("upload+create:acme-*", "read:*")
    assert allowed(config, replace(record, policy="gone")) == ()
