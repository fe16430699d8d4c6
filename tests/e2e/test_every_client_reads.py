"""pip and uv with a key, in each way that they take one, from each of the two real indexes under `reads: key`."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from authproxy.cli.clientlines import KEY
from tests.e2e.everyclient import OUT_OF_REACH, READERS, Reader, filled, readers_table
from tests.e2e.indexes import FLAVOURS, HIDDEN, KNOWN, Flavour, Front
from tests.e2e.printed import HATCHLING, Machine
from tests.peers.clients import Ran
from tests.peers.recording import RecordingIndex
from tests.peers.toolbox import Toolbox

README = Path(__file__).parents[2] / "README.md"
pytestmark = pytest.mark.e2e

ROWS = [pytest.param(reader, flavour, id=f"{reader} from {flavour}") for reader in READERS for flavour in FLAVOURS]
every_way = pytest.mark.parametrize(("reader", "flavour"), ROWS)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a machine, on which everything that is not the proxy is `elsewhere`."""

    front: Front
    machine: Machine
    elsewhere: RecordingIndex

    def install(self, reader: Reader, name: str, key: str | None = None) -> Ran:
        text = key or self.front.key.text
        env = {each: filled(value, self.front, text) for each, value in reader.settings.items()}
        return self.machine.sh(
            filled(reader.install, self.front, text).replace("<name>", name),
            **{KEY: text, **self.surroundings, **env},
        )

    @property
    def surroundings(self) -> Mapping[str, str]:
        """Whoever looks beyond this machine meets the recording server; uv has it for its default index besides."""
        way_out = {f"{scheme}_PROXY": self.elsewhere.url for scheme in ("HTTP", "HTTPS", "ALL")}
        way_out |= {name.lower(): url for name, url in way_out.items()}
        return {
            **way_out,
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "UV_DEFAULT_INDEX": f"{self.elsewhere.url}simple/",
        }

    @property
    def got(self) -> set[str]:
        return {path.name for path in (self.machine.project / "got").glob("*") if "." not in path.name}


@pytest.fixture
def person(
    tmp_path: Path, tools: Toolbox, recording: RecordingIndex, fronts: Callable[[Flavour], Front], flavour: Flavour
) -> Person:
    machine = Machine(tmp_path, "acme-reader", (tools.keyring, tools.today))
    machine.begin(*HATCHLING)
    return Person(fronts(flavour), machine, recording)


@every_way
def test_it_installs(person: Person, reader: Reader, flavour: Flavour) -> None:
    """With a key that is none nothing is read, with the key, and nothing else changed, the package is; by us alone."""
    refused = person.install(reader, KNOWN.name, key="apx_not_a_key")
    assert (refused.code, person.got) == (1, set()), refused.said
    ran = person.install(reader, KNOWN.name)
    assert (ran.code, person.got) == (0, {"acme_known"}), ran.said
    person.elsewhere.assert_saw_nothing()


@every_way
def test_a_project_out_of_reach_is_an_error_and_not_looked_for_elsewhere(
    person: Person, reader: Reader, flavour: Flavour
) -> None:
    """403 is an end: neither client goes on to another index, where somebody else may have taken the name."""
    before = len(person.front.proxy.log)
    ran = person.install(reader, HIDDEN.name)
    assert (ran.code, person.got) == (1, set()), ran.said
    assert OUT_OF_REACH[reader.name] in " ".join(ran.said.split()), ran.said
    refusal = rf"key {person.front.key.id}\w may not read '{HIDDEN.name}'"  # and no 401: the key has arrived
    assert re.search(refusal, person.front.proxy.log[before:])
    person.elsewhere.assert_saw_nothing()


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("line", ["uv pip install --no-cache --target got --index <keyed simple> acme-nowhere", "pip install --retries 0 acme-nowhere"], ids=["uv after a 404", "pip without our index"])  # fmt: skip
def test_whoever_looks_elsewhere_is_seen(person: Person, line: str, flavour: Flavour) -> None:
    """The control: a 404 sends uv on, and what goes off this machine ends up at the recording server."""
    ran = person.install(Reader("", "", "", line, {}), "acme-nowhere")
    assert (ran.code, person.elsewhere.connections > 0) == (1, True), ran.said


def test_the_readme_shows_this_table() -> None:
    """Versions, ways and what is said of a refusal are those that the tests above hold."""
    assert readers_table() in README.read_text(encoding="utf-8"), f"README.md needs:\n{readers_table()}"
    assert {reader.name for reader in READERS} == set(OUT_OF_REACH)
