"""The jobs by themselves: who builds may not publish, who publishes builds nothing. tests/e2e runs their lines."""

import pytest
import yaml

from authproxy.cli.clientlines import CLIENTS, Purpose, place

AT = place("https://pypi.example.com/", "team/dev")


@pytest.mark.parametrize("form", ["trusted", "twine"])
def test_on_github_one_job_alone_gets_a_token(form: str) -> None:
    """The right stands at the job, behind an environment; nothing of the project is checked out or built there."""
    document = yaml.safe_load(CLIENTS["github"][form].written(AT, frozenset({Purpose.UPLOAD})))
    assert document["permissions"] == {"contents": "read"}
    build, publish = document["jobs"]["build"], document["jobs"]["publish"]
    assert "permissions" not in build
    assert (publish["permissions"], publish["environment"], publish["needs"]) == (
        {"id-token": "write"},
        "pypi",
        "build",
    )
    lines = [step.get("run", step.get("uses")) for step in publish["steps"]]
    assert not [line for line in lines if "checkout" in line or "build" in line]


@pytest.mark.parametrize("form", ["trusted", "twine"])
def test_on_gitlab_one_job_alone_gets_a_token(form: str) -> None:
    """The token is named at the job; it ends with the job, so that the job may not take longer than a token is taken."""
    document = yaml.safe_load(CLIENTS["gitlab"][form].written(AT, frozenset({Purpose.UPLOAD})))
    build, publish = document["build"], document["publish"]
    assert "id_tokens" not in build
    assert publish["id_tokens"] == {"PYPI_EXAMPLE_COM_ID_TOKEN": {"aud": "pypi.example.com"}}
    assert (publish["environment"], publish["needs"], publish["timeout"]) == ("pypi", ["build"], "30 minutes")
    assert not [line for line in publish["script"] if "build" in line]


@pytest.mark.parametrize("client", ["github", "gitlab"])
@pytest.mark.parametrize("form", ["trusted", "twine"])
def test_no_secret_is_named(client: str, form: str) -> None:
    """There is none."""
    text = CLIENTS[client][form].written(AT, frozenset({Purpose.UPLOAD}))
    assert not [
        word for word in ("secrets.", "AUTHPROXY_KEY", "PASSWORD", "TOKEN:") if word in text.replace("_ID_TOKEN:", "")
    ]
