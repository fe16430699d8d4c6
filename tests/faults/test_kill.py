"""Kill -9 at every named step of an upload and a delete, and at any moment: nothing is lost and nothing is half done."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.killing import Killing, killing
from tests.faults.steps import STEPS

RANDOM, TOGETHER = 340, 20  # kills at random moments, and after how many everything must be settled


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Killing]:
    with killing(tmp_path) as made:
        yield made


def kill_at(scene: Killing, step: str) -> None:
    scene.live(step, deletes=step.startswith("a delete"))
    child = scene.start()
    assert scene.faults() == [], step
    scene.kill(child)


# One for each thing that can be left behind: a claim alone, a file with a claim, a completion alone, half a delete.
SOME = (
    "an upload: while its body comes in",
    "an upload: after the claim was committed",
    "an upload: when half of it is out",
    "an upload: a while after it is out",
    "an upload: before it is completed",
    "a delete: when the index has done it",
)


@pytest.mark.timeout(300)
def test_a_kill_at_some_steps_loses_nothing(scene: Killing) -> None:
    """The steps that leave something behind, once each."""
    for step in SOME:
        kill_at(scene, step)
    assert scene.end() == []
    assert len(scene.stored) >= len(SOME)


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_a_kill_at_any_named_step_loses_nothing(scene: Killing) -> None:
    """Every step, three times each; after each kill the rows and the index say the same."""
    for _ in range(3):
        for step in STEPS:
            kill_at(scene, step)
        assert scene.end() == []
    print(f"{scene.lives} kills at {len(STEPS)} steps, {len(scene.sent)} files sent, {len(scene.stored)} stored")


@pytest.mark.faults
@pytest.mark.timeout(1800)
def test_a_kill_at_any_moment_loses_nothing(scene: Killing) -> None:
    """Between a start and a few uploads later, while two clients send and delete."""
    for number in range(RANDOM):
        moment = scene.dice.randrange(4), scene.dice.random() * 0.1
        scene.live(deletes=number % 2 == 0, until=moment)
        if number % TOGETHER == TOGETHER - 1:
            assert scene.end() == [], number
    done = f"{len(scene.sent)} files sent, {len(scene.stored)} stored, {len(scene.removed)} removed"
    print(f"{scene.lives} kills, {done}; other answers: {Counter(scene.other).most_common(3)}")
    assert len(scene.stored) > RANDOM / 4


@pytest.mark.timeout(120)
def test_control_a_record_after_the_index_is_caught(scene: Killing) -> None:
    """A proxy that writes its record once the index has said yes leaves files without a row."""
    scene.live("no intent", "an upload: before the index's answer is understood")
    scene.start("no intent")
    assert any("without a row" in fault for fault in scene.faults())


@pytest.mark.timeout(120)
def test_control_a_spool_file_with_a_name_is_caught(scene: Killing) -> None:
    """A spool that is removed at the end is not removed by a kill."""
    scene.live("named spool", "an upload: when half of it is out")
    scene.start()
    assert any("state directory" in fault for fault in scene.faults())
