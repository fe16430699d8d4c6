"""How a command ends: four exit statuses, and one sentence for whoever must act.

A mistake of the operator's (a missing file, an occupied port, a full disk) never ends in a traceback; a mistake of
ours does, because somebody has to find it. The rooms below keep their own errors; `options` turns those into a
`Failure` where it calls them, and `sentence_of` covers what any system call may answer.
"""

import errno
import os
from enum import IntEnum

import click


class Exit(IntEnum):
    """What a script sees. USAGE is for what is wrong whatever the configuration and the store say."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NO = 3  # the question was understood and the answer is no: policy explain, key verify, config check


class Failure(click.ClickException):
    """A command that could not do its work. `message` is one sentence, or a report of several lines."""

    exit_code = Exit.FAILED


def sentence_of(error: OSError) -> str:
    """Say what the system refused and to which file, without the `[Errno 13]` that helps nobody."""
    what = os.strerror(error.errno).lower() if error.errno else str(error)
    where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    advice = {
        errno.ENOSPC: "; free some space and run the command again",
        errno.EDQUOT: "; free some space and run the command again",
        errno.EROFS: "; the directory must be writable for the user who runs authproxy",
        errno.EACCES: "; run the command as the user who runs authproxy",
        errno.EPERM: "; run the command as the user who runs authproxy",
    }.get(error.errno or 0, "")
    return f"{where}{what}{advice}"
