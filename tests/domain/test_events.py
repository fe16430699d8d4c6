"""What of a decision is an event: its end, whatever the action, and nothing before that."""

import pytest

from authproxy.domain.access import Outcome
from authproxy.domain.events import DENIED, OF_DECISIONS, Event, of_decision
from authproxy.store.uploads import _DENIED, PENDING

ENDS = {
    "an upload that was stored": ("upload", Outcome.STORED, "upload.done"),
    "one that the index refused": ("upload", Outcome.REFUSED, "upload.failed"),
    "one that never arrived": ("upload", Outcome.FAILED, "upload.failed"),
    "one that we refused": ("upload", DENIED, "upload.refused"),
    "one whose place has other bytes": ("upload", Outcome.DIFFERENT, "upload.different"),
    "one on its way": ("upload", PENDING, None),
    "one whose end nobody saw": ("upload", Outcome.UNKNOWN, None),
    "one that was there already": ("upload", Outcome.SAME, None),
    "a delete": ("delete", Outcome.REMOVED, "delete.done"),
    "a delete that the index refused": ("delete", Outcome.REFUSED, "delete.failed"),
    "a delete that we refused": ("delete", DENIED, "delete.refused"),
    "a delete without an answer": ("delete", Outcome.UNKNOWN, None),
    "a push": ("push", Outcome.STORED, "push.done"),
    "a push that the index refused": ("push", Outcome.REFUSED, "push.failed"),
    "a push that never arrived": ("push", Outcome.FAILED, "push.failed"),
    "a push that we refused": ("push", DENIED, "push.refused"),
    "what an operator accepted": ("accept", Outcome.ACCEPTED, None),
    "that, in whose place are other bytes again": ("accept", Outcome.DIFFERENT, "upload.different"),
    "an action of a later version": ("adopt", Outcome.STORED, None),
}


@pytest.mark.parametrize(("action", "outcome", "event"), ENDS.values(), ids=ENDS.keys())
def test_the_event_of_a_decision(action: str, outcome: str, event: str | None) -> None:
    """The words of the record on one side, those of the configuration on the other."""
    assert of_decision(action, outcome) == event


def test_the_words_are_one_grammar() -> None:
    """What, a full stop, what became of it; every event about uploads and deletes is the end of a decision."""
    assert all(len(event.split(".")) == 2 and event == event.lower() for event in Event)
    assert {event for event in Event if not event.startswith("key.")} == OF_DECISIONS
    assert _DENIED == DENIED
