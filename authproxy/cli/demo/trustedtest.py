"""`authproxy demo --oidc --self-test`: real uv and pdm, and twine by `authproxy exec`: audience, mint, upload, burn.

Over TLS, with no credential configured anywhere; jobs of GitHub's kind and of GitLab's. pdm 2.29 itself burns nothing:
the key that it minted is left for its 15 minutes, and what `authproxy exec` minted for it is burned.
"""

import json
from collections.abc import Callable, Mapping

from authproxy.cli.demo.clients import Command, Outcome
from authproxy.cli.demo.clients import twine_upload as twine_with_key
from authproxy.cli.demo.installation import CORE, WEB, Trust
from authproxy.cli.demo.jobs import (
    STRANGERS,
    burned,
    on_github,
    on_gitlab,
    pdm_publish,
    trusting,
    twine_upload,
    uv_publish,
)
from authproxy.cli.demo.selftest import Stage, StepFailed, Steps, refused, same_bytes, succeeds

# Of the keys of the jobs that published: those that were burned, and that of pdm.
STATES = ["live", "revoked", "revoked", "revoked"]


def _trust(stage: Stage) -> Trust:
    assert stage.made.trust is not None
    return stage.made.trust


def _job(stage: Stage, ci: str, project: str = "acme/core") -> Mapping[str, str]:
    trust = _trust(stage)
    return on_github(trust, project) if ci == "github" else on_gitlab(trust, stage.made.audience, project)


def _authproxy(stage: Stage, *arguments: str) -> Outcome:
    return succeeds(Command("authproxy", (*arguments, "--config", str(stage.made.config), "--json")), stage)


def _uv(ci: str, version: str) -> Callable[[Stage], None]:
    def step(stage: Stage) -> None:
        succeeds(uv_publish(stage.made.url, stage.made.files(CORE, version), _job(stage, ci)), stage)

    return step


def _pdm(stage: Stage) -> None:
    succeeds(pdm_publish(stage.made.url, stage.made.project("1.1"), _job(stage, "gitlab")), stage)


def _pdm_burned(stage: Stage) -> None:
    succeeds(
        burned(stage.made.url, pdm_publish(stage.made.url, stage.made.project("1.2"), _job(stage, "github"))), stage
    )


def _twine(stage: Stage) -> None:
    succeeds(burned(stage.made.url, twine_upload(stage.made.files(CORE, "1.3"), _job(stage, "github"))), stage)


def _burned(stage: Stage) -> None:
    rows = json.loads(_authproxy(stage, "key", "list", "--minted").output)
    states = sorted(row["state"] for row in rows)
    if states != STATES:
        raise StepFailed(f"the minted keys are to be {', '.join(STATES)}, and they are {', '.join(states) or 'none'}")


def _on_record(stage: Stage) -> None:
    rows = json.loads(_authproxy(stage, "audit", "tail", "-n", "100").output)
    claims = [json.loads(row["claims"] or "{}") for row in rows if row["project"] == CORE]
    runs = {each.get("sha") for each in claims}
    if not runs or None in runs:
        raise StepFailed(f"an upload of {CORE} is on record without the commit that it was built of")


def _stranger(ci: str) -> Callable[[Stage], None]:
    def step(stage: Stage) -> None:
        command = uv_publish(stage.made.url, stage.made.files(CORE, "1.4"), _job(stage, ci, STRANGERS))
        refused(command, stage, "no trusted publisher takes this token", STRANGERS)

    return step


def _kept_key(stage: Stage) -> None:
    command = twine_with_key(stage.made.url, stage.core, stage.made.files(CORE, "1.4"))
    trusted = Command(
        command.client, command.arguments, {**command.environment, **trusting(_trust(stage))}, command.quiet
    )
    refused(trusted, stage, "requires 'trusted-publisher'", "authproxy exec --oidc")


def _other_package(stage: Stage) -> None:
    command = uv_publish(stage.made.url, stage.made.files(WEB, "1.0"), _job(stage, "github"))
    refused(command, stage, f"may not upload '{WEB}'")


STEPS: Steps = (
    (f"uv publishes {CORE} 1.0 in a job of GitHub's, with no credential", _uv("github", "1.0")),
    (f"pdm publishes {CORE} 1.1 in a job of GitLab's, with no credential", _pdm),
    (f"pdm publishes {CORE} 1.2 by authproxy exec --oidc", _pdm_burned),
    (f"twine publishes {CORE} 1.3 by authproxy exec --oidc", _twine),
    ("the bytes in the index are the bytes that were sent", same_bytes),
    ("the keys of uv and of authproxy exec have been burned; pdm burns none", _burned),
    ("the record names the commit of every upload", _on_record),
    ("uv shows why a job of another repository gets no key", _stranger("github")),
    ("uv shows why a job of another project gets no key", _stranger("gitlab")),
    (f"the jobs of acme/core may not upload {WEB}", _other_package),
    (f"a key that somebody keeps is refused for {CORE}", _kept_key),
)
