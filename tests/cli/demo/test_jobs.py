"""The variables of a job and the clients that run in one: no credential is among them, and no argument holds a token."""

from pathlib import Path

import pytest
import trustme

from authproxy.cli.demo.installation import Trust
from authproxy.cli.demo.issuer import RUNNER, demo_issuer
from authproxy.cli.demo.jobs import burned, on_github, on_gitlab, pdm_publish, twine_upload, uv_publish
from authproxy.client.citokens import ci_of

URL = "https://127.0.0.1:1/"


@pytest.fixture
def trust(tmp_path: Path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with demo_issuer(authority) as issuer:
        yield Trust(issuer.url, 1, tmp_path / "ca.pem")


def test_both_are_jobs_that_get_a_token(trust: Trust, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `authproxy exec --oidc` finds it in a real CI."""
    monkeypatch.setenv("SSL_CERT_FILE", str(trust.ca_file))
    for name, environ in (("GitHub", on_github(trust)), ("GitLab", on_gitlab(trust, "127.0.0.1:1"))):
        ci = ci_of(environ)
        assert ci.name == name
        assert ci.token_for("127.0.0.1:1", environ).count(".") == 2


def test_what_is_run_has_no_credential(trust: Trust) -> None:
    """Nothing that a client takes for a user name or a password, in variables and arguments alike."""
    job = on_github(trust)
    commands = [uv_publish(URL, "f*", job), pdm_publish(URL, Path("p"), job), burned(URL, twine_upload("f*", job))]
    for command in commands:
        assert RUNNER not in " ".join(command.arguments)
        assert not [name for name in command.environment if "PASSWORD" in name or "USER" in name or "PUBLISH_T" in name]


def test_the_key_is_burned_around_a_command(trust: Trust) -> None:
    """The command stands behind --, as it would alone."""
    inner = pdm_publish(URL, Path("p"), on_github(trust))
    outer = burned(URL, inner)
    assert outer.client == "authproxy"
    assert outer.arguments[:5] == ("exec", "--oidc", "--url", URL, "--")
    assert outer.arguments[6:] == inner.arguments
