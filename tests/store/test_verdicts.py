"""The values between the store and its callers: what a verdict can be is one closed list."""

import dataclasses
from typing import get_args

import pytest

from authproxy.store import KeyState, Verdict, verdicts
from tests.store.samples import ENTRY, KEY


def test_the_verdicts_are_one_list() -> None:
    """Whoever matches over `Verdict` has met them all: each stands in it, and each is frozen."""
    assert {each.__name__ for each in get_args(Verdict)} == {
        "Admitted",
        "KeyDead",
        "NonceSpent",
        "UsesSpent",
        "RateExceeded",
        "FileKnown",
        "FileBusy",
        "FileUnsettled",
        "ReleaseHeld",
    }
    here = [each for each in vars(verdicts).values() if getattr(each, "__module__", "") == verdicts.__name__]
    values = [each for each in here if dataclasses.is_dataclass(each)]
    assert len(values) == len(get_args(Verdict)) + 11
    assert all(each.__dataclass_params__.frozen and "__slots__" in vars(each) for each in values)


def test_a_decision_cannot_be_changed_after_it_was_made() -> None:
    """What goes on record is what was decided."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        ENTRY.project = "victim"  # type: ignore[misc]


@pytest.mark.parametrize("now", [KEY.created, 10**12])
def test_every_key_has_a_state(now: int) -> None:
    """The states to filter by are the reasons of a dead key, and `live`."""
    changes = [{}, {"paused": True}, {"revoked": 1}, {"expires": None}]
    assert {KeyState(dataclasses.replace(KEY, **each).dead(now) or "live") for each in changes} <= set(KeyState)
    assert {str(each) for each in KeyState} == {"revoked", "paused", "expired", "canary", "live"}
