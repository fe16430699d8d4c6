"""The claims of nine kinds of CI, with the names and types that theirs have; the values are ours. Two are the demo's.

Each function takes the issuer's URL, the audience and the time (unix seconds), and says where its shape was looked up.
What an issuer writes its own way (a list for one audience, an audience that nobody chooses, no `jti`, `nbf` before
`iat`) is kept, because that is what breaks a verifier.
"""

from collections.abc import Callable, Mapping

from authproxy.cli.demo.cishapes import SHA, github, gitlab

Shape = Callable[[str, str, int], dict[str, object]]

# Azure DevOps lets no job choose (same source as its claims).
AZURE_AUDIENCE = "api://AzureADTokenExchange"


def google(issuer: str, audience: str, now: int) -> dict[str, object]:
    """docs.cloud.google.com, service account ID tokens; no `jti`, and an hour long."""
    return {
        "aud": audience,
        "azp": "105833083285007921344",
        "email": "release@acme-1.iam.gserviceaccount.com",
        "email_verified": True,
        "exp": now + 3600,
        "iat": now,
        "iss": issuer,
        "sub": "105833083285007921344",
    }


def buildkite(issuer: str, audience: str, now: int) -> dict[str, object]:
    """buildkite/docs, pages/agent/v3/cli_oidc.md; `organization_id` and `pipeline_id` are asked for with --claim."""
    return {
        "iss": issuer,
        "sub": f"organization:acme-inc:pipeline:core:ref:refs/tags/v1.2.0:commit:{SHA}:step:publish",
        "aud": audience,
        "iat": now,
        "nbf": now,
        "exp": now + 300,
        "organization_slug": "acme-inc",
        "organization_id": "0184990a-477b-4fa8-9968-496074483cec",
        "pipeline_slug": "core",
        "pipeline_id": "0184990a-4782-42b5-afc1-16715b10b1b0",
        "build_number": 1,
        "build_branch": "main",
        "build_tag": "v1.2.0",
        "build_commit": SHA,
        "step_key": "publish",
        "job_id": "0184990a-477b-4fa8-9968-496074483cee",
        "agent_id": "0184990a-4782-42b5-afc1-16715b10b8ff",
        "build_source": "webhook",
        "runner_environment": "self-hosted",
    }


def circleci(issuer: str, audience: str, now: int) -> dict[str, object]:
    """circleci.com/docs/openid-connect-tokens, its claims table; the issuer ends in /org/<organization id>."""
    return {
        "iss": issuer,
        "sub": "org/c9035eb6-6eb2-4c85-8a81-d9ed6a1d1d1e/project/3a2f5b1c-7d4e-4f6a-9b8c-0d1e2f3a4b5c/user/5e6f7a8b-9c0d-4e1f-a2b3-c4d5e6f7a8b9",
        "aud": audience,
        "iat": now,
        "exp": now + 3600,
        "oidc.circleci.com/context-ids": ["7b6a5c4d-3e2f-4a1b-8c9d-0e1f2a3b4c5d"],
        "oidc.circleci.com/job-id": "1f2e3d4c-5b6a-4978-8695-a4b3c2d1e0f9",
        "oidc.circleci.com/org-id": "c9035eb6-6eb2-4c85-8a81-d9ed6a1d1d1e",
        "oidc.circleci.com/pipeline-definition-id": "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
        "oidc.circleci.com/pipeline-id": "9f8e7d6c-5b4a-4c3d-8e2f-1a0b9c8d7e6f",
        "oidc.circleci.com/project-id": "3a2f5b1c-7d4e-4f6a-9b8c-0d1e2f3a4b5c",
        "oidc.circleci.com/ssh-rerun": False,
        "oidc.circleci.com/vcs-origin": "github.com/acme/core",
        "oidc.circleci.com/vcs-ref": "refs/tags/v1.2.0",
        "oidc.circleci.com/workflow-id": "2b3c4d5e-6f7a-4b8c-9d0e-1f2a3b4c5d6e",
    }


