"""Uploads of a job of CI that has no credential at all: the variables that it finds, and the clients that it runs.

The variables are those that GitHub and GitLab give their jobs; behind them stands the demo's issuer.
"""

import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

from authproxy.cli.demo.clients import Command, program
from authproxy.cli.demo.installation import Trust
from authproxy.cli.demo.issuer import GITHUB_JOB, GITLAB_JOB, RUNNER
from authproxy.client.citokens import uv_variable_of, variable_of

OURS = "acme/core"
STRANGERS = "stranger/core"
SECONDS = 10.0  # for the issuer, which is in our own process
ALWAYS = ("--trusted-publishing", "always")


def trusting(trust: Trust) -> dict[str, str]:
    """Let clients trust the demo's certificates: uv and ours read the first, pdm and twine the second."""
    return {"SSL_CERT_FILE": str(trust.ca_file), "REQUESTS_CA_BUNDLE": str(trust.ca_file)}


def on_github(trust: Trust, project: str = OURS) -> dict[str, str]:
    """The variables of a job on GitHub with `permissions: {id-token: write}`."""
    return {
        "GITHUB_ACTIONS": "true",
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{trust.issuer}{GITHUB_JOB}?project={quote(project)}",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": RUNNER,
        **trusting(trust),
    }


def on_gitlab(trust: Trust, audience: str, project: str = OURS) -> dict[str, str]:
    """The variables of a job on GitLab whose pipeline names the audience under `id_tokens`."""
    secured = HTTPSHandler(context=ssl.create_default_context(cafile=trust.ca_file))
    url = f"{trust.issuer}{GITLAB_JOB}?project={quote(project)}&audience={quote(audience)}"
    with build_opener(ProxyHandler({}), secured).open(url, timeout=SECONDS) as answer:
        token = answer.read().decode("ascii")
    names = (variable_of(audience), uv_variable_of(audience))
    return {"GITLAB_CI": "true", **dict.fromkeys(names, token), **trusting(trust)}


def uv_publish(url: str, files: str, job: Mapping[str, str]) -> Command:
    """Publish with uv, which asks the proxy and the CI by itself."""
    return Command("uv", ("publish", *ALWAYS, "--publish-url", url, files), job)


def pdm_publish(url: str, project: Path, job: Mapping[str, str]) -> Command:
    """Publish with pdm, which does the same; it wants a project."""
    quiet = {"PDM_CHECK_UPDATE": "0"}
    return Command("pdm", ("publish", "--no-build", "--project", str(project), "--repository", url), {**job, **quiet})


def twine_upload(files: str, job: Mapping[str, str]) -> Command:
    """Upload with twine, which asks nobody: it is for `burned`."""
    return Command("twine", ("upload", "--non-interactive", files), job)


def burned(url: str, command: Command) -> Command:
    """Let `authproxy exec` ask, run the command, and burn the key."""
    words = ("exec", "--oidc", "--url", url, "--", program(command.client), *command.arguments)
    return Command("authproxy", words, command.environment)
