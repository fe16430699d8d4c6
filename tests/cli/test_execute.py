"""`authproxy exec`: what the child gets and what it does not, what is said, and what is refused before anything runs."""

import subprocess
from pathlib import Path

import pytest

from authproxy.domain.caveats import Actions, Digests, Lifetime, Projects
from tests.peers.derived import caveats_of, key_file, new_key
from tests.peers.packages import Package, sdist, wheel
from tests.peers.programs import clean_environment
from tests.peers.proxy import AUTHPROXY

URL = "https://pypi.example.com/"
# A client that shows all that others could see of it: its arguments, its environment, and its parent's.
CLIENT = """\
#!/bin/sh
for each in $$ $PPID; do
  tr '\\0' '\\n' < /proc/$each/cmdline > shown.$each.cmdline
  tr '\\0' '\\n' < /proc/$each/environ > shown.$each.environ
done
printf %s "$#" > count
cat > stdin
exit 7
"""
PACKAGES = (wheel("acme-core"), sdist("acme-core"))


class Machine:
    """A project with a `dist`, a key in a file, and a client that is none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = new_key()
        self.file = key_file(folder, self.key)
        for each in PACKAGES:
            each.write(folder / "dist")
        for name in ("twine", "uv", "devpi", "mytool"):
            path = folder / "bin" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(CLIENT)
            path.chmod(0o755)

    def run(self, *arguments: str, said: str = "typed", **env: str) -> subprocess.CompletedProcess[str]:
        environ = clean_environment(self.folder, **env)
        environ["PATH"] = f"{self.folder / 'bin'}:{environ['PATH']}"
        return subprocess.run(
            [*AUTHPROXY, "exec", *arguments],
            input=said,
            env=environ,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def signed(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run with the key of the file."""
        return self.run("--key-file", str(self.file), *arguments, **env)

    def shown(self, kind: str) -> str:
        return "".join(path.read_text() for path in self.folder.glob(f"shown.*.{kind}"))

    def variable(self, name: str) -> str:
        [value] = {line.partition("=")[2] for line in self.shown("environ").splitlines() if line.startswith(f"{name}=")}
        return value


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_child_has_the_derived_key_and_nobody_the_full_one(machine: Machine) -> None:
    """Not in arguments, not in an environment, its own or its parent's, not in what is said; not even where it was."""
    secret = machine.key[14:]
    ran = machine.signed(
        "--url", URL, "--", "twine", "upload", "dist/*", AUTHPROXY_KEY=machine.key, TWINE_PASSWORD="old"
    )
    assert ran.returncode == 7
    assert secret not in machine.shown("cmdline") + machine.shown("environ") + ran.stdout + ran.stderr
    assert "AUTHPROXY_KEY" not in machine.shown("environ")
    assert machine.variable("TWINE_REPOSITORY_URL") == URL
    life, projects, digests, actions = caveats_of(machine.variable("TWINE_PASSWORD"), machine.key)
    assert isinstance(life, Lifetime)
    assert life.expires - life.not_before == 300
    assert projects == Projects(frozenset({"acme-core"}))
    assert digests == Digests(frozenset(each.sha256 for each in PACKAGES))
    assert actions == Actions(frozenset({"upload"}))


def test_the_command_runs_as_it_was_typed(machine: Machine) -> None:
    """No shell looks at it, its input is ours, and one line before it says what the key is good for."""
    ran = machine.signed("--url", URL, "--expires", "2m", "twine", "upload", "dist/*.whl", "-c", "$HOME; touch made")
    assert (ran.returncode, (machine.folder / "count").read_text(), (machine.folder / "stdin").read_text()) == (
        7,
        "4",
        "typed",
    )
    assert not (machine.folder / "made").exists()
    assert ran.stdout == ""
    assert ran.stderr.startswith("twine: a key for 1 file of acme-core, good until 2")
    assert ran.stderr.count("\n") == 1


def test_devpi_is_run_beside_us_and_its_login_goes(machine: Machine) -> None:
    """Its folder is there while it runs and gone afterwards; its exit status is ours."""
    ran = machine.signed("--url", f"{URL}team/dev", "--", "devpi", "upload", "dist/acme_core-1.0.tar.gz")
    assert ran.returncode == 7, ran.stderr
    folder = Path(machine.variable("DEVPI_CLIENTDIR"))
    assert folder.name.startswith("authproxy-")
    assert not folder.exists()
    assert machine.key[14:] not in machine.shown("cmdline") + machine.shown("environ")


