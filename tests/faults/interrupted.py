"""A backup and a restore, ended by SIGKILL before their n-th touch of a file: each line of stdin is an n and a command.

Each runs in a forked child; the line answered is its exit status, 0 where it came to its end before that.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

# What Python tells before it does it, https://docs.python.org/3/library/audit_events.html
TOUCHES = {"open", "os.link", "os.rename", "os.remove", "os.chmod", "os.truncate", "sqlite3.connect", "fcntl.flock"}


def _die_at(number: int) -> None:
    left = [number]

    def hook(event: str, _: tuple[Any, ...]) -> None:
        if event in TOUCHES:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def main(url: str, backup: str) -> None:
    """Serve orders until stdin ends."""
    import alembic.command  # noqa: F401 - what is imported here touches no file later

    from authproxy.store.backups import back_up
    from authproxy.store.restoring import Keys, restore

    for line in sys.stdin:
        number, command = line.split()
        child = os.fork()
        if child:
            _, status = os.waitpid(child, 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
            continue
        _die_at(int(number))
        if command == "backup":
            back_up(url, Path(backup), replace=True)
        else:
            restore(url, Path(backup), keys=Keys.AS_KNOWN, now=1_800_000_000)
        os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
