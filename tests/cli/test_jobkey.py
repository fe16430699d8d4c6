"""`authproxy exec --oidc`: what the child gets and what it does not, what is said, and that the key is burned."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.peers.desk import TOKEN, Desk, refused
from tests.peers.packages import sdist, wheel
from tests.peers.programs import clean_environment
from tests.peers.proxy import AUTHPROXY
from tests.peers.recording import RecordingIndex

# A client that shows all that others could see of it: its arguments, its environment, and its parent's.
CLIENT = """\
#!/bin/sh
for each in $$ $PPID; do
  tr '\\0' '\\n' < /proc/$each/cmdline > shown.$each.cmdline
done
tr '\\0' '\\n' < /proc/$$/environ > shown.environ
touch started
test -z "$WAIT" || sleep "$WAIT"
exit 7
"""


class Job:
    """A job of CI with a project, a client that is none, and a desk that mints for it."""

    def __init__(self, folder: Path, desk: Desk) -> None:
        self.folder, self.desk = folder, desk
        for each in (wheel("acme-core"), sdist("acme-core")):
            each.write(folder / "dist")
        for name in ("twine", "devpi", "mytool"):
            path = folder / "bin" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(CLIENT)
            path.chmod(0o755)

    def start(self, *arguments: str, **env: str) -> "subprocess.Popen[str]":
        environ = clean_environment(self.folder, **(self.desk.github | env))
        environ["PATH"] = f"{self.folder / 'bin'}:{environ['PATH']}"
        return subprocess.Popen(
            [*AUTHPROXY, "exec", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environ,
            cwd=self.folder,
            text=True,
        )

    def run(self, *arguments: str, said: str = "", **env: str) -> tuple[int, str, str]:
        with self.start(*arguments, **env) as running:
            out, err = running.communicate(said, timeout=60)
        return running.returncode, out, err

    @property
    def environ(self) -> dict[str, str]:
        lines = (self.folder / "shown.environ").read_text().splitlines()
        return dict(line.partition("=")[::2] for line in lines)

    def shown(self) -> str:
        return "".join(path.read_text() for path in self.folder.glob("shown.*.cmdline"))


@pytest.fixture
def job(tmp_path: Path, recording: RecordingIndex) -> Job:
    return Job(tmp_path, Desk(recording))


def test_a_client_runs_with_a_key_that_is_burned(job: Job) -> None:
    """Minted for the job's token, handed over in the environment alone, burned when the client has failed, too."""
    url = f"{job.desk.url}team/dev/"
    status, out, err = job.run("--oidc", "--url", url, "--", "twine", "upload", "dist/*", TWINE_PASSWORD="old")
    assert (status, out) == (7, ""), err
    assert job.environ["TWINE_PASSWORD"] == job.desk.key
    assert job.environ["TWINE_USERNAME"] == "__token__"
    assert job.environ["TWINE_REPOSITORY_URL"] == url
    assert job.desk.burned == [job.desk.key]
    assert job.desk.asked == ["/_/oidc/audience", "/job", "/_/oidc/mint-token", "/_/oidc/burn-token"]
    assert err == "twine: a key for this job on GitHub, good until 2096-10-02T07:06:40Z and burned before\n"
    assert job.desk.key not in job.shown() + err


def test_the_client_cannot_get_another_key(job: Job) -> None:
    """Neither the token nor what gets one is in its environment: what it may do ends with the burn."""
    job.run("--oidc", "--url", job.desk.url, "--", "twine", "upload", "dist/*", OTHER=f"x {TOKEN} y", MINE="kept")
    assert not {"ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL", "OTHER"} & set(job.environ)
    assert (job.environ["MINE"], job.environ["GITHUB_ACTIONS"]) == ("kept", "true")


def test_a_command_that_says_where_is_believed(job: Job) -> None:
    """As without --oidc: the proxy is where the client uploads to."""
    status, _, err = job.run("--oidc", "--", "twine", "upload", "--repository-url", job.desk.url, "dist/*")
    assert (status, job.desk.burned) == (7, [job.desk.key]), err


def test_any_program_is_handed_the_key_by_env(job: Job) -> None:
    """In the variable that is named, and it is burned all the same."""
    status, _, err = job.run("--oidc", "--url", job.desk.url, "--env", "MY_KEY", "--", "mytool", "push")
    assert (status, job.environ["MY_KEY"], job.desk.burned) == (7, job.desk.key, [job.desk.key]), err


