"""Every client that uploads, at the version the README names, through the proxy to each of the two real indexes."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import pytest

from authproxy.cli.clientlines import KEY
from tests.e2e.everyclient import LAST, LOGGED, WRITERS, Writer, filled, writers_table
from tests.e2e.indexes import Flavour, Front
from tests.e2e.printed import Machine
from tests.peers.clients import Ran
from tests.peers.packages import sdist, wheel
from tests.peers.toolbox import Toolbox

README = Path(__file__).parents[2] / "README.md"
pytestmark = pytest.mark.e2e

ROWS = [pytest.param(writer, flavour, id=f"{writer} to {flavour}") for writer in WRITERS for flavour in writer.flavours]
SKIPPING = [row for row in ROWS if row.values[0].skip]
every_client = pytest.mark.parametrize(("writer", "flavour"), ROWS)


@dataclass(frozen=True, slots=True)
class Maintainer:
    """Somebody with a project and one client, before one of the indexes."""

    writer: Writer
    front: Front
    machine: Machine

    @property
    def dist(self) -> dict[str, bytes]:
        """The files that the client uploads; flit has built them just now."""
        return {path.name: path.read_bytes() for path in (self.machine.project / "dist").iterdir()}

    @property
    def held(self) -> dict[str, bytes]:
        return self.front.holds(self.machine.name)

    def publish(self, option: str = "", key: str | None = None) -> Ran:
        text = key or self.front.key.text
        env = {name: filled(value, self.front, text) for name, value in self.writer.settings.items()}
        return self.machine.sh(filled(f"{self.writer.publish} {option}", self.front, text), **{KEY: text, **env})

    def somebody_was_first(self) -> dict[str, bytes]:
        """Other bytes are in the index already, under both names."""
        for package in (
            wheel(self.machine.name, payload=b"the first"),
            sdist(self.machine.name, payload=b"the first"),
        ):
            assert self.front.upload(package).status == 200
        return self.held


Make = Callable[[Writer, Flavour, str], Maintainer]


@pytest.fixture
def make(request: pytest.FixtureRequest, tmp_path: Path, tools: Toolbox, fronts: Callable[[Flavour], Front]) -> Make:
    """A maintainer of a project that no other test uses; its name begins with what is asked for."""

    def made(writer: Writer, flavour: Flavour, prefix: str = "acme") -> Maintainer:
        name = f"{prefix}-{crc32(request.node.name.encode()):08x}"  # short, so that a sentence holds it whole
        machine = Machine(tmp_path, name, (getattr(tools, writer.box),))
        machine.begin(*writer.backend)
        return Maintainer(writer, fronts(flavour), machine)

    return made


def sentence_in(here: Maintainer, ran: Ran) -> str:
    """What the user reads, where the row says that it stands, as one line."""
    said = ran.said
    if here.writer.shows == LOGGED:
        [path] = re.findall(r"See (\S+\.log) for detailed", said)
        said = Path(path).read_text(encoding="utf-8")
    elif here.writer.shows == LAST:
        said = said.splitlines()[-1]
    return " ".join(said.split())


@every_client
def test_it_uploads_and_may_do_so_again(make: Make, writer: Writer, flavour: Flavour) -> None:
    """What it sent is what the index holds, and a job that runs twice succeeds twice and changes nothing."""
    here = make(writer, flavour)
    for _ in range(2):
        ran = here.publish()
        assert (ran.code, here.held) == (0, here.dist), ran.said
    assert len(here.held) == 2


@every_client
def test_its_user_reads_why_a_package_is_refused(make: Make, writer: Writer, flavour: Flavour) -> None:
    """Whose key it is, what it may not do, and what it may; the script sees the exit code, the index nothing."""
    here = make(writer, flavour, "victim")
    before = here.front.changes()
    ran = here.publish()
    assert ran.code == writer.refused, ran.said
    said = sentence_in(here, ran)
    for wanted in (here.front.key.id, f"may not upload '{here.machine.name}'", "upload+create:acme-*"):
        assert wanted in said, ran.said
    assert (here.held, here.front.changes()) == ({}, before)


@every_client
def test_a_key_that_is_none_fails_the_script(make: Make, writer: Writer, flavour: Flavour) -> None:
    """No client takes a 401 for a success, and none waits for somebody to type."""
    here = make(writer, flavour)
    ran = here.publish(key="apx_not_a_key")
    assert ran.code not in {0, None}, ran.said
    assert here.held == {}


@every_client
def test_other_bytes_are_refused_in_words(make: Make, writer: Writer, flavour: Flavour) -> None:
    """The user reads `File already exists`, and the index keeps what it had."""
    here = make(writer, flavour)
    first = here.somebody_was_first()
    ran = here.publish()
    assert (ran.code, here.held) == (writer.refused, first), ran.said
    assert set(first) == set(here.dist)
    assert "File already exists" in sentence_in(here, ran), ran.said


@pytest.mark.parametrize(("writer", "flavour"), SKIPPING)
def test_other_bytes_are_not_uploaded_by_skipping(make: Make, writer: Writer, flavour: Flavour) -> None:
    """With its option for it the client leaves what is there, and says so in its own way and exit code."""
    here = make(writer, flavour)
    first = here.somebody_was_first()
    ran = here.publish(writer.skip)
    assert (ran.code, here.held) == (writer.skipped, first), ran.said


def test_the_readme_shows_this_table() -> None:
    """Versions, exit codes and where the sentence stands are those that the tests above hold."""
    assert writers_table() in README.read_text(encoding="utf-8"), f"README.md needs:\n{writers_table()}"
