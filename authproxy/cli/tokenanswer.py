"""What came of a token, for people and machines: whose it is and what it would mint, or claim by claim why nobody's.

Reads tokens and claims from files and stdin; asks the store for what is pinned. It mints nothing and pins nothing, and
a token that was tried is as good as before.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from authproxy.cli.failures import Failure
from authproxy.cli.options import opened, read_small
from authproxy.domain.claims import Claims
from authproxy.domain.effects import period
from authproxy.domain.grants import ANY
from authproxy.domain.publishers import Matched, Publisher, Trial, Unmatched, match

if TYPE_CHECKING:
    from authproxy.config import Config

STDIN: Final = Path("-")
# Bytes. A token has at most 32 KiB, and its claims are less than that even with white space in them.
INPUT_LIMIT: Final = 64 * 1024

UNJUDGED: Final = "signature, audience and times were not looked at: `authproxy publisher test` takes a whole token"

Found = Matched | Unmatched


def read_input(path: Path, what: str) -> bytes:
    """Read a small file, or stdin. Raises Failure, OSError and click.UsageError."""
    if path == STDIN and sys.stdin.isatty():
        raise click.UsageError(f"{what} comes from stdin: send it there")
    longer, nothing = f"{what} is smaller", f"there is nothing to read: {what} is missing"
    return read_small(None if path == STDIN else path, INPUT_LIMIT, longer=longer, nothing=nothing)


def read_claims(path: Path) -> Claims:
    """Read the claims of a token, as one JSON object. Raises Failure where it is none."""
    from authproxy.oidc.strict import json_object

    raw = read_input(path, "a file with claims")
    try:
        return json_object(raw)
    except ValueError as error:
        token = raw.count(b".") == 2 and raw.strip()[:2] == b"ey"
        advice = "; that is a token, which `authproxy publisher test` reads from stdin" if token else ""
        raise Failure(f"claims are one JSON object, as the payload of a token: {error}{advice}") from None


async def found_in(config: "Config", claims: Claims, *, now: int) -> Found:
    """Find whose claims these are, by this configuration and what the store has pinned. `now` is in unix seconds."""
    if not config.policy.publishers:
        raise Failure("the configuration has no publishers, so that no token gets a key")
    async with opened(config) as store:
        return match(config.policy.publishers.values(), claims, await store.minting.pins(), now=now)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer for claims. `verified` says whether a token was, or only claims were read."""

    found: Found
    verified: bool

    @property
    def trials(self) -> tuple[Trial, ...]:
        """What became of each publisher: the one that takes it first, else the nearest."""
        first = self.found.publisher.label if isinstance(self.found, Matched) else None

        def order(trial: Trial) -> tuple[bool, bool, int]:
            return trial.publisher.label != first, trial.unmet == ("iss",), len(trial.unmet)

        return tuple(sorted(self.found.asked.trials(), key=order))

    def document(self) -> dict[str, object]:
        """It as `--json` shows it."""
        matched = isinstance(self.found, Matched)
        return {
            "matched": matched,
            "verified": self.verified,
            "publisher": self.found.publisher.label if isinstance(self.found, Matched) else None,
            "reason": None if isinstance(self.found, Matched) else self.found.reason,
            "mints": _mints(self.found) if isinstance(self.found, Matched) else None,
            "publishers": [_tried(trial) for trial in self.trials],
        }

    def lines(self) -> Iterator[str]:
        """It as a person reads it."""
        if isinstance(self.found, Matched):
            yield f"yes: {self.found.publisher.label}"
            yield f"  mints  {_terms(self.found.publisher)}"
            pinned = ", ".join(f"{claim} {value}" for claim, value in (self.found.pin or {}).items())
            if pinned:
                yield f"  pins   {pinned}: the first token of this publisher does"
            recorded = self.found.publisher.recorded(self.found.asked.claims)
            yield f"  record {', '.join(f'{claim} {value}' for claim, value in recorded.items()) or '-'}"
        else:
            yield f"no: {self.found.reason}"
        for trial in self.trials:
            yield ""
            yield f"  {trial.publisher.label}"
            for each in trial.findings:
                yield f"    {'✓' if each.met else '✗'} {each.sentence}"
        if not self.verified:
            yield ""
            yield f"  {UNJUDGED}"


def _terms(publisher: Publisher) -> str:
    packages = ", ".join(each.text for each in publisher.packages)
    words = [f"a key of {period(publisher.lifetime)} that may upload {packages}"]
    words += [f"to {', '.join(publisher.grant.indexes)}"] if publisher.grant.indexes != (ANY,) else []
    words += ["also where the index has no such project"] if publisher.create else []
    words += [f"from {', '.join(map(str, publisher.networks))}"] if publisher.networks else []
    return ", ".join(words)


def _mints(found: Matched) -> Mapping[str, object]:
    publisher = found.publisher
    return {
        "packages": [each.text for each in publisher.packages],
        "indexes": list(publisher.grant.indexes),
        "create": publisher.create,
        "lifetime": publisher.lifetime,
        "networks": list(map(str, publisher.networks)),
        "pins": dict(found.pin or {}),
        "claims": publisher.recorded(found.asked.claims),
    }


def _tried(trial: Trial) -> Mapping[str, object]:
    findings = [{"claim": each.claim, "met": each.met, "sentence": each.sentence} for each in trial.findings]
    return {"publisher": trial.publisher.label, "met": trial.met, "findings": findings}
