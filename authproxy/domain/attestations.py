"""Attestations of an upload (PEP 740): who says of which file that they published it, and who has to have said so.

An attestation is a statement that a CI's job signed with a key of minutes, and the certificate that names the job. What
is read of one is claimed until somebody has verified it, which is not done here. One counts where its job is that of a
trusted publisher of the package: anybody can sign, in a name of their own.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from authproxy.domain.claims import folded
from authproxy.domain.names import ProjectName
from authproxy.domain.publisherkinds import PublisherKind, host_of
from authproxy.domain.publishers import Publisher

# The certificates of GitHub's own jobs name github.com, and not the host that their tokens come from.
_GITHUB: Final = "token.actions.githubusercontent.com"


class AttestationRule(StrEnum):
    """Whether an upload has to carry one."""

    ALLOW = "allow"
    REQUIRE = "require"


@dataclass(frozen=True, slots=True)
class Attestation:
    """One that is about the file it came with. `publisher` is the URI of a job, or an email."""

    sha256: str  # of it as canonical JSON (RFC 8785), lower-case hex
    predicate: str  # what kind of statement it is
    publisher: str
    issuer: str  # of the tokens of whoever signed
    verified: bool = False  # by sigstore's library; else it is what the attestation claims


@dataclass(frozen=True, slots=True)
class Attested:
    """What an upload carries: those that can be read, or why what was sent counts for nothing."""

    found: tuple[Attestation, ...] = field(default=())
    flaw: str | None = None


NOTHING: Final = Attested()


def written(found: Iterable[Attestation]) -> str | None:
    """Write them for the record, as JSON; None where there are none."""
    listed = [
        {
            "sha256": each.sha256,
            "predicate": each.predicate,
            "publisher": each.publisher,
            "issuer": each.issuer,
            "verified": each.verified,
        }
        for each in found
    ]
    return json.dumps(listed, separators=(",", ":")) if listed else None


def read_written(text: str | None) -> Attested:
    """Read what `written` wrote."""
    return NOTHING if text is None else Attested(tuple(Attestation(**each) for each in json.loads(text)))


def signers(publishers: Iterable[Publisher], project: ProjectName) -> tuple[Publisher, ...]:
    """Those of the trusted publishers whose jobs sign for a package."""
    return tuple(
        each
        for each in publishers
        if job_of(each) is not None and any(pattern.matches(project) for pattern in each.packages)
    )


def is_of(attestation: Attestation, publisher: Publisher) -> bool:
    """Whether the job that signed is the publisher's: its repository, and the file that it runs, at whatever ref."""
    job = job_of(publisher)
    if job is None or attestation.issuer != publisher.issuer:
        return False
    whose, which = job
    name = attestation.publisher
    return folded(name[: len(whose)]) == folded(whose) and name[len(whose) :].startswith(which)


def job_of(publisher: Publisher) -> tuple[str, str] | None:
    """Write what a certificate of the publisher's job begins with: the project, and the file with its @; or None."""
    said, host = publisher.said, host_of(publisher.issuer)
    if publisher.kind is PublisherKind.GITHUB:
        host = "github.com" if host == _GITHUB else host.partition("/")[0]
        return f"https://{host}/{said['repository'][0]}", f"/.github/workflows/{said['workflow'][0]}@"
    if publisher.kind is PublisherKind.GITLAB:
        return f"https://{host}/{said['project'][0]}", f"//{said['pipeline'][0]}@"
    return None
