"""Every verdict of the store has its sentence, or leaves the answer to the index."""

from dataclasses import replace
from typing import get_args

import pytest

from authproxy.domain.names import artifact
from authproxy.domain.refusal import Code
from authproxy.store import (
    FileBusy,
    FileKnown,
    FileRow,
    FileUnsettled,
    Intent,
    KeyDead,
    NonceSpent,
    RateExceeded,
    ReleaseHeld,
    UsesSpent,
    Verdict,
)
from authproxy.web.verdicts import AGAIN, denied, release_held
from tests.store.samples import ENTRY

WHEEL = artifact("acme_core-1.0-py3-none-any.whl")
ROW = FileRow(1, "", WHEEL.identity, WHEEL.filename, "acme-core", "1.0", "a" * 64, ours=True)
OPEN = Intent(ROW, 1, "upload", 0)
STANDING = {
    "a dead key": (KeyDead("revoked"), Code.CREDENTIAL_INVALID, "the key is not valid", None),
    "good once": (NonceSpent(), Code.CAVEAT, "was good once and has been used: derive a new one", None),
    "one use": (UsesSpent(1), Code.USES_SPENT, "1 upload, and it is used up", None),
    "uses": (UsesSpent(3), Code.USES_SPENT, "3 uploads, and all are used up", None),
    "a rate": (RateExceeded(7), Code.RATE, "try again in 7 s", 7),
    "somebody else": (FileBusy(), Code.BUSY, "by someone else", AGAIN),
    "a delete": (FileBusy(deleting=True), Code.BUSY, "'acme-core' 1.0 is being deleted", AGAIN),
    "a push": (ReleaseHeld(None), Code.BUSY, "stays as it is", AGAIN),
    "a deleted name": (FileKnown(replace(ROW, removed=True)), Code.FILE_EXISTS, "was deleted", None),
}


@pytest.mark.parametrize(("verdict", "code", "words", "again"), STANDING.values(), ids=STANDING.keys())
def test_what_stands_whatever_the_index_has(verdict: Verdict, code: Code, words: str, again: int | None) -> None:
    """One sentence, and the seconds after which to come back where it passes by itself."""
    denial = denied(verdict, ENTRY, WHEEL)
    assert denial is not None
    assert (denial.code, words in denial.reason, denial.retry_after) == (code, True, again)


@pytest.mark.parametrize("verdict", [None, FileKnown(ROW), FileUnsettled(OPEN)])
def test_what_the_index_is_asked_about(verdict: Verdict | None) -> None:
    """A row alone refuses nothing there."""
    assert denied(verdict, ENTRY, WHEEL) is None


def test_no_verdict_is_left_out() -> None:
    """Each is in one of the two lists, but for the yes."""
    named = {type(each[0]) for each in STANDING.values()} | {FileKnown, FileUnsettled}
    assert {each.__name__ for each in set(get_args(Verdict)) - named} == {"Admitted"}


def test_a_derived_key_is_called_by_its_name() -> None:
    """As the log and the record call it, so that who reads both finds it."""
    entry = replace(ENTRY, lineage=("parent", "child"))
    denial = denied(NonceSpent(), entry, WHEEL)
    assert denial is not None
    assert denial.reason.startswith(f"derived key {ENTRY.public_id}.child was good once")


def test_a_hold_that_nobody_ends() -> None:
    """It says when it will be over."""
    denial = release_held(ENTRY, 90)
    assert denial.retry_after == 90
    assert "push it again" in denial.reason
