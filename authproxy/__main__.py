"""The program: `authproxy`, and `python -m authproxy`.

The command line is `authproxy.cli`. What stands before every upload takes a shorter way where it can: loading the
command line takes as long as a fifth of the upload.
"""

import signal
import sys


def main() -> None:
    """Run the command that was typed."""
    if "serve" in sys.argv[1:]:
        # To load the server takes a second, and a SIGHUP in it would be the end; the configuration is read later.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if sys.argv[1:2] == ["exec"]:
        _exec(sys.argv[2:])
    from authproxy.cli import main as command_line  # noqa: PLC0415 - see above

    command_line(prog_name="authproxy")


def _exec(arguments: list[str]) -> None:
    """Run the client and never return; or return, and nothing has happened."""
    import os  # noqa: PLC0415
    import time  # noqa: PLC0415

    from authproxy.client.straight import straight  # noqa: PLC0415

    try:
        found = straight(arguments, os.environ, int(time.time()))
    except OSError:
        return
    if found is None:
        return
    from authproxy.client.errors import ClientError  # noqa: PLC0415
    from authproxy.client.running import become  # noqa: PLC0415

    try:
        print(found.told, file=sys.stderr, flush=True)  # noqa: T201
        become(found.argv, found.environ)
    except (ClientError, OSError):
        return


if __name__ == "__main__":
    main()
