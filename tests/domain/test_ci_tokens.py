"""Each kind of publisher against tokens as its issuer writes them, and against what others would write."""

from typing import Any

import pytest

from tests.domain.trusted import BOT, GITHUB, GITLAB, GOOGLE, NOW, claim, github, gitlab, made, takes
from tests.peers import ci_claims


@pytest.mark.parametrize(
    ("said", "changed", "expected"),
    [
        pytest.param({}, {}, True, id="the repository and the workflow are enough"),
        pytest.param({"environment": "pypi"}, {}, True, id="the environment"),
        pytest.param({"environment": "PyPI"}, {}, True, id="the environment in another case"),
        pytest.param({"environment": "pypi"}, {"environment": "test"}, False, id="another environment"),
        pytest.param({"environment": "pypi"}, {"environment": None}, False, id="no environment"),
        pytest.param({"environment": "pypi"}, {"environment": ""}, False, id="an empty environment"),
        pytest.param({}, {"environment": None}, True, id="no environment where none is asked"),
        pytest.param({"repository": "ACME/Core"}, {}, True, id="the repository in another case"),
        pytest.param({}, {"repository": "evil/core"}, False, id="another repository"),
        pytest.param({}, {"repository": None}, False, id="no repository"),
        pytest.param({}, {"repository_owner": "evil"}, False, id="another owner"),
        pytest.param({"workflow": "other.yml"}, {}, False, id="another workflow"),
        pytest.param(
            {},
            {"job_workflow_ref": "evil/tools/.github/workflows/release.yml@refs/heads/main"},
            False,
            id="a workflow that stands in another repository and is only called from this one",
        ),
        pytest.param({}, {"ref": "refs/heads/evil"}, False, id="a workflow at another ref than the run's"),
        pytest.param({}, {"event_name": "pull_request_target"}, False, id="pull_request_target"),
        pytest.param({}, {"event_name": None}, False, id="no event"),
        pytest.param({}, {"sub": "repo:evil/core:environment:pypi"}, True, id="any subject: it is never asked"),
        pytest.param({"refs": ("refs/tags/*",)}, {}, True, id="a tag"),
        pytest.param({"refs": ("refs/heads/main",)}, {}, False, id="another ref"),
        pytest.param({"refs": ("refs/heads/main", "refs/tags/v1.*")}, {}, True, id="one of two refs"),
        pytest.param({"ref_protected": "true"}, {}, True, id="a protected ref"),
        pytest.param({"ref_protected": "true"}, {"ref_protected": "false"}, False, id="an unprotected one"),
        pytest.param({"repository_id": "74"}, {}, True, id="the id"),
        pytest.param({"repository_id": "75"}, {}, False, id="another id"),
        pytest.param({"repository_owner_id": "1"}, {}, False, id="another owner's id"),
        pytest.param({}, {"iss": "https://token.actions.githubusercontent.com/"}, False, id="almost the issuer"),
        pytest.param({}, {"iss": None}, False, id="no issuer"),
        pytest.param({"issuer": "https://ghe.example/_services/token"}, {}, False, id="of a GitHub of one's own"),
        pytest.param({}, {"repository_id": None}, False, id="no id that first use could pin"),
    ],
)
def test_github(said: dict[str, Any], changed: dict[str, Any], expected: bool) -> None:
    """What is asked of a token of GitHub's."""
    assert takes(github(**said), GITHUB | changed) is expected


