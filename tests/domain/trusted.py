"""Trusted publishers and tokens of their issuers, for tests."""

from collections.abc import Mapping
from typing import Any

from authproxy.domain.claims import Check, Claims, Way
from authproxy.domain.grants import pattern
from authproxy.domain.publisherkinds import PublisherKind
from authproxy.domain.publishers import Matched, Pin, Publisher, Unmatched, match, publisher
from tests.peers import ci_claims

NOW = 1_800_000_000
CORE = (pattern("acme-core"),)


def made(kind: str, issuer: str | None = None, **said: Any) -> Publisher:
    """A publisher of what a file would say."""
    more = {key: said.pop(key) for key in ("create", "packages", "claims", "lifetime") if key in said}
    texts = {key: value if isinstance(value, tuple) else (value,) for key, value in said.items()}
    return publisher(PublisherKind(kind), texts, issuer=issuer, **({"packages": CORE} | more))


def github(**said: Any) -> Publisher:
    return made("github", **({"repository": "acme/core", "workflow": "release.yml"} | said))


def gitlab(**said: Any) -> Publisher:
    return made("gitlab", **({"project": "acme/core", "pipeline": ".gitlab-ci.yml"} | said))


def claim(name: str, *wanted: str) -> Check:
    return Check(tuple(name.split(">")), Way.GLOB, wanted)


GITHUB = ci_claims.github("https://token.actions.githubusercontent.com", "pypi.example.com", NOW)
GITLAB = ci_claims.gitlab("https://gitlab.com", "pypi.example.com", NOW)
GOOGLE = ci_claims.google("https://accounts.google.com", "pypi.example.com", NOW)
BOT = "release@acme-1.iam.gserviceaccount.com"


def found(claims: Claims, *publishers: Publisher, pins: Mapping[str, Pin] | None = None) -> Matched | Unmatched:
    return match(publishers, claims, pins or {}, now=NOW)


def takes(each: Publisher, claims: Claims, **pins: str) -> bool:
    """Whether it takes the token; the pins are those of its first use."""
    answer = found(claims, each, pins={each.label: Pin(NOW - 9, NOW - 5, pins)} if pins else None)
    [trial] = answer.asked.trials()
    assert trial.met is isinstance(answer, Matched), "both ways to ask have one answer"
    assert isinstance(answer, Matched) or trial.unmet
    return isinstance(answer, Matched)
