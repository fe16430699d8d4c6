"""The ID token of the job that we run in: which CI this is, and how it gives a job its token. A table.

Each asks as its own documentation says, for the audience of one proxy. The token is good there for some minutes, for
whoever has it: it is shown to nobody, and the program that is then run does not get what it would be had by.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from authproxy.client import wire
from authproxy.client.errors import ClientError

Environ = Mapping[str, str]

# As the proxy has it: real ones have 1 to 3 KB.
TOKEN_LIMIT: Final = 32 * 1024
# Seconds for a program of the CI's that asks its own server.
PROGRAM_PATIENCE: Final = 30.0
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")

METADATA: Final = "metadata.google.internal"
# What a machine of Google's says that it is (https://cloud.google.com/compute/docs/instances/detect-compute-engine).
PRODUCT: Final = Path("/sys/class/dmi/id/product_name")


@dataclass(frozen=True, slots=True)
class Ci:
    """One CI. `marks` are variables of which one is set there, `keys` those that a token can be had by."""

    name: str
    marks: tuple[str, ...]
    keys: tuple[str, ...]
    token: Callable[[Environ, str], str]

    def token_for(self, audience: str, environ: Environ) -> str:
        """Get the job's token for an audience. Raises ClientError."""
        return shaped(self.token(environ, audience), self.name)


def ci_of(environ: Environ) -> Ci:
    """Say which CI this is. Raises ClientError where it is none that we know."""
    for each in CIS:
        if any(environ.get(mark) for mark in each.marks):
            return each
    if _is_google():
        return GOOGLE
    known = ", ".join(each.name for each in CIS)
    raise ClientError(f"this is no job of {known}: --oidc-token FILE reads its ID token from a file, or - from stdin")


def shaped(text: str, whose: str) -> str:
    """Take the white space off a token. Raises ClientError where it is none; what it is instead is not shown."""
    token = text.strip()
    if len(token) > TOKEN_LIMIT or not _TOKEN.fullmatch(token):
        raise ClientError(f"{whose} gives {len(token)} characters that are no ID token")
    return token


def variable_of(audience: str) -> str:
    """Name the variable in which pdm and twine expect a token for this audience on GitLab (`id` 1.6, ambient.py)."""
    return re.sub(r"^[^A-Z_]", "_", uv_variable_of(audience))


def uv_variable_of(audience: str) -> str:
    """Name the one in which uv does: a digit in front stays (uv 0.13, measured)."""
    return re.sub(r"[^A-Z0-9_]", "_", audience.upper()) + "_ID_TOKEN"


def _github(environ: Environ, audience: str) -> str:
    """https://docs.github.com/en/actions/reference/security/oidc: GET with the runner's own token."""
    url, bearer = environ.get("ACTIONS_ID_TOKEN_REQUEST_URL"), environ.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
    if not url or not bearer:
        raise ClientError(
            "this job may not ask for an ID token: give it `permissions: {id-token: write}` "
            "(on Forgejo `enable-openid-connect: true`)"
        )
    joined = f"{url}{'&' if '?' in url else '?'}audience={quote(audience, safe='')}"
    return _value(wire.ask(joined, headers={"Authorization": f"bearer {bearer}", "Accept": "application/json"}))


def _value(reply: wire.Reply) -> str:
    if reply.status != 200:
        raise ClientError(f"GitHub gives no ID token: it answers {reply.status}")
    try:
        value = json.loads(reply.body)["value"]
    except (ValueError, KeyError, TypeError):
        value = None
    if not isinstance(value, str):
        raise ClientError("GitHub gives no ID token: what it answers has none")
    return value


def _gitlab(environ: Environ, audience: str) -> str:
    """https://docs.gitlab.com/ci/secrets/id_token_authentication/: the pipeline names a variable."""
    name = variable_of(audience)
    token = environ.get(name) or environ.get(uv_variable_of(audience))
    if not token:
        wanted = f"id_tokens: {{{name}: {{aud: {audience}}}}}"
        raise ClientError(f"this job has no ID token for the proxy: give it `{wanted}`")
    return token


def _buildkite(environ: Environ, audience: str) -> str:
    """https://buildkite.com/docs/agent/v3/cli-oidc."""
    return _said(("buildkite-agent", "oidc", "request-token", "--audience", audience), environ)


def _circleci(environ: Environ, audience: str) -> str:
    """https://circleci.com/docs/oidc-tokens-with-custom-claims/; the variable's audience is the organization's."""
    if shutil.which("circleci", path=environ.get("PATH")):
        return _said(("circleci", "run", "oidc", "get", "--claims", json.dumps({"aud": audience})), environ)
    token = environ.get("CIRCLE_OIDC_TOKEN_V2")
    if not token:
        raise ClientError("CircleCI gives this job no ID token: there is neither `circleci` nor CIRCLE_OIDC_TOKEN_V2")
    return token


def _google(environ: Environ, audience: str) -> str:
    """https://cloud.google.com/compute/docs/instances/verifying-instance-identity; `full` is for the email."""
    host = environ.get("GCE_METADATA_HOST") or METADATA
    place = f"http://{host}/computeMetadata/v1/instance/service-accounts/default/identity"
    url = f"{place}?audience={quote(audience, safe='')}&format=full"
    reply = wire.ask(url, headers={"Metadata-Flavor": "Google"}, direct=True)
    if reply.status != 200:
        raise ClientError(f"Google gives no ID token: {host} answers {reply.status}")
    return reply.body.decode("ascii", "replace")


def _is_google() -> bool:
    try:
        return PRODUCT.read_text(encoding="ascii", errors="replace").strip() in {"Google", "Google Compute Engine"}
    except OSError:
        return False


def _said(argv: tuple[str, ...], environ: Environ) -> str:
    """Run a program of the CI's and return what it prints; what it says besides is for the person. No shell."""
    try:
        ran = subprocess.run(  # noqa: S603 - a list, and a program that the CI puts there
            argv,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=PROGRAM_PATIENCE,
            check=False,
        )
    except FileNotFoundError:
        raise ClientError(f"there is no program {argv[0]} here, which gives a job its ID token") from None
    except subprocess.TimeoutExpired:
        raise ClientError(f"{argv[0]} did not give an ID token within {PROGRAM_PATIENCE:g} seconds") from None
    if ran.returncode != 0:
        raise ClientError(f"{argv[0]} gives no ID token: it ended with status {ran.returncode}")
    return ran.stdout.decode("ascii", "replace")


GOOGLE: Final = Ci("Google", ("GCE_METADATA_HOST", "K_SERVICE", "CLOUD_RUN_JOB"), (), _google)
CIS: Final = (
    Ci(
        "GitHub",
        ("ACTIONS_ID_TOKEN_REQUEST_URL", "GITHUB_ACTIONS"),
        ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
        _github,
    ),
    Ci("GitLab", ("GITLAB_CI",), (), _gitlab),
    Ci("Buildkite", ("BUILDKITE",), ("BUILDKITE_AGENT_ACCESS_TOKEN",), _buildkite),
    Ci("CircleCI", ("CIRCLECI",), ("CIRCLE_OIDC_TOKEN", "CIRCLE_OIDC_TOKEN_V2"), _circleci),
    GOOGLE,
)
