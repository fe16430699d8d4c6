"""The claims of a job's token as GitHub and GitLab write them: the names and types are theirs, the values ours.

Each takes the issuer's URL, the audience, the time (unix seconds) and the project, and says where its shape was looked
up. What an issuer does its own way (`nbf` long before `iat`) is kept, because that is what breaks a verifier.
"""

from typing import Final

SHA: Final = "9f3182061f1e2cca4702c368cbc039b7dc9d4485"


def github(issuer: str, audience: str, now: int, project: str = "acme/core") -> dict[str, object]:
    """github/docs, content/actions/reference/security/oidc.md, and the example token of its concepts page."""
    owner = project.partition("/")[0]
    return {
        "jti": f"a1b2c3d4-{now}-4f6a",
        "sub": f"repo:{project}:environment:pypi",
        "aud": audience,
        "iss": issuer,
        "ref": "refs/tags/v1.2.0",
        "ref_type": "tag",
        "ref_protected": "true",
        "sha": SHA,
        "repository": project,
        "repository_id": "74",
        "repository_owner": owner,
        "repository_owner_id": "65",
        "repository_visibility": "private",
        "environment": "pypi",
        "workflow": "Release",
        "workflow_ref": f"{project}/.github/workflows/release.yml@refs/tags/v1.2.0",
        "workflow_sha": SHA,
        "job_workflow_ref": f"{project}/.github/workflows/release.yml@refs/tags/v1.2.0",
        "job_workflow_sha": SHA,
        "event_name": "push",
        "actor": "octocat",
        "actor_id": "12",
        "run_id": "9876543210",
        "run_number": "10",
        "run_attempt": "1",
        "runner_environment": "github-hosted",
        "head_ref": "",
        "base_ref": "",
        "nbf": now - 600,
        "iat": now,
        "exp": now + 300,
    }


def gitlab(issuer: str, audience: str, now: int, project: str = "acme/core") -> dict[str, object]:
    """docs.gitlab.com, ci/secrets/id_token_authentication ("Token payload")."""
    host = issuer.removeprefix("https://")
    return {
        "namespace_id": "72",
        "namespace_path": project.rpartition("/")[0],
        "project_id": "20",
        "project_path": project,
        "user_id": "1",
        "user_login": "sample-user",
        "user_email": "sample-user@example.com",
        "user_access_level": "developer",
        "pipeline_id": "574",
        "pipeline_source": "push",
        "job_id": "302",
        "ref": "v1.2.0",
        "ref_type": "tag",
        "ref_path": "refs/tags/v1.2.0",
        "ref_protected": "true",
        "groups_direct": ["acme"],
        "environment": "pypi",
        "environment_protected": "true",
        "deployment_tier": "production",
        "deployment_action": "start",
        "runner_id": 1,
        "runner_environment": "self-hosted",
        "sha": SHA,
        "project_visibility": "private",
        "ci_config_ref_uri": f"{host}/{project}//.gitlab-ci.yml@refs/tags/v1.2.0",
        "ci_config_sha": SHA,
        "jti": f"235b3a54-{now}-b797",
        "iss": issuer,
        "iat": now,
        "nbf": now - 5,
        "exp": now + 3600,
        "sub": f"project_path:{project}:ref_type:tag:ref:v1.2.0",
        "aud": audience,
    }
