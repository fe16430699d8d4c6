"""`authproxy serve`: from a configuration to a running server. The server itself is `authproxy.web.server`."""

import asyncio
import errno
import gc
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from authproxy.cli.failures import Failure
from authproxy.cli.logs import to_stderr
from authproxy.cli.options import create_store, load_config, store_errors, takes_config

if TYPE_CHECKING:
    from collections.abc import Callable

    from authproxy.config import Config

log: Final = logging.getLogger("authproxy.serve")

NO_MASTER: Final = (
    "there is no master key: keys work, and what is derived from them is refused; `authproxy db master-key -o FILE` "
    "makes one, for keys.master_key"
)

# What asyncio says when an address cannot be bound; it wraps the system's words in its own.
_BIND: Final = re.compile(r"bind on address \(?'?([^',)]+)'?,? ?(\d+)?")

_ADVICE: Final = {
    errno.EADDRINUSE: "another program listens there: stop it, or choose another port",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EACCES: "ports below 1024 are for root: choose another port",
}


@click.command(short_help="Run the proxy.")
@takes_config
def serve(config_path: Path) -> None:
    """Run the proxy until SIGTERM or Ctrl-C.

    It logs JSON lines to stderr (`log` in the configuration). SIGHUP reads the configuration again; one with a problem
    changes nothing and is told in the log. A store that does not exist yet is made; an outdated one is for
    `authproxy db migrate`.
    """
    from authproxy.web.attesting import verifier_of

    config = load_config(config_path, try_root=verifier_of)
    to_stderr(config.log.level, config.log.format)
    for problem in config.warnings:
        log.warning("%s", problem)
    if config.masters.current_from is None:
        log.warning(NO_MASTER)
    try:
        with store_errors(), asyncio.Runner(loop_factory=_fast_loop()) as runner:
            runner.run(_serve(config, config_path))
    except OSError as error:
        raise _unbound(config, error) or error from None


def _fast_loop() -> "Callable[[], asyncio.AbstractEventLoop] | None":
    """uvloop where it can be had: a small read costs an eighth less, a large body a fifth (measured)."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _serve(config: "Config", config_path: Path) -> None:
    from authproxy.config import load
    from authproxy.web.attesting import verifier_of
    from authproxy.web.server import serve as run

    config.state_directory.mkdir(mode=0o700, exist_ok=True)
    if made := await create_store(config):
        log.info("made a new store", extra={"path": str(made)})
    # CPython's collector goes through all that was imported again and again: 11 % of a small read (measured). What is
    # here by now stays. How often it looks is left as it is: it counts objects, and those of uploads are large.
    gc.collect()
    gc.freeze()
    await run(
        config,
        lambda: load(config_path, try_root=verifier_of),
        ready=lambda url: log.info("listening", extra={"url": url, "public_url": config.public_url}),
    )


def _unbound(config: "Config", error: OSError) -> Failure | None:
    """Say which listener could not be opened; None where that is not what happened."""
    if error.errno not in _ADVICE or error.filename is not None:
        return None
    found = _BIND.search(str(error))
    metrics = config.metrics is not None and found is not None and found[2] == str(config.metrics.port)
    setting, address = ("metrics", config.metrics) if metrics else ("listen", config.listen)
    return Failure(f"cannot listen at {address} ({setting} in {config.file}): {_ADVICE[error.errno]}")
