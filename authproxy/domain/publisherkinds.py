"""The kinds of trusted publishers: for each, which keys of the file name it and which claims they are held against.

One table. A row is one check; what it wants stands in the file, or is made from what stands there. `sub` of GitHub and
of GitLab is in no row: a repository's owner may change its form. Rows may be added to a kind (that narrows it); none is
taken out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from authproxy.domain.claims import Check, Claims, Path, Role, Way, folded, look_up, written


class PublisherKind(StrEnum):
    """Whose tokens these are."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GOOGLE = "google"
    OIDC = "oidc"  # anybody's: the file says which claims


# What a publisher's keys in the file say, by key; single values are lists of one.
Said = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Row:
    """One check. `key` is the key of the file without which it is not asked; None: it is always asked.

    `wanted` are templates over what the file says; None: whatever `key` says, as it stands.
    """

    claim: str
    way: Way
    key: str | None = None
    wanted: tuple[str, ...] | None = None
    role: Role = Role.NAME


@dataclass(frozen=True, slots=True)
class KindTable:
    """What holds for all publishers of a kind."""

    issuer: str | None  # where the file names none
    rows: tuple[Row, ...]
    needed: tuple[str, ...]  # keys without which there is no publisher
    recorded: tuple[str, ...]  # claims that go on record with every upload

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the file that name a publisher of this kind."""
        return tuple(dict.fromkeys(row.key for row in self.rows if row.key is not None))

    def fold(self, key: str) -> Callable[[str], str]:
        """Say how values of this key are written: in lower case where that is the same."""
        return folded if any(row.key == key and row.way is Way.FOLDED for row in self.rows) else str

    @property
    def ids(self) -> tuple[str, ...]:
        """Claims that stay when a name is given away: first use pins those that the file does not give."""
        return tuple(row.claim for row in self.rows if row.role is Role.ID)


def _id(claim: str) -> Row:
    return Row(claim, Way.EXACT, claim, role=Role.ID)


_PROTECTED: Final = Row("ref_protected", Way.EXACT, "ref_protected", ("true",), Role.REF)

KINDS: Final[Mapping[PublisherKind, KindTable]] = {
    # https://docs.github.com/en/actions/reference/security/oidc
    PublisherKind.GITHUB: KindTable(
        issuer="https://token.actions.githubusercontent.com",
        needed=("repository", "workflow"),
        rows=(
            Row("repository", Way.FOLDED, "repository"),
            Row("repository_owner", Way.FOLDED, "repository", ("{owner}",)),
            Row("job_workflow_ref", Way.WORKFLOW, "workflow", ("{repository}", "/.github/workflows/{workflow}")),
            # Runs with the rights of the repository what somebody else's pull request says.
            Row("event_name", Way.NEVER, None, ("pull_request_target",)),
            Row("environment", Way.FOLDED, "environment", role=Role.ENVIRONMENT),
            Row("ref", Way.GLOB, "refs", role=Role.REF),
            _PROTECTED,
            _id("repository_id"),
            _id("repository_owner_id"),
        ),
        recorded=("repository", "ref", "sha", "job_workflow_ref", "run_id", "run_attempt", "environment"),
    ),
    # https://docs.gitlab.com/ci/secrets/id_token_authentication/
    PublisherKind.GITLAB: KindTable(
        issuer="https://gitlab.com",
        needed=("project", "pipeline"),
        rows=(
            Row("project_path", Way.FOLDED, "project"),
            # Of a merge request from a fork, project_path is the fork's and this (18.4) the project's that runs it.
            Row("job_project_path", Way.AGREES, "project"),
            Row("ci_config_ref_uri", Way.PIPELINE, "pipeline", ("{host}/{project}", "//{pipeline}")),
            Row("environment", Way.EXACT, "environment", role=Role.ENVIRONMENT),
            # `ref` is the same for a branch and a tag of one name.
            Row("ref_path", Way.GLOB, "refs", role=Role.REF),
            _PROTECTED,
            _id("project_id"),
            _id("namespace_id"),
        ),
        recorded=(
            *("project_path", "ref_path", "sha", "ci_config_ref_uri"),
            *("pipeline_id", "job_id", "environment"),
        ),
    ),
    # https://developers.google.com/identity/openid-connect/reference
    PublisherKind.GOOGLE: KindTable(
        issuer="https://accounts.google.com",
        needed=("email",),
        rows=(
            Row("email", Way.EXACT, "email"),
            Row("email_verified", Way.EXACT, None, ("true",)),
            # A service account that was deleted and made again has the email of the first and another number.
            _id("sub"),
        ),
        recorded=("email", "sub"),
    ),
    PublisherKind.OIDC: KindTable(issuer=None, needed=("issuer", "claims"), rows=(), recorded=("sub",)),
}

# So much of a claim goes on record; a longer one is cut.
RECORDED_LENGTH: Final = 200


def host_of(issuer: str) -> str:
    """The issuer's URL as GitLab begins `ci_config_ref_uri`: without scheme and final slash."""
    return issuer.partition("://")[2].rstrip("/")


def checks_of(kind: PublisherKind, said: Said, issuer: str) -> tuple[Check, ...]:
    """Read the table for one publisher."""
    texts = {key: values[0] for key, values in said.items()} | {"host": host_of(issuer)}
    texts["owner"] = texts.get("repository", "").partition("/")[0]
    return tuple(
        Check(
            (row.claim,),
            row.way,
            said[row.key or ""] if row.wanted is None else tuple(each.format_map(texts) for each in row.wanted),
            row.role,
        )
        for row in KINDS[kind].rows
        if row.key is None or row.key in said
    )


def recorded(kind: PublisherKind, checks: tuple[Check, ...], claims: Claims) -> dict[str, str]:
    """Pick what goes on record of a token: what tells the run, whatever was checked of an issuer we know not, and ids.

    By the ids a key is told from one that was minted for whoever had the names before.
    """
    paths: list[Path] = [(claim,) for claim in dict.fromkeys([*KINDS[kind].recorded, *KINDS[kind].ids])]
    if kind is PublisherKind.OIDC:
        paths = list(dict.fromkeys([*paths, *(check.path for check in checks)]))
    found = ((".".join(path), written(look_up(claims, path))) for path in paths)
    return {name: text[:RECORDED_LENGTH] for name, text in found if text}
