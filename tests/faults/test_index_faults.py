"""An index that hangs, dies, answers early, lies, sends garbage or redirects: success is told for what is there, whole."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.faults.faulty import AT_ONCE, KINDS, Scene, before_devpi, before_pypiserver
from tests.faults.relay import FAULTS, dies, relay
from tests.peers import wire
from tests.peers.devpi import Devpi
from tests.peers.forms import upload
from tests.peers.packages import wheel
from tests.peers.pypiserver import SERVERS, pypiserver

RUNS = 200  # uploads for each fault and index
Start = Callable[[AbstractContextManager[Any]], Any]


@pytest.fixture(scope="module")
def scene(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with before_pypiserver(tmp_path_factory.mktemp("faulty"), "auto") as made:
        yield made


@pytest.mark.timeout(120)
@pytest.mark.parametrize("fault", FAULTS)
def test_success_is_told_for_what_is_there(scene: Scene, fault: str) -> None:
    """Two windows of each fault: the first meets an upload alone, the second every question too."""
    found = [each for _ in range(2) for each in scene.window(fault, 5)]
    assert found == []


def two_hundred(scene: Scene, fault: str) -> list[str]:
    """The first windows, one of each kind, are settled by their clients, and the others by the operator."""
    found = [each for number in range(RUNS // AT_ONCE) for each in scene.window(fault, settled=number < KINDS)]
    found += scene.end()
    print(scene.summary(fault, RUNS))
    return found


@pytest.mark.faults
@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("server", SERVERS)
def test_two_hundred_of_each_before_pypiserver(tmp_path: Path, server: Any, fault: str) -> None:
    """On each of its servers; afterwards everything that was not a success can be uploaded."""
    with before_pypiserver(tmp_path, server) as scene:
        found = two_hundred(scene, fault)
        assert scene.relay.suffered >= RUNS // 2
    assert not found, "\n".join(found)


@pytest.mark.faults
@pytest.mark.xdist_group("devpi")  # one server for all of them: four at once are more than two cores carry
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("fault", FAULTS)
def test_two_hundred_of_each_before_devpi(tmp_path: Path, devpi_server: Devpi, fault: str) -> None:
    """The same before devpi."""
    with before_devpi(tmp_path, devpi_server) as scene:
        found = two_hundred(scene, fault)
        assert scene.relay.suffered >= RUNS // 2
    assert not found, "\n".join(found)


@pytest.mark.timeout(120)
def test_control_an_index_that_is_believed_is_caught(tmp_path: Path) -> None:
    """Without `read_back` a lie is told on: the same check finds it."""
    with before_pypiserver(tmp_path, "auto", read_back=False) as scene:
        found = [each for _ in range(2) for each in scene.window("lies")]
    assert any("was a success and is not there" in each for each in found), found


@pytest.mark.timeout(120)
def test_control_what_passes_a_client_on_is_caught(tmp_path: Path) -> None:
    """A client's own form, cut off on its way to wsgiref, is stored as a part: the same check finds it."""
    with pypiserver(tmp_path, server="wsgiref") as index, relay(index.address) as between:
        stem = "acme_0"

        def holds(_: str) -> dict[str, bytes]:
            return {path.name: path.read_bytes() for path in index.packages.glob(f"{stem}-*")}

        naive = Scene("naive", between, between.address, "/", "no-key", holds)
        between.fault = dies
        packages = [wheel("acme-0", f"1.{number}", payload=bytes(range(256)) * 200) for number in range(40)]
        told = {package: naive.upload(package) for package in packages}
        between.heal()
        found = naive.wrong("acme-0", told)
    assert any("is truncated" in each for each in found), found


@pytest.mark.timeout(120)
def test_control_an_index_that_stays_away_is_caught(scene: Scene) -> None:
    """Where the fault goes on, the check that all works again within a second says so."""
    scene.relay.fault = FAULTS["hangs"]
    found = scene.again("acme-none")
    scene.relay.heal()
    assert found != []
    assert wire.exchange(scene.address, upload(wheel("acme-none", "2.0"), scene.key)).status == 200
