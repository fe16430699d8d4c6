"""What holds about reports of leaked keys where the file says nothing, and that nothing can change it."""

from dataclasses import FrozenInstanceError

import pytest

from authproxy.config.reporters import LeakAction, LeakReports, ReportKey


def test_a_report_revokes_and_nobody_is_believed_by_default() -> None:
    """The action is the safe one; whose reports count is for the operator to say."""
    assert LeakReports() == LeakReports(LeakAction.REVOKE, ())


def test_what_was_read_is_frozen() -> None:
    """A key that is believed cannot be put in later."""
    key = ReportKey("k", None, "scanner.pem")
    with pytest.raises(FrozenInstanceError):
        key.pem = b"another"  # type: ignore[misc]
