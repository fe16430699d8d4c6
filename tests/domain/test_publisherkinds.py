"""The table of kinds: what each takes, which claims it checks, and what of a token goes on record."""

import pytest

from authproxy.domain.claims import Check, Role, Way
from authproxy.domain.publisherkinds import (
    KINDS,
    RECORDED_LENGTH,
    PublisherKind,
    checks_of,
    host_of,
    recorded,
)
from tests.peers.ci_claims import github, gitlab

NOW = 1_800_000_000


@pytest.mark.parametrize(
    ("kind", "said", "issuer", "expected"),
    [
        (
            PublisherKind.GITHUB,
            {"repository": ("Acme/core",), "workflow": ("release.yml",)},
            "https://token.actions.githubusercontent.com",
            [
                Check(("repository",), Way.FOLDED, ("Acme/core",)),
                Check(("repository_owner",), Way.FOLDED, ("Acme",)),
                Check(("job_workflow_ref",), Way.WORKFLOW, ("Acme/core", "/.github/workflows/release.yml")),
                Check(("event_name",), Way.NEVER, ("pull_request_target",)),
            ],
        ),
        (
            PublisherKind.GITLAB,
            {
                "project": ("acme/py/core",),
                "pipeline": ("ci/release.yml",),
                "refs": ("refs/tags/*", "refs/heads/main"),
                "ref_protected": ("true",),
                "project_id": ("20",),
            },
            "https://gitlab.example/sub/",
            [
                Check(("project_path",), Way.FOLDED, ("acme/py/core",)),
                Check(("job_project_path",), Way.AGREES, ("acme/py/core",)),
                Check(
                    ("ci_config_ref_uri",), Way.PIPELINE, ("gitlab.example/sub/acme/py/core", "//ci/release.yml")
                ),
                Check(("ref_path",), Way.GLOB, ("refs/tags/*", "refs/heads/main"), Role.REF),
                Check(("ref_protected",), Way.EXACT, ("true",), Role.REF),
                Check(("project_id",), Way.EXACT, ("20",), Role.ID),
            ],
        ),
        (
            PublisherKind.GOOGLE,
            {"email": ("ci@a.example",)},
            "https://accounts.google.com",
            [
                Check(("email",), Way.EXACT, ("ci@a.example",)),
                Check(("email_verified",), Way.EXACT, ("true",)),
            ],
        ),
        (PublisherKind.OIDC, {}, "https://ci.example", []),
    ],
)  # fmt: skip
def test_what_is_checked(
    kind: PublisherKind, said: dict[str, tuple[str, ...]], issuer: str, expected: list[Check]
) -> None:
    """The checks of a publisher, all of them."""
    assert list(checks_of(kind, said, issuer)) == expected


def test_braces_of_the_file_are_only_text() -> None:
    """What the file says is put into a template and is none itself."""
    [*_, file, _] = checks_of(
        PublisherKind.GITHUB, {"repository": ("a/{workflow}",), "workflow": ("{host}.yml",)}, "https://x"
    )
    assert file.wanted == ("a/{workflow}", "/.github/workflows/{host}.yml")


@pytest.mark.parametrize("kind", PublisherKind)
def test_every_kind_asks_for_something_that_names_it(kind: PublisherKind) -> None:
    """The keys without which there is no publisher are keys of the kind; a kind without rows has claims instead."""
    table = KINDS[kind]
    assert set(table.needed) <= {*table.keys, "issuer", "claims"}
    assert table.needed
    assert bool(table.rows) is not ("claims" in table.needed)
    assert set(table.ids) <= set(table.keys)


def test_what_is_written_in_lower_case() -> None:
    """Names that GitHub and GitLab take in any case, so that one publisher is not two; nothing else."""
    github, gitlab = KINDS[PublisherKind.GITHUB], KINDS[PublisherKind.GITLAB]
    assert [key for key in github.keys if github.fold(key)("X") == "x"] == ["repository", "environment"]
    assert [key for key in gitlab.keys if gitlab.fold(key)("X") == "x"] == ["project"]


@pytest.mark.parametrize("kind", PublisherKind)
def test_the_subject_of_github_and_gitlab_is_never_asked(kind: PublisherKind) -> None:
    """Whoever owns the repository may change its form, to one that is another's."""
    asked = {row.claim for row in KINDS[kind].rows}
    assert ("sub" in asked) is (kind is PublisherKind.GOOGLE)


@pytest.mark.parametrize(
    ("issuer", "host"),
    [("https://gitlab.com", "gitlab.com"), ("https://g.example:8443/sub/", "g.example:8443/sub")],
)
def test_the_host_of_an_issuer(issuer: str, host: str) -> None:
    """As GitLab begins ci_config_ref_uri."""
    assert host_of(issuer) == host


def test_what_goes_on_record() -> None:
    """What tells the run, and the ids; nothing that is missing, and of a long claim the beginning."""
    claims = github("https://x", "y", NOW)
    assert recorded(PublisherKind.GITHUB, (), claims) == {
        "repository": "acme/core",
        "ref": "refs/tags/v1.2.0",
        "sha": claims["sha"],
        "job_workflow_ref": "acme/core/.github/workflows/release.yml@refs/tags/v1.2.0",
        "run_id": "9876543210",
        "run_attempt": "1",
        "environment": "pypi",
        "repository_id": "74",
        "repository_owner_id": "65",
    }
    assert "environment" not in recorded(PublisherKind.GITHUB, (), claims | {"environment": ""})
    at_gitlab = recorded(PublisherKind.GITLAB, (), gitlab("https://x", "y", NOW))
    assert (at_gitlab["pipeline_id"], at_gitlab["project_id"], at_gitlab["namespace_id"]) == ("574", "20", "72")
    assert recorded(PublisherKind.GOOGLE, (), {"email": "a" * 500}) == {"email": "a" * RECORDED_LENGTH}


def test_of_an_issuer_that_we_do_not_know_the_checked_claims_go_on_record() -> None:
    """And its subject; each once."""
    checks = (
        Check(("sub",), Way.GLOB, ("x*",)),
        Check(("kubernetes.io", "namespace"), Way.GLOB, ("ci",)),
        Check(("list",), Way.GLOB, ("ci",)),
    )
    claims = {"sub": "xy", "kubernetes.io": {"namespace": "ci"}, "list": ["ci"], "other": "z"}
    assert recorded(PublisherKind.OIDC, checks, claims) == {"sub": "xy", "kubernetes.io.namespace": "ci"}