def test_a_token_in_a_file_and_on_stdin(job: Job) -> None:
    """As a pod of Kubernetes has it; the program finds the end of stdin there."""
    (job.folder / "token").write_text(f"{TOKEN}\n")
    command = ("--url", job.desk.url, "--", "twine", "upload", "dist/*")
    for given, said in (("token", ""), ("-", TOKEN)):
        status, _, err = job.run("--oidc-token", given, *command, said=said)
        assert (status, "a key for the token, good until" in err) == (7, True), err
    assert job.desk.burned == [job.desk.key] * 2
    assert "/job" not in job.desk.asked


def test_a_login_of_devpi_goes_with_the_key(job: Job) -> None:
    """The folder of its state is there while it runs, and gone afterwards."""
    url = f"{job.desk.url}team/dev"
    status, _, err = job.run("--oidc", "--url", url, "--", "devpi", "upload", "dist/acme_core-1.0.tar.gz")
    assert (status, job.desk.burned) == (7, [job.desk.key]), err
    assert not Path(job.environ["DEVPI_CLIENTDIR"]).exists()


def test_a_job_that_is_cancelled_burns_its_key(job: Job) -> None:
    """SIGTERM reaches the client, and then the key is ended."""
    command = ("--oidc", "--url", job.desk.url, "--", "twine", "upload", "dist/*")
    with job.start(*command, WAIT="20") as running:
        deadline = time.monotonic() + 20
        while not (job.folder / "started").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert job.desk.burned == []
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=30)
    assert running.returncode == 128 + signal.SIGTERM
    assert job.desk.burned == [job.desk.key]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        pytest.param(["--", "twine", "upload", "dist/*"], 1, "say where the proxy is that gives the key", id="where"),
        pytest.param(["--url", "http://pypi.acme.test/", "--", "twine", "upload", "x"], 1, "https:// alone", id="http"),
        pytest.param(
            ["--url", "<url>", "--package", "x", "--", "flit", "publish"], 2, "--package is for", id="package"
        ),
        pytest.param(["--url", "<url>", "--expires", "5m", "--", "flit", "publish"], 2, "--expires is for", id="life"),
        pytest.param(["--key-file", "x", "--", "twine", "upload", "x"], 2, "--key-file is for keys", id="a key"),
        pytest.param(["--url", "<url>", "--", "mytool"], 2, "--env NAME hands the key over", id="an unknown program"),
        pytest.param(["--url", "<url>", "--", "twine", "upload", "-p", "x", "y"], 1, "leave -p out", id="a password"),
    ],
)
def test_what_is_refused_before_anything_is_asked(job: Job, arguments: list[str], status: int, words: str) -> None:
    """One sentence, nothing has run, and no token was used up."""
    given = [word.replace("<url>", job.desk.url) for word in arguments]
    code, out, err = job.run("--oidc", *given)
    assert (code, out) == (status, "")
    assert words in err
    assert "Traceback" not in err
    assert (job.shown(), job.desk.asked) == ("", [])


def test_no_key_no_run(job: Job) -> None:
    """The proxy's own sentence, with its code; outside of CI the way out."""
    job.desk.replies["/_/oidc/mint-token"] = refused("invalid-publisher", "no trusted publisher takes this token")
    status, _, err = job.run("--oidc", "--url", job.desk.url, "--", "twine", "upload", "dist/*")
    assert (status, job.shown()) == (1, "")
    assert "gives no key for this job: no trusted publisher takes this token (invalid-publisher)" in err
    nowhere = dict.fromkeys(job.desk.github, "")
    status, _, err = job.run("--oidc", "--url", job.desk.url, "--", "twine", "upload", "dist/*", **nowhere)
    assert (status, "--oidc-token FILE reads its ID token from a file" in err) == (1, True)


def test_a_program_that_is_not_there_burns_its_key(job: Job) -> None:
    """It was minted already."""
    status, _, err = job.run("--oidc", "--url", job.desk.url, "--env", "X", "--", "no-such-program")
    assert (status, "there is no program no-such-program" in err) == (1, True)
    assert job.desk.burned == [job.desk.key]
    assert json.loads(job.desk.server.requests[2].body) == {"token": TOKEN}