@pytest.mark.parametrize(
    ("said", "changed", "expected"),
    [
        pytest.param({}, {}, True, id="the project and the pipeline are enough"),
        pytest.param({"project": "Acme/core"}, {}, True, id="the project in another case"),
        pytest.param({}, {"project_path": "evil/core"}, False, id="another project"),
        pytest.param({}, {"job_project_path": "acme/core"}, True, id="the project that runs it is the same"),
        pytest.param({}, {"job_project_path": "evil/core"}, False, id="a merge request that another project runs"),
        pytest.param({"pipeline": "ci/x.yml"}, {}, False, id="another pipeline"),
        pytest.param(
            {},
            {"ci_config_ref_uri": "gitlab.com/evil/tools//.gitlab-ci.yml@refs/tags/v1.2.0"},
            False,
            id="a pipeline of another project",
        ),
        pytest.param({}, {"ref_path": "refs/heads/main"}, False, id="a pipeline at another ref than the run's"),
        pytest.param({"environment": "pypi"}, {}, True, id="the environment"),
        pytest.param({"environment": "PyPI"}, {}, False, id="the environment in another case"),
        pytest.param({"environment": "pypi"}, {"environment": None}, False, id="no environment"),
        pytest.param({"refs": ("refs/tags/v*",), "ref_protected": "true"}, {}, True, id="a protected tag"),
        pytest.param({"refs": ("v*",)}, {}, False, id="a short ref, which a branch could have as well"),
        pytest.param({"project_id": "20", "namespace_id": "72"}, {}, True, id="the ids"),
        pytest.param({"namespace_id": "73"}, {}, False, id="another group's id"),
        pytest.param({}, {"namespace_id": None}, False, id="no id that first use could pin"),
        pytest.param({"issuer": "https://gitlab.example"}, {}, False, id="of another GitLab"),
    ],
)
def test_gitlab(said: dict[str, Any], changed: dict[str, Any], expected: bool) -> None:
    """What is asked of a token of GitLab's."""
    assert takes(gitlab(**said), GITLAB | changed) is expected


def test_a_gitlab_of_ones_own() -> None:
    """Its host stands in the pipeline's name, so that the claims of one are never those of another."""
    own = gitlab(issuer="https://git.acme.example:8443")
    claims = ci_claims.gitlab("https://git.acme.example:8443", "pypi.example.com", NOW)
    assert takes(own, claims)
    assert not takes(own, claims | {"ci_config_ref_uri": GITLAB["ci_config_ref_uri"]})
    assert not takes(gitlab(), claims)
    assert own.label == "gitlab https://git.acme.example:8443 acme/core .gitlab-ci.yml"


@pytest.mark.parametrize(
    ("said", "changed", "expected"),
    [
        pytest.param({}, {}, True, id="the email"),
        pytest.param({}, {"email_verified": False}, False, id="an email that nobody verified"),
        pytest.param({}, {"email_verified": None}, False, id="an email of which nobody says it"),
        pytest.param({}, {"email": "other@acme-1.iam.gserviceaccount.com"}, False, id="another account"),
        pytest.param({"sub": "105833083285007921344"}, {}, True, id="the number"),
        pytest.param({"sub": "2"}, {}, False, id="another number"),
    ],
)
def test_google(said: dict[str, Any], changed: dict[str, Any], expected: bool) -> None:
    """What is asked of a token of Google's."""
    assert takes(made("google", email=BOT, **said), GOOGLE | changed) is expected


def test_any_issuer() -> None:
    """Claims of its own, also inside of others; all of them have to be met."""
    claims = ci_claims.kubernetes("https://k8s.example", "pypi.example.com", NOW)
    asked = (claim("kubernetes.io>namespace", "release"), claim("sub", "system:serviceaccount:release:*"))
    one = made("oidc", "https://k8s.example", claims=asked)
    assert takes(one, claims)
    assert not takes(one, claims | {"sub": "system:serviceaccount:other:publisher"})
    assert not takes(one, claims | {"kubernetes.io": {"namespace": "other"}})
    assert not takes(one, claims | {"kubernetes.io": "release"})
    assert one.label == ("oidc https://k8s.example kubernetes.io.namespace=release sub=system:serviceaccount:release:*")
    assert one.pinned == ()


def test_claims_narrow_every_kind() -> None:
    """Besides its own checks a kind takes more."""
    hosted = github(claims=(claim("runner_environment", "github-hosted"),))
    assert takes(hosted, GITHUB)
    assert not takes(hosted, GITHUB | {"runner_environment": "self-hosted"})
    assert hosted.label == "github acme/core release.yml runner_environment=github-hosted"
