"""`authproxy audit adopt` reads what the index has into the ledger, whatever it is, and can be broken off."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from authproxy.store.driver import sqlite3
from tests.cli.conftest import Cli
from tests.cli.records import recorded
from tests.peers.forms import upload
from tests.peers.packages import sdist, wheel
from tests.peers.proxy import installation, served
from tests.peers.pypiserver import pypiserver
from tests.peers.recording import RecordingIndex, Reply, Script, Seen
from tests.peers.wire import exchange
from tests.store.samples import ENTRY
from tests.web.ledgers import BYTES, sha256


class Many:
    """An index with projects: name to filenames. `broken` are projects that it cannot show."""

    def __init__(self, projects: dict[str, list[str]], *, hashes: bool = True) -> None:
        self.projects = projects
        self.hashes = hashes
        self.broken: set[str] = set()
        self.others: dict[str, str] = {}  # hashes that it states of some files instead

    def __call__(self, seen: Seen) -> Script:
        if seen.target == "/simple/":
            return Reply(200, "".join(f'<a href="{name}/">{name}</a>\n' for name in self.projects).encode())
        if seen.target.startswith("/packages/"):
            return Reply(200, BYTES)
        name = seen.target.split("/")[2]
        if name in self.broken:
            return Reply(500)
        files = self.projects.get(name, ())
        links = [f'<a href="../../packages/{file}{self.mark(file)}">{file}</a>\n' for file in files]
        return Reply(200, "".join(links).encode()) if links else Reply(404)

    def mark(self, file: str) -> str:
        """What a link says of its file."""
        return f"#sha256={self.others.get(file, sha256(BYTES))}" if self.hashes else "#md5=" + "0" * 32


@pytest.fixture
def rows(config_file: Path) -> Callable[[str], list[Any]]:
    """Ask the store past the program."""

    def ask(sql: str) -> list[Any]:
        with closing(sqlite3.connect(config_file.parent / "authproxy.db")) as connection:
            return connection.execute(sql).fetchall()

    return ask


@pytest.fixture
def index(config_file: Path, recording: RecordingIndex) -> Many:
    """The index of the configuration."""
    config_file.write_text(config_file.read_text().replace("http://127.0.0.1:9/", recording.url))
    projects = {
        "acme-core": ["acme_core-1.0.tar.gz", "acme_core-1.0.0.tar.gz", "acme_core-2.0.tar.gz"],
        "b": ["b-1.zip"],
    }
    recording.answer = made = Many(projects)
    return made


def test_everything_is_adopted_and_doubles_are_told(cli: Cli, index: Many, rows: Callable[[str], list[Any]]) -> None:
    """Once; the second run finds nothing new. Two spellings of one file are named."""
    ran = cli("audit", "adopt", "--json")
    assert ran.status == 0, ran.stderr
    double = {
        "index": "pypiserver",
        "project": "acme-core",
        "files": ["acme_core-1.0.tar.gz", "acme_core-1.0.0.tar.gz"],
    }
    assert ran.json == {
        "indexes": ["pypiserver"],
        "projects": 2,
        "files": 4,
        "new": 3,
        "hashed": 0,
        "without_hash": 0,
        "unreadable": 0,
        "doubles": [double],
        "changed": [],
        "failed": [],
    }
    assert "acme_core-1.0.tar.gz and acme_core-1.0.0.tar.gz are one file" in ran.stderr
    assert rows("SELECT identity, sha256, record_id FROM files ORDER BY id") == [
        ("acme-core 1 sdist", sha256(BYTES), None),
        ("acme-core 2 sdist", sha256(BYTES), None),
        ("b 1 sdist", sha256(BYTES), None),
    ]
    again = cli("audit", "adopt")
    assert again.stdout.startswith("4 files of 2 projects, 0 of them new to the ledger\n")


def test_files_are_read_back_where_asked(cli: Cli, index: Many, recording: RecordingIndex, rows: Any) -> None:
    """An index may state another hash; what was read once is not read again."""
    index.hashes = False
    ran = cli("audit", "adopt", "b", "--json")
    assert (ran.json["without_hash"], ran.json["hashed"], rows("SELECT sha256 FROM files")) == (1, 0, [(None,)])
    ran = cli("audit", "adopt", "b", "--hash", "--json")
    assert (ran.json["hashed"], rows("SELECT sha256 FROM files")) == (1, [(sha256(BYTES),)])
    asked = len(recording.requests)
    assert cli("audit", "adopt", "B", "--hash", "--json").json["hashed"] == 0
    assert [seen.target for seen in recording.requests[asked:]] == ["/simple/b/"]


def test_one_project_that_cannot_be_read_stops_no_other(cli: Cli, index: Many) -> None:
    """It is named, and the exit status says that something is missing."""
    index.broken = {"acme-core"}
    ran = cli("audit", "adopt", "--json")
    assert (ran.status, ran.json["projects"]) == (1, 1)
    assert [each["project"] for each in ran.json["failed"]] == ["acme-core"]


def test_an_index_that_goes_away_says_where_to_go_on(cli: Cli, index: Many, rows: Any) -> None:
    """What was read is kept, and the rest is read by the words of the message."""
    index.projects = {f"p{number}": [f"p{number}-1.zip"] for number in range(10, 30)}
    index.broken = {f"p{number}" for number in range(15, 30)}
    ran = cli("audit", "adopt")
    assert ran.status == 1
    assert "go on with --index pypiserver --after p14" in ran.stderr
    assert rows("SELECT count(*) FROM files") == [(5,)]
    index.broken = set()
    ran = cli("audit", "adopt", "--index", "pypiserver", "--after", "p14", "--json")
    assert (ran.status, ran.json["projects"], rows("SELECT count(*) FROM files")) == (0, 15, [(20,)])


def test_progress_is_told(cli: Cli, index: Many) -> None:
    """On stderr, a line for a hundred projects, with where it is."""
    index.projects = {f"p{number}": [f"p{number}-1.zip"] for number in range(100, 350)}
    ran = cli("audit", "adopt", "--json")
    assert ran.json["files"] == 250
    assert [line for line in ran.stderr.splitlines() if "of 250 projects" in line] == [
        "pypiserver: 100 of 250 projects, 100 files, up to p199",
        "pypiserver: 200 of 250 projects, 200 files, up to p299",
    ]


def test_an_index_that_lists_nothing_is_a_failure(cli: Cli, index: Many, recording: RecordingIndex) -> None:
    """No answer is not an empty index."""
    recording.answer = lambda _: Reply(500)
    ran = cli("audit", "adopt")
    assert (ran.status, ran.stdout) == (1, "")
    assert "could not list its projects" in ran.stderr


WRONG = {
    "no such index": ("--index", "team/dev"),
    "no project's name": ("a b",),
    "both": ("acme-core", "--after", "acme-core"),
    "no name to go on behind": ("--after", "-"),
}


@pytest.mark.parametrize("arguments", WRONG.values(), ids=WRONG.keys())
def test_wrong_words_are_usage(cli: Cli, index: Many, arguments: tuple[str, ...], recording: RecordingIndex) -> None:
    """Before anything is asked."""
    assert cli("audit", "adopt", *arguments).status == 2
    recording.assert_saw_nothing()


def test_no_overwriting_holds_from_the_first_upload_on(tmp_path: Path) -> None:
    """A real index that was there before us: the first upload to its project is refused in any spelling."""
    old = sdist("acme-core")
    with pypiserver(tmp_path / "index") as real:
        old.write(real.packages)
        made = installation(tmp_path / "proxy", real.url)
        ran = made.run("audit", "adopt", "--hash")
        assert ran.code == 0, ran.said
        assert [row["sha256"] for row in made.rows("files")] == [old.sha256]
        with served(made) as running:
            key = running.create_key().text
            other = sdist("acme-core", "1.0.0", payload=b"other")
            answer = exchange(running.address, upload(other, key))
            assert (answer.status, "already exists" in answer.text) == (400, True)
            assert exchange(running.address, upload(wheel("acme-core"), key)).status == 200
        assert set(real.files()) == {old.filename, wheel("acme-core").filename}


def test_an_index_that_is_down(cli: Cli) -> None:
    """One sentence with where it was looked for; an empty store may be made, and nothing is in it."""
    ran = cli("audit", "adopt")
    assert (ran.status, ran.stdout) == (1, "")
    assert ran.stderr.splitlines()[-1] == (
        "authproxy: nothing of pypiserver was adopted: the index behind the proxy cannot be reached, try again later "
        "(backend.url is http://127.0.0.1:9/)"
    )


def test_what_was_uploaded_is_not_overwritten_in_silence(
    cli: Cli, config_file: Path, index: Many, rows: Callable[[str], list[Any]]
) -> None:
    """Other bytes in the place of an upload of ours: told, an alarm, and exit status 3; then they are what is there."""
    assert cli("db", "migrate").status == 0
    ours = replace(ENTRY, index="pypiserver", filename="acme_core-2.0.tar.gz", identity="acme-core 2 sdist")
    recorded(config_file, ours)
    index.projects = {"acme-core": ["acme_core-2.0.tar.gz"]}
    ran = cli("audit", "adopt", "--json")
    assert (ran.status, "CHANGED  acme_core-2.0.tar.gz in pypiserver" in ran.stderr) == (3, True)
    told = {"index": "pypiserver", "project": "acme-core", "filename": "acme_core-2.0.tar.gz"}
    assert ran.json["changed"] == [told | {"known": ENTRY.sha256, "uploaded": True, "found": sha256(BYTES)}]
    assert rows("SELECT outcome FROM record") == [("different",)]
    assert cli("audit", "adopt").status == 0, "it is an alarm already: `audit reconcile` lists it"
    assert cli("audit", "reconcile", "--open").status == 3


def test_what_was_there_before_may_change(cli: Cli, index: Many, rows: Callable[[str], list[Any]]) -> None:
    """The control: nobody uploaded it through us, so it is told and no alarm."""
    assert cli("audit", "adopt").status == 0
    index.others["b-1.zip"] = "f" * 64
    ran = cli("audit", "adopt", "--json")
    assert (ran.status, [each["uploaded"] for each in ran.json["changed"]]) == (0, [False])
    assert rows("SELECT sha256 FROM files WHERE filename = 'b-1.zip'") == [("f" * 64,)]
