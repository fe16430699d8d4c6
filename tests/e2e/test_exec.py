"""`authproxy exec` with the real clients: what arrives is signed with a key for these files, and the full key stays.

The server records what it sees and judges nothing; that each credential is a right derived key is proved by the domain.
"""

import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pytest

from authproxy.client.uploaders import UPLOADERS
from authproxy.domain.caveats import Actions, Digests, Lifetime, Projects
from authproxy.domain.grants import Action
from tests.e2e.printed import FLIT, HATCHLING, POETRY, Machine
from tests.peers.clients import Client, Ran
from tests.peers.derived import key_file, new_key, presented
from tests.peers.proxy import AUTHPROXY
from tests.peers.recording import RecordingIndex, Reply, Script, Seen
from tests.peers.toolbox import Toolbox

pytestmark = pytest.mark.e2e

MINUTES = 5 * 60
NAME = "acme-core"


@dataclass(frozen=True, slots=True)
class Row:
    """A client: what it is called with, what it says where it goes by itself, and its project's backend."""

    command: str
    at: str = ""  # below the server's root
    itself: str = ""  # the same command, which names the place
    settings: Mapping[str, str] = field(default_factory=dict)  # or the variables that do
    backend: tuple[str, str] = HATCHLING
    builds: bool = False
    files: int = 2
    box: str = "today"


ROWS = {
    "twine": Row("twine upload --non-interactive dist/*", itself="twine upload --repository-url <url> dist/*"),
    "twine, one file by a pattern in quotes": Row("twine upload --verbose 'dist/*.whl'", files=1),
    "twine of 2022": Row("twine upload dist/*", settings={"TWINE_REPOSITORY_URL": "<url>"}, box="old"),
    "uv": Row("uv publish", itself="uv publish --publish-url <url>", settings={"UV_PUBLISH_URL": "<url>"}),
    "uv, one file": Row("uv publish -v dist/*.tar.gz", files=1),
    "poetry": Row(
        "poetry publish --no-interaction",
        itself="poetry publish -n -r team-index",
        settings={"POETRY_REPOSITORIES_TEAM_INDEX_URL": "<url>"},
        backend=POETRY,
    ),
    "flit": Row("flit publish", settings={"FLIT_INDEX_URL": "<url>"}, backend=FLIT, builds=True),
    "hatch": Row("hatch publish", itself="hatch publish -r <url>", settings={"HATCH_INDEX_REPO": "<url>"}),
    "hatch, one file": Row("hatch publish dist/acme_core-1.0.tar.gz", files=1),
    "pdm": Row("pdm publish --no-build", itself="pdm publish --no-build -r <url>"),
    "devpi": Row("devpi upload dist/*", at="team/dev/"),
    "devpi, a folder": Row("devpi upload --from-dir dist", at="team/dev/"),
}
every = pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in ROWS.items()])


def takes_all(seen: Seen) -> Script:
    """An index that takes every upload and has nothing yet."""
    return Reply(200) if seen.method == "POST" else Reply(404, b"no such project")


@dataclass(frozen=True, slots=True)
class Uploader:
    """Somebody with a project, a key in a file, and the key in a variable besides, where many have it."""

    machine: Machine
    recording: RecordingIndex
    key: str

    def run(self, row: Row, command: str, *options: str, **env: str) -> Ran:
        url = self.recording.url + row.at
        program = " ".join([*AUTHPROXY, "exec", "--key-file", str(self.machine.home / "the.key"), *options, "--"])
        settings = {name: value.replace("<url>", url) for name, value in env.items()}
        return self.machine.sh(
            f"{program} {command}".replace("<url>", url), AUTHPROXY_KEY=self.key, TWINE_PASSWORD=self.key, **settings
        )

    def left(self) -> list[str]:
        """Files of the home, in which the temporary ones are too, that hold a key or part of a derived one."""
        public = self.key[: len("apx_") + 13]
        files = (path for path in self.machine.home.rglob("*") if path.is_file() and path.name != "the.key")
        return [str(path) for path in files if public.encode() in path.read_bytes()]


@pytest.fixture
def uploader(tmp_path: Path, tools: Toolbox, recording: RecordingIndex, row: Row) -> Iterator[Uploader]:
    recording.answer = takes_all
    machine = Machine(tmp_path, NAME, (getattr(tools, row.box),))
    machine.begin(*row.backend)
    key = new_key()
    key_file(tmp_path, key)
    (tmp_path / "tmp").mkdir()
    before = dict(os.environ)
    os.environ["TMPDIR"] = str(tmp_path / "tmp")
    yield Uploader(machine, recording, key)
    os.environ.clear()
    os.environ.update(before)


def assert_signed(here: Uploader, row: Row, ran: Ran) -> None:
    """Each upload came with one and the same derived key, for these files and these minutes, and nothing is left."""
    assert ran.code == 0, ran.said
    dist = here.machine.project / "dist"
    held = {sha256(path.read_bytes()).hexdigest() for path in dist.iterdir()}
    uploads = [presented(seen, here.key) for seen in here.recording.uploads]
    assert len(uploads) == row.files, ran.said
    assert len({each.text for each in uploads}) == 1
    for each in uploads:
        assert each.user == "__token__"
        assert each.kinds == {"Lifetime", "Projects", "Actions"} | (set() if row.builds else {"Digests"})
        life = each.one(Lifetime)
        assert life.expires - life.not_before == MINUTES
        assert abs(life.not_before - time.time()) < 60
        assert each.one(Projects).names == {NAME}
        assert each.one(Actions).actions == {Action.UPLOAD}
        if not row.builds:
            assert len(each.one(Digests).sha256) == row.files
            assert each.one(Digests).sha256 <= held
    secret = here.key.rpartition("_")[2]
    assert secret.encode() not in here.recording.octets
    assert secret not in ran.said
    assert here.left() == []
    assert list((here.machine.home / "tmp").glob("authproxy*")) == []


@every
def test_what_arrives_is_signed(uploader: Uploader, row: Row) -> None:
    """Every client, told by --url where to go: its files arrive, each under a key that is good for them alone."""
    ran = uploader.run(row, row.command, "--url", uploader.recording.url + row.at)
    assert_signed(uploader, row, ran)
    assert "good until" in ran.said
    assert ("not for files" in ran.said) is row.builds


ITSELF = {name: row for name, row in ROWS.items() if row.itself or row.settings}


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in ITSELF.items()])
def test_a_command_that_says_where_is_believed(uploader: Uploader, row: Row) -> None:
    """Without --url the client's own options and variables count, and it goes where they say."""
    assert_signed(uploader, row, uploader.run(row, row.itself or row.command, **row.settings))


HELP = {"twine": "twine upload", "uv": "uv publish", "hatch": "hatch publish", "poetry": "poetry publish"}
HELP |= {"pdm": "pdm publish", "flit": "flit publish", "devpi": "devpi upload"}


@pytest.mark.parametrize("name", HELP)
def test_the_options_are_those_of_the_client(name: str, tmp_path: Path, tools: Toolbox) -> None:
    """Every option that takes a value, by the client's own help, is in the table: no value is taken for a file."""
    program, *rest = HELP[name].split()
    ran = Client(tmp_path).run([tools.today / program, *rest, "--help"])
    assert ran.code == 0, ran.said
    shown = set(re.findall(r"(--[a-z][a-z-]+)[ =](?:<?[A-Z_]{2,}|path\b)", ran.said))
    assert shown, ran.said
    assert shown - UPLOADERS[name].values == set()
