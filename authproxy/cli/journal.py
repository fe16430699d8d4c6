"""What systemd's journal is told besides the text: how bad a line is, as `<N>` before it (sd-daemon(3)).

Without it the journal files every line as information, and `journalctl -p warning` shows nothing. Elsewhere the number
would stand in the way of whoever reads the line, so that it is written where stderr is the journal and nowhere else.
"""

import logging
import os
from collections.abc import Mapping
from typing import Final, TextIO

# syslog(3): LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG. Nothing of ours is worse than an error.
ERROR: Final = 3
_PRIORITIES: Final = ((logging.ERROR, ERROR), (logging.WARNING, 4), (logging.INFO, 6), (logging.NOTSET, 7))

# systemd.exec(5), "$JOURNAL_STREAM": the device and the inode of what it made stderr, in decimal, a colon between them.
_STREAM: Final = "JOURNAL_STREAM"


def is_journal(stream: TextIO, env: Mapping[str, str] = os.environ) -> bool:
    """Whether what is written there goes to the journal. A variable that was inherited past a redirection does not."""
    named = env.get(_STREAM)
    if not named:
        return False
    try:
        there = os.fstat(stream.fileno())
    except (OSError, ValueError):  # closed, or no file at all
        return False
    return named == f"{there.st_dev}:{there.st_ino}"


def prioritised(text: str, priority: int) -> str:
    """Put the priority before each line: the journal makes an entry of each."""
    return "\n".join(f"<{priority}>{line}" for line in text.split("\n"))


class Prioritised(logging.Formatter):
    """A format with the priority before each of its lines."""

    def __init__(self, form: logging.Formatter) -> None:
        super().__init__()
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        """Write the record as the format does, for the journal."""
        priority = next(number for level, number in _PRIORITIES if record.levelno >= level)
        return prioritised(self._form.format(record), priority)
