"""The job's ID token, CI by CI: asked for as that CI's documentation says, from real servers and real programs."""

import base64
import json
import sys
from pathlib import Path

import pytest

from authproxy.client import citokens
from authproxy.client.citokens import ci_of, shaped, variable_of
from authproxy.client.errors import ClientError
from tests.peers.ci_claims import SHAPES
from tests.peers.desk import AUDIENCE, TOKEN, Desk, said
from tests.peers.recording import RecordingIndex, Reply


@pytest.fixture
def desk(recording: RecordingIndex, monkeypatch: pytest.MonkeyPatch) -> Desk:
    for name in ("http_proxy", "HTTP_PROXY", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    return Desk(recording)


def program(folder: Path, name: str, body: str) -> dict[str, str]:
    """A program of the CI's on the PATH; it writes its arguments beside itself."""
    path = folder / name
    path.write_text(
        f"#!{sys.executable}\nimport sys\nopen(__file__ + '.argv', 'w').write(repr(sys.argv[1:]))\n{body}\n"
    )
    path.chmod(0o755)
    return {"PATH": str(folder)}


def test_github(desk: Desk) -> None:
    """A GET with the runner's own token, the audience quoted behind whatever query the URL has."""
    ci = ci_of(desk.github)
    assert (ci.name, ci.token_for("a&b=c", desk.github)) == ("GitHub", TOKEN)
    assert desk.server.requests[0].target == "/job?run=7&audience=a%26b%3Dc"


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        pytest.param(said({"message": "no"}, 403), "it answers 403", id="no"),
        pytest.param(Reply(200, b"<html>"), "what it answers has none", id="no JSON"),
        pytest.param(said({"value": 7}), "what it answers has none", id="no text"),
        pytest.param(said(["value"]), "what it answers has none", id="a list"),
        pytest.param(said({"value": "x"}), "GitHub gives 1 characters that are no ID token", id="no token"),
    ],
)
def test_github_gives_none(desk: Desk, answer: Reply, sentence: str) -> None:
    """Each in a sentence."""
    desk.replies["/job"] = answer
    with pytest.raises(ClientError, match=sentence):
        ci_of(desk.github).token_for(AUDIENCE, desk.github)


@pytest.mark.parametrize("name", ["ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"])
def test_a_job_of_github_without_the_permission(desk: Desk, name: str) -> None:
    """What to write into the workflow."""
    environ = desk.github | {name: ""}
    with pytest.raises(ClientError, match=r"permissions: \{id-token: write\}"):
        ci_of(environ).token_for(AUDIENCE, environ)


def test_gitlab() -> None:
    """A variable that is called after the audience; without it, what to write into the pipeline."""
    environ = {"GITLAB_CI": "true", "PYPI_ACME_TEST_ID_TOKEN": TOKEN}
    ci = ci_of(environ)
    assert (ci.name, ci.token_for(AUDIENCE, environ)) == ("GitLab", TOKEN)
    assert ci.token_for("8.8.8.8", {"8_8_8_8_ID_TOKEN": TOKEN}) == TOKEN, "as uv calls it"
    with pytest.raises(ClientError, match=r"id_tokens: \{PYPI_OTHER_TEST_ID_TOKEN: {aud: pypi.other.test}}"):
        ci.token_for("pypi.other.test", environ)


