"""`authproxy serve`: from a configuration to a running server. The server itself is `authproxy.web.server`."""

import asyncio
import errno
import gc
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from authproxy.cli.clock import require_clock
from authproxy.cli.failures import Failure
from authproxy.cli.hangup import Hangups, kept_for_later
from authproxy.cli.logs import to_stderr
from authproxy.cli.options import create_store, load_config, store_errors, takes_config
from authproxy.cli.statefolder import trouble_with

if TYPE_CHECKING:
    from collections.abc import Callable

    from authproxy.config import Config
    from authproxy.web.crew import Work
    from authproxy.web.doors import Doors
    from authproxy.web.service import HandedOver, Service

log: Final = logging.getLogger("authproxy.serve")

NO_MASTER: Final = (
    "there is no master key: keys work, and what is derived from them is refused; `authproxy db master-key -o FILE` "
    "makes one, for keys.master_key"
)
_ADVICE: Final = {
    errno.EADDRINUSE: "another program listens there: stop it, or choose another port",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EACCES: "ports below 1024 are for root, and a socket's directory must be writable: choose another one",
    errno.ENOENT: "the directory of the socket is not there: make it, or let systemd (RuntimeDirectory=)",
}


@click.command(short_help="Run the proxy.")
@click.option(
    "--workers", type=click.IntRange(1, 64), metavar="N", help="How many processes serve; `workers` otherwise."
)
@click.option("--trust-clock", is_flag=True, help="Start although the record ends later than the clock says it is.")
@takes_config
def serve(config_path: Path, workers: int | None, *, trust_clock: bool) -> None:
    """Run the proxy until SIGTERM or Ctrl-C.

    It logs JSON lines to stderr (`log` in the configuration). SIGHUP reads the configuration again; one with a problem
    changes nothing and is told in the log. A store that does not exist yet is made; an outdated one is for
    `authproxy db migrate`. Under systemd it takes sockets that are handed over, and says when it is ready.
    """
    from authproxy.web.attesting import verifier_of

    with kept_for_later() as hangups:
        config = _with_workers(load_config(config_path, try_root=verifier_of), workers)
        _tell_of(config)

        def load_again() -> "Config":
            from authproxy.config import load

            return _with_workers(load(config_path, try_root=verifier_of), workers)

        with _failures(config):
            _run(config, load_again, hangups, trust_clock=trust_clock)


def _tell_of(config: "Config") -> None:
    """Begin to log, with what ought to be mended."""
    to_stderr(config.log.level, config.log.format)
    for problem in config.warnings:
        log.warning("%s", problem)
    if config.masters.current_from is None:
        log.warning(NO_MASTER)


def _with_workers(config: "Config", workers: int | None) -> "Config":
    return config if workers is None else replace(config, workers=workers)


@contextmanager
def _failures(config: "Config") -> Iterator[None]:
    """Turn what keeps a server from starting into a sentence."""
    from authproxy.web.doors import CannotListen
    from authproxy.web.service import WrongSockets

    try:
        with store_errors():
            yield
    except CannotListen as exc:
        advice = _ADVICE.get(exc.number, str(exc))
        raise Failure(f"cannot listen at {exc.address} ({exc.setting} in {config.file}): {advice}") from None
    except WrongSockets as exc:
        raise Failure(f"the sockets that were handed over: {exc}") from None


def _run(config: "Config", load_again: "Callable[[], Config]", hangups: Hangups, *, trust_clock: bool) -> None:
    from authproxy.web.service import handed_over, service

    told, given = service(os.environ), handed_over(os.environ)
    if trouble := trouble_with(config.state_directory):
        raise Failure(f"{trouble[0]} ({config.file}): {trouble[1]}")
    config.state_directory.mkdir(mode=0o700, exist_ok=True)
    if made := asyncio.run(create_store(config)):
        log.info("made a new store", extra={"path": str(made)})
    elif not trust_clock:
        asyncio.run(require_clock(config))
    from authproxy.web.server import serve as run  # before what is here is frozen

    # CPython's collector goes through all that was imported again and again: 11 % of a small read (measured). What is
    # here by now stays. How often it looks is left as it is: it counts objects, and those of uploads are large.
    gc.collect()
    gc.freeze()

    def ready(url: str) -> None:
        log.info("listening", extra={"url": url, "public_url": config.public_url})
        hangups.repeat()

    if config.workers > 1:
        _supervise(config, load_again, given, told, ready)
        return
    from authproxy.web.doors import Doors

    with asyncio.Runner(loop_factory=_fast_loop()) as runner:
        runner.run(run(config, load_again, ready=ready, doors=lambda: Doors.open(config, given), teller=told))


def _supervise(
    config: "Config",
    load_again: "Callable[[], Config]",
    given: "HandedOver",
    told: "Service",
    ready: "Callable[[str], None]",
) -> None:
    from authproxy.web.doors import Doors
    from authproxy.web.supervisor import Supervisor

    doors = Doors.open(config, given, shares=config.workers)

    def work(now: "Config") -> "Work":
        return lambda number, line: _work(now, load_again, doors, number, line)

    status = Supervisor(config, load_again, work, doors, told, ready).run()
    if status:
        raise click.exceptions.Exit(status)


def _work(
    config: "Config", load_again: "Callable[[], Config]", doors: "Doors", number: int, line: socket.socket
) -> int:
    """Be a worker; return the exit status."""
    from authproxy.web.seat import Seat
    from authproxy.web.server import serve as run

    doors.keep_only(number)
    try:
        with _failures(config), asyncio.Runner(loop_factory=_fast_loop()) as runner:
            teller = Seat(number, line)
            runner.run(run(config, load_again, ready=lambda _url: None, doors=lambda: doors, teller=teller))
    except click.ClickException as failure:
        log.error("%s", failure.format_message())  # noqa: TRY400 - a sentence, and in the journal an error
        return failure.exit_code
    return 0


def _fast_loop() -> "Callable[[], asyncio.AbstractEventLoop] | None":
    """uvloop where it can be had: a small read costs an eighth less, a large body a fifth (measured)."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