def azure_devops(issuer: str, _audience: str, now: int) -> dict[str, object]:
    """gravitational/teleport, rfd/0211 (a token of a pipeline, as Azure DevOps gave it); the audience is fixed."""
    return {
        "jti": f"90b75b0a-{now}-4b71",
        "sub": "p://acme/core/release",
        "aud": AZURE_AUDIENCE,
        "org_id": "0ca3ddd9-f0b0-4635-a98c-5866526961b6",
        "prj_id": "271ef6f7-5998-4b0f-86fb-4b54d9129990",
        "def_id": "1",
        "rpo_id": "acme/core",
        "rpo_uri": "https://github.com/acme/core.git",
        "rpo_ver": SHA,
        "rpo_ref": "refs/tags/v1.2.0",
        "run_id": "5",
        "iss": issuer,
        "nbf": now - 600,
        "exp": now + 299,
        "iat": now,
    }


def kubernetes(issuer: str, audience: str, now: int) -> dict[str, object]:
    """A projected service account token (kubernetes.io, "Manage Service Accounts"): `aud` is always a list."""
    return {
        "aud": [audience],
        "exp": now + 3600,
        "iat": now,
        "iss": issuer,
        "jti": f"e51f1fbc-{now}-4b85",
        "kubernetes.io": {
            "namespace": "release",
            "node": {"name": "worker-1", "uid": "517eb86e-b863-451b-bf70-86cb61439a3a"},
            "pod": {"name": "publish-x7k2p", "uid": "0d8b260e-ef0e-45fb-be8e-ff44f97722e8"},
            "serviceaccount": {"name": "publisher", "uid": "e6a8680e-d103-4cce-80ea-03acbbeacf7d"},
        },
        "nbf": now,
        "sub": "system:serviceaccount:release:publisher",
    }


def forgejo(issuer: str, audience: str, now: int) -> dict[str, object]:
    """forgejo.org/docs, user/actions/security-openid-connect; the ids came with forgejo/forgejo#12355; no `jti`."""
    return {
        "actor": "user1",
        "actor_id": "3",
        "aud": audience,
        "event_name": "push",
        "exp": now + 3600,
        "iat": now,
        "iss": issuer,
        "nbf": now,
        "ref": "refs/tags/v1.2.0",
        "ref_protected": "false",
        "ref_type": "tag",
        "repository": "acme/core",
        "repository_id": "7",
        "repository_owner": "acme",
        "repository_owner_id": "5",
        "run_attempt": "1",
        "run_id": "43",
        "run_number": "43",
        "sha": SHA,
        "sub": "repo:acme/core:ref:refs/tags/v1.2.0",
        "workflow": "release.yml",
        "workflow_ref": "acme/core/.forgejo/workflows/release.yml@refs/tags/v1.2.0",
    }


def jenkins(issuer: str, audience: str, now: int) -> dict[str, object]:
    """jenkinsci/oidc-provider-plugin, IdTokenCredentials.java and its default claim templates; no `jti`, no `nbf`."""
    return {
        "iss": issuer,
        "aud": audience,
        "exp": now + 3600,
        "iat": now,
        "sub": "https://ci.example.com/job/core-release/",
        "build_number": 42,
    }


SHAPES: Mapping[str, Shape] = {
    "github": github,
    "gitlab": gitlab,
    "google": google,
    "buildkite": buildkite,
    "circleci": circleci,
    "azure-devops": azure_devops,
    "kubernetes": kubernetes,
    "forgejo": forgejo,
    "jenkins": jenkins,
}
# What the header of a token has besides alg, kid and typ: GitHub and Azure DevOps write a thumbprint, Jenkins and
# Kubernetes no `typ` (None takes it away).
HEADERS: Mapping[str, Mapping[str, object]] = {
    "github": {"x5t": "example-thumbprint"},
    "azure-devops": {"x5t": "kzPXvqRO0CuS4jozODG8wmD3Tfs"},
    "kubernetes": {"typ": None},
    "jenkins": {"typ": None},
}