@pytest.mark.parametrize("audience", [AUDIENCE, "localhost:8443", "8.8.8.8", "team_pypi", "A-b", "püpi"])
def test_the_variable_is_the_one_that_other_clients_read(audience: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """twine finds its token with the package `id`, which finds it under the same name."""
    ambient = pytest.importorskip("id")
    payload = base64.urlsafe_b64encode(json.dumps({"aud": audience}).encode()).decode().rstrip("=")
    for name in ("GITHUB_ACTIONS", "BUILDKITE", "CIRCLECI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GITLAB_CI", "true")
    monkeypatch.setenv(variable_of(audience), f"a.{payload}.c")
    assert ambient.detect_credential(audience) == f"a.{payload}.c"


def test_buildkite(tmp_path: Path) -> None:
    """The agent is asked, by arguments and without a shell."""
    environ = {"BUILDKITE": "true", **program(tmp_path, "buildkite-agent", f"print({TOKEN!r})")}
    ci = ci_of(environ)
    assert (ci.name, ci.token_for("$(x)", environ)) == ("Buildkite", TOKEN)
    assert (tmp_path / "buildkite-agent.argv").read_text() == repr(["oidc", "request-token", "--audience", "$(x)"])


def test_circleci(tmp_path: Path) -> None:
    """`circleci run oidc get` for this proxy's audience; where there is no such program the job's own token."""
    environ = {
        "CIRCLECI": "true",
        "CIRCLE_OIDC_TOKEN_V2": "a.b.c",
        **program(tmp_path, "circleci", f"print({TOKEN!r})"),
    }
    ci = ci_of(environ)
    assert (ci.name, ci.token_for(AUDIENCE, environ)) == ("CircleCI", TOKEN)
    argv = ["run", "oidc", "get", "--claims", '{"aud": "pypi.acme.test"}']
    assert (tmp_path / "circleci.argv").read_text() == repr(argv)
    assert ci.token_for(AUDIENCE, environ | {"PATH": "/nowhere"}) == "a.b.c"
    with pytest.raises(ClientError, match="neither `circleci` nor CIRCLE_OIDC_TOKEN_V2"):
        ci.token_for(AUDIENCE, {"CIRCLECI": "true", "PATH": "/nowhere"})


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        pytest.param("sys.exit(3)", "buildkite-agent gives no ID token: it ended with status 3", id="it fails"),
        pytest.param("print('hello')", "Buildkite gives 5 characters that are no ID token", id="it says something"),
        pytest.param("import time; time.sleep(30)", "within 0.3 seconds", id="it hangs"),
    ],
)
def test_a_program_that_gives_none(tmp_path: Path, body: str, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each in a sentence, and within a time."""
    if "0.3" in sentence:
        monkeypatch.setattr(citokens, "PROGRAM_PATIENCE", 0.3)
    environ = {"BUILDKITE": "true", **program(tmp_path, "buildkite-agent", body)}
    with pytest.raises(ClientError, match=sentence):
        ci_of(environ).token_for(AUDIENCE, environ)


def test_a_program_that_is_not_there() -> None:
    """A container of the step's own may lack the agent."""
    environ = {"BUILDKITE": "true", "PATH": "/nowhere"}
    with pytest.raises(ClientError, match="no program buildkite-agent"):
        ci_of(environ).token_for(AUDIENCE, environ)


def test_google(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The metadata server, never by a proxy: in full, or the token has no email."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")
    environ = {"GCE_METADATA_HOST": desk.url.removeprefix("http://").strip("/")}
    ci = ci_of(environ)
    assert (ci.name, ci.token_for(AUDIENCE, environ)) == ("Google", TOKEN)
    with pytest.raises(ClientError, match="answers 403"):
        ci.token_for("another", environ)


def test_a_machine_of_google_without_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The firmware says whose machine it is; anywhere else there is no CI, and the sentence has the way out."""
    monkeypatch.setattr(citokens, "PRODUCT", tmp_path / "product_name")
    with pytest.raises(ClientError, match=r"no job of GitHub, GitLab, Buildkite, CircleCI, Google: --oidc-token FILE"):
        ci_of({})
    (tmp_path / "product_name").write_text("Google Compute Engine\n")
    assert ci_of({}).name == "Google"


def test_a_runner_on_a_machine_of_google_is_the_runner(desk: Desk) -> None:
    """What the job says counts before what the machine says."""
    assert ci_of(desk.github | {"GCE_METADATA_HOST": "127.0.0.1:9"}).name == "GitHub"
    assert set(citokens.CIS[0].keys) == {"ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"}
    assert {"github", "gitlab", "buildkite", "circleci", "google"} <= set(SHAPES)


@pytest.mark.parametrize(
    "text", ["", "a.b", "a.b.c.d", "a.b.c d", "a..c", "á.b.c", "a.b." + "c" * citokens.TOKEN_LIMIT]
)
def test_what_is_no_token(text: str) -> None:
    """It is not shown, since it may be most of one."""
    with pytest.raises(ClientError, match=f"gives {len(text)} characters that are no ID token"):
        shaped(text, "the file")
    assert shaped(f" {TOKEN}\n", "the file") == TOKEN
