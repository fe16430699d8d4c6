"""What the demo shows a newcomer: who runs where, and five things to try, each a line to paste.

Talk goes to stderr, the lines go to stdout: `authproxy demo > lines.sh` keeps them. They hold keys, which nothing else
prints but `key create`: these open a demo on loopback, and only while it runs.
"""

import sys
import time
from pathlib import Path

from authproxy.cli.demo.clients import Command, pip_install, twine_upload, uv_install, uv_publish
from authproxy.cli.demo.installation import CORE, WEB, Installation
from authproxy.cli.issuing import Issued, Order, issue
from authproxy.cli.options import load_config
from authproxy.cli.output import say
from authproxy.domain.grants import parse_grant


async def keys(made: Installation, *projects: str) -> list[Issued]:
    """Make one key for each project, that may upload it, and create it in the index, and nothing else."""
    config = load_config(made.config)
    return [
        await issue(
            config,
            Order(
                policy="release",
                owner="you",
                note=f"the demo's key for {project}",
                allow=(parse_grant(f"upload+create:{project}"),),
            ),
            now=int(time.time()),
        )
        for project in projects
    ]


def tell(made: Installation, core: Issued, web: Issued, *, home: Path, kept: bool) -> None:
    """Say what runs, and print the lines."""
    say("")
    row("index", made.index_url, made.upstream.remark)
    row("proxy", made.url, f"upload here, install from {made.pages}")
    row("files", str(made.root), "authproxy.yaml is the whole configuration")
    say("\nPaste into another terminal:")
    chapter(
        f"1. Upload with a key that may upload {CORE} and nothing else",
        twine_upload(made.url, core.key, made.files(CORE, "1.0")),
        uv_publish(made.url, core.key, made.files(CORE, "1.1")),
    )
    chapter(
        "2. Install it back; readers need no key and notice nothing",
        pip_install(made.pages, CORE, home / "with-pip"),
        uv_install(made.pages, CORE, home / "with-uv"),
    )
    chapter(
        f"3. This must be refused: the same key, another package ({WEB})",
        twine_upload(made.url, core.key, made.files(WEB, "1.0")),
    )
    chapter(
        "4. The key of that package may",
        uv_publish(made.url, web.key, made.files(WEB, "1.0")),
    )
    chapter(
        "5. Take the first key back, then paste line 1 again: it is refused from now on",
        Command("authproxy", ("key", "revoke", "--config", str(made.config), core.record.id)),
    )
    end = "; the files stay, and README.md among them says how to go on" if kept else " and removes everything"
    say(f"\nCtrl-C stops both servers{end}.")


def row(name: str, what: str, remark: str) -> None:
    """Say what runs where."""
    say(f"  {name:<6} {what:<36} {remark}")


def chapter(title: str, *commands: Command) -> None:
    """Print lines to paste under a title."""
    say(f"\n{title}", bold=True)
    for command in commands:
        sys.stderr.flush()
        print(f"  {command.line()}", flush=True)  # noqa: T201
