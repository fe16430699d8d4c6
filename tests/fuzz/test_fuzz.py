"""The fuzzer runs, every seed passes, and what is planted is found."""

import sys
from pathlib import Path

import pytest

from tests.fuzz.run import VECTORS, fuzzed, is_installed, seeds_of
from tests.fuzz.targets import TARGETS, planted

SEEDS = [(name, called) for name in TARGETS for called in seeds_of(name)]

needs_atheris = pytest.mark.skipif(not is_installed(), reason="atheris is not installed (it is for Linux on x86-64)")


@pytest.mark.parametrize(("name", "called"), SEEDS)
def test_every_seed_passes(name: str, called: str) -> None:
    """What once crashed stands here as a seed for ever."""
    TARGETS[name](seeds_of(name)[called])


def test_every_target_has_seeds_and_no_other_folder() -> None:
    """A target without one begins at nothing."""
    assert {path.name for path in (VECTORS / "fuzz").iterdir()} == set(TARGETS)
    assert min(len(seeds_of(name)) for name in TARGETS) >= 9


@needs_atheris
@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", TARGETS)
def test_a_target_runs_without_a_crash(tmp_path: Path, name: str) -> None:
    """Three seconds of each; `make fuzz` takes longer."""
    ran = fuzzed(name, 3, tmp_path / "kept", tmp_path)
    print(f"{name}: {ran.summary}")
    assert (ran.code, ran.crashes) == (0, ()), ran.said[-3000:]
    assert ran.inputs > 50


@needs_atheris
@pytest.mark.timeout(120)
def test_control_a_planted_fault_is_found(tmp_path: Path) -> None:
    """Behind four comparisons, one after the other: by chance one of four billion inputs reaches it."""
    ran = fuzzed("planted", 60, tmp_path / "kept", tmp_path)
    assert ran.code != 0
    assert [crash[:4] for crash in ran.crashes] == [b"apx!"], ran.said[-2000:]
    with pytest.raises(ValueError, match="planted"):
        planted(ran.crashes[0])


def test_the_engine_is_not_needed_to_name_the_targets() -> None:
    """Where there is no wheel of atheris, the seeds are tried all the same."""
    assert "atheris" not in sys.modules
