"""Attestations of an upload (PEP 740): who says of which file that they published it, and who has to have said so.

An attestation is a statement that a CI's job signed with a key of minutes, and the certificate that names the job. What
is read of one is claimed until somebody has verified it, which is not done here. One counts where its job is that of a
trusted publisher of the package: anybody can sign, in a name of their own.

The name in a certificate is that of the file which signed, and another repository may call a reusable workflow of ours:
so the run has to have been for the publisher's repository as well, by URL and by the ids that are known of it, and to
have been started by a file of it.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from authproxy.domain.claims import folded
from authproxy.domain.names import ProjectName
from authproxy.domain.publisherkinds import KINDS, PublisherKind, host_of
from authproxy.domain.publishers import Publisher
from authproxy.domain.refusal import quoted

# Runs with the rights of the repository what somebody else's pull request says; no token of such a run gets a key.
_STRANGERS: Final = "pull_request_target"
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
    # Of the repository that the run was for: its URL, its id, its owner's id; None where the certificate names none.
    source: str | None = None
    source_id: str | None = None
    owner_id: str | None = None
    started: str | None = None  # the URI of the file that the run was started from
    trigger: str | None = None  # the event that it was started by


@dataclass(frozen=True, slots=True)
class Attested:
    """What an upload carries: those that can be read, or why what was sent counts for nothing."""

    found: tuple[Attestation, ...] = field(default=())
    flaw: str | None = None
    # Whom the names of publishers belonged to at first use, by label: ids by claim.
    pins: Mapping[str, Mapping[str, str]] = field(default_factory=dict, hash=False)


NOTHING: Final = Attested()


# What a record has of the run; an older one has none of it.
_OF_RUN: Final = ("source", "source_id", "owner_id", "started", "trigger")


def written(found: Iterable[Attestation]) -> str | None:
    """Write them for the record, as JSON; None where there are none."""
    listed = [
        {
            "sha256": each.sha256,
            "predicate": each.predicate,
            "publisher": each.publisher,
            "issuer": each.issuer,
            "verified": each.verified,
            **{name: getattr(each, name) for name in _OF_RUN if getattr(each, name) is not None},
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


def is_of(attestation: Attestation, publisher: Publisher, pinned: Mapping[str, str]) -> bool:
    """Whether the job that signed is the publisher's: the file that it runs, at whatever ref, in a run for its project.

    `pinned` are the ids that the publisher's names stood for at first use; an id that is asked for and that the
    certificate lacks is not met. The file is the one that signed, as it is for a token (`Way.WORKFLOW`): a reusable
    workflow of the repository itself may be started from another file of it.
    """
    job = job_of(publisher)
    if job is None or attestation.issuer != publisher.issuer or attestation.trigger in (None, _STRANGERS):
        return False
    whose, which = job
    if folded(attestation.source or "") != folded(whose) or _within(attestation.started or "", whose) is None:
        return False
    ids = dict(zip(KINDS[publisher.kind].ids, (attestation.source_id, attestation.owner_id), strict=True))
    asked = [*pinned.items(), *((claim, publisher.said[claim][0]) for claim in ids if claim in publisher.said)]
    if any(ids.get(claim) != value for claim, value in asked):
        return False
    return (_within(attestation.publisher, whose) or "").startswith(which)


def _within(uri: str, whose: str) -> str | None:
    """Return what follows the project in the URI of one of its files; None where it is of another project."""
    rest = uri[len(whose) :]
    return rest if folded(uri[: len(whose)]) == folded(whose) and rest.startswith("/") else None


def told(attestation: Attestation) -> str:
    """Write who signed, and what the run was for, which a name that looks right does not say."""
    ids = [(attestation.source_id, "id"), (attestation.owner_id, "owner")]
    numbers = ", ".join(f"{name} {quoted(number)}" for number, name in ids if number is not None)
    source = "no repository" if attestation.source is None else quoted(attestation.source)
    words = [f"{quoted(attestation.publisher)} for {source}{f' ({numbers})' if numbers else ''}"]
    if attestation.trigger in (None, _STRANGERS):
        words.append(f"for {'no event' if attestation.trigger is None else f'a {quoted(attestation.trigger)}'}")
    if attestation.started not in (None, attestation.publisher):
        words.append(f"started by {quoted(attestation.started or '')}")
    return ", ".join(words)


def job_of(publisher: Publisher) -> tuple[str, str] | None:
    """Write what a certificate of the publisher's job begins with: the project's URL, the file with its @; or None."""
    said, host = publisher.said, host_of(publisher.issuer)
    if publisher.kind is PublisherKind.GITHUB:
        host = "github.com" if host == _GITHUB else host.partition("/")[0]
        return f"https://{host}/{said['repository'][0]}", f"/.github/workflows/{said['workflow'][0]}@"
    if publisher.kind is PublisherKind.GITLAB:
        return f"https://{host}/{said['project'][0]}", f"//{said['pipeline'][0]}@"
    return None