def test_any_program_is_handed_a_key_by_env(machine: Machine) -> None:
    """For a client that we do not know: bound to what is said, in the variables that are named."""
    files = ("--file", "dist/*", "--package", "acme-core", "--action", "upload")
    ran = machine.signed("--env", "MY_TOKEN", "--env", "OTHER", *files, "--", "mytool", "--token", "x", KEY=machine.key)
    assert ran.returncode == 7, ran.stderr
    assert machine.variable("MY_TOKEN") == machine.variable("OTHER")
    found = caveats_of(machine.variable("MY_TOKEN"), machine.key)
    assert {type(each).__name__ for each in found} == {"Lifetime", "Projects", "Digests", "Actions"}
    assert machine.key[14:] not in machine.shown("environ")
    ran = machine.signed("--env", "MY_TOKEN", "--", "mytool")
    assert "a key for every upload" in ran.stderr


def test_the_key_on_stdin_is_read_and_not_passed_on(machine: Machine) -> None:
    """`--key-file -`, as in a job of CI: the client finds an end there."""
    ran = machine.run("--key-file", "-", "--url", URL, "--", "uv", "publish", said=f"{machine.key}\n")
    assert ran.returncode == 7, ran.stderr
    assert (machine.folder / "stdin").read_text() == ""
    assert caveats_of(machine.variable("UV_PUBLISH_TOKEN"), machine.key)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        pytest.param(
            ["--", "mytool", "push"],
            2,
            "'mytool push' is no upload that authproxy knows (twine upload, uv publish, poetry",
            id="an unknown program",
        ),
        pytest.param(["--", "twine", "check", "x"], 2, "--env NAME hands the key over", id="no upload"),
        pytest.param(
            ["--", "twine", "upload", "dist/*"], 1, "say where twine uploads to: --url URL", id="nobody says where"
        ),
        pytest.param(["--url", URL, "--", "twine", "upload", "missing/*"], 1, "no files for twine", id="no files"),
        pytest.param(["--url", URL, "--", "twine", "upload", "dist"], 1, "is a folder", id="a folder"),
        pytest.param(["--url", URL, "--", "twine", "upload", "-p", "x", "dist/*"], 1, "leave -p out", id="a password"),
        pytest.param(["--url", URL, "--file", "dist/*", "--", "uv", "publish"], 2, "are for --env", id="files twice"),
        pytest.param(["--url", URL, "--", "flit", "publish"], 1, "say it by --package NAME", id="no project"),
        pytest.param(
            ["--url", URL, "--", "devpi", "upload", "dist/acme_core-1.0.tar.gz"],
            1,
            "names the index too",
            id="devpi without its index",
        ),
        pytest.param(
            ["--env", "X", "--file", "missing", "--", "mytool"], 1, "there are no files missing", id="no such file"
        ),
        pytest.param(
            ["--env", "X", "--", "no-such-program"], 1, "there is no program no-such-program", id="no program"
        ),
        pytest.param([], 2, "COMMAND", id="no command"),
    ],
)
def test_what_is_refused(machine: Machine, arguments: list[str], status: int, words: str) -> None:
    """One sentence, and nothing has run."""
    ran = machine.signed(*arguments)
    assert (ran.returncode, ran.stdout) == (status, "")
    assert words in ran.stderr
    assert "Traceback" not in ran.stderr
    assert machine.shown("cmdline") == ""


def test_without_a_login_it_says_how_to_get_one(machine: Machine) -> None:
    """Neither a file nor a login: the sentence has both."""
    ran = machine.run("--url", URL, "--", "twine", "upload", "dist/*")
    assert ran.returncode == 1
    assert f"authproxy login {URL}, or name a file that holds the key by --key-file" in ran.stderr


def test_many_files_are_too_many(machine: Machine) -> None:
    """A key that names them all would fit into no header."""
    for number in range(119):
        Package(f"acme_core-1.{number}.tar.gz", "acme-core", "1", "sdist", str(number).encode()).write(
            machine.folder / "dist"
        )
    ran = machine.signed("--url", URL, "--", "twine", "upload", "dist/*")
    assert ran.returncode == 1
    assert "120 files are too many for one key" in ran.stderr
    assert machine.shown("cmdline") == ""
