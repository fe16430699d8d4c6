"""`serve --workers N`: one process that serves nobody, and N that do.

It binds the sockets, forks the workers, starts a new one where one has died, passes on a reload, adds up the counts and
ends with the last of them. Here is no event loop and no thread: it has to fork at any time.

What a worker that is killed had under way breaks off; its own uploads are settled with the index by the others. Those
who wait in the queue of its socket do so until its successor is there: the socket is the supervisor's. Where the
successor does not come up either, the socket is given up, and the kernel gives newcomers to the other workers.
"""

import logging
import math
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry

from authproxy.config import Config, ConfigProblems
from authproxy.web.adding import Sample, added, left, sampled
from authproxy.web.app import kept
from authproxy.web.countings import CrewMetrics
from authproxy.web.crew import Wakeup, Work, Worker, started
from authproxy.web.doors import Doors
from authproxy.web.entrance import Tls
from authproxy.web.seat import LEAVING, READY, TOTAL
from authproxy.web.server import tell_reloaded
from authproxy.web.service import Service

log: Final = logging.getLogger("authproxy.supervisor")

# Seconds from a death to the next start: at once, then twice as long each time. A worker that dies as it starts shall
# not keep a core busy, and one that could start again shall not be missed for long.
PAUSES: Final = (0.0, 1.0, 2.0, 4.0, 8.0)
# Who has lived for so many seconds did not die of its start.
STEADY: Final = 30.0
# Seconds that all workers together may take for a reload, before systemd is told that it is over.
RELOADED: Final = 30.0
# Seconds of silence after which a worker hangs, at the least: it speaks every two, and a machine may be busy.
SILENCE: Final = 20.0
# Seconds of silence after which one that begins does: nobody counts on it yet, and nobody else takes its place.
BEGINNING: Final = 60.0
# Seconds of a drain beyond those that uploads may take, twice: for what was begun, and for what then still runs.
SPARE: Final = 60.0
# Seconds between two looks where nothing happens.
LOOK: Final = 1.0


@dataclass(slots=True)
class _Place:
    """What one worker after the other fills."""

    number: int
    worker: Worker | None = None
    deaths: int = 0  # in a row
    due: float | None = 0.0  # when the next one is started


class Supervisor:
    """The workers of one server. `work` is what each of them does, with the config as it is then.

    `ready` is called with the server's URL once all serve for the first time.
    """

    def __init__(
        self,
        config: Config,
        load: Callable[[], Config],
        work: Callable[[Config], Work],
        doors: Doors,
        service: Service,
        ready: Callable[[str], None] = lambda _url: None,
    ) -> None:
        self._config = config
        self._load = load
        self._work = work
        self._doors = doors
        self._service = service
        self._ready_once: Callable[[str], None] | None = ready
        self._places = [_Place(number) for number in range(config.workers)]
        self._leaving: list[Worker] = []
        self._gone: Sample = []
        self._registry = CollectorRegistry()
        self._metrics = CrewMetrics(self._registry)
        self._tls = Tls(config.tls)  # shown to nobody: a reload that fails is seen here alone
        self._tls.follow(self._registry)
        self._begun = False
        self._ending: float | None = None  # when those that are left are killed
        self._reloading: set[int] = set()  # who has yet to say that it did
        self._reload_due = 0.0
        self._fed = 0.0
        self._status = 0
        self._wakeup: Wakeup | None = None

    def run(self) -> int:
        """Run until SIGTERM or SIGINT, or until the first worker cannot start; return the exit status."""
        self._wakeup = Wakeup()
        try:
            while self._ending is None or self._workers():
                self._revive(self._wakeup)
                came, spoke = self._wakeup.wait(self._workers(), self._patience())
                for worker in spoke:
                    self._hear(worker)
                for worker in self._workers():
                    if (status := worker.ended()) is not None:
                        self._bury(worker, status)
                if came & {signal.SIGTERM, signal.SIGINT}:
                    log.info("draining: no new connections, requests under way are finished")
                    self._end()
                elif signal.SIGHUP in came:
                    self._reload()
                self._watch(time.monotonic())
        finally:
            self._wakeup.restore()
            self._doors.close()
        return self._status

    def _workers(self) -> list[Worker]:
        return [*(place.worker for place in self._places if place.worker is not None), *self._leaving]

    def _due(self) -> list[_Place]:
        """The places that wait for a worker. The first starts alone: what is wrong is told once, and ends all."""
        if self._ending is not None:
            return []
        return [place for place in (self._places if self._begun else self._places[:1]) if place.due is not None]

    def _patience(self) -> float:
        now = time.monotonic()
        waits = [place.due - now for place in self._due() if place.due is not None]
        if self._service.watchdog is not None:
            waits.append(self._service.watchdog / 4)
        return min([*waits, LOOK])

    def _revive(self, wakeup: Wakeup) -> None:
        now = time.monotonic()
        for place in self._due():
            if place.due is not None and place.due <= now:
                place.due = None
                foreign = [wakeup, *(each.line for each in self._workers())]
                try:
                    place.worker = started(place.number, self._work(self._config), foreign)
                except OSError as exc:
                    self._put_off(place, exc)

    def _put_off(self, place: _Place, exc: OSError) -> None:
        """Try again later where the system has no room for another process: those that serve go on meanwhile."""
        extra = {"worker": place.number + 1, "trouble": exc.strerror, "restart_in": self._pause(place)}
        log.error("a worker could not be started", extra=extra)
        if not self._begun:
            self._status = 1
            self._end()

    def _pause(self, place: _Place) -> float:
        """Say when the next one is started; return in how many seconds that is."""
        pause = PAUSES[min(place.deaths, len(PAUSES) - 1)]
        place.deaths, place.due = place.deaths + 1, time.monotonic() + pause
        return pause

    def _hear(self, worker: Worker) -> None:
        for word in worker.words():
            match word:
                case str() if word == READY:
                    self._is_ready(worker)
                case str() if word == LEAVING:
                    self._leaves(worker)
                case str() if word == TOTAL:
                    worker.answer(self._counted())

    def _counted(self) -> Sample:
        """Add up what all have counted, and what is known here alone."""
        self._metrics.configured.set(len(self._places))
        self._metrics.ready.set(self._ready())
        return added([sampled(self._registry), self._gone, *(each.counted() for each in self._workers())])

    def _is_ready(self, worker: Worker) -> None:
        if worker.ready:  # with a new config
            self._has_reloaded(worker)
            return
        worker.ready = self._begun = True
        log.info("a worker serves", extra={"worker": worker.number + 1, "pid": worker.pid})
        if worker.stale:
            worker.signal(signal.SIGHUP)
        if all(place.worker is not None and place.worker.ready for place in self._places):
            if self._ready_once is not None:  # who takes another's place later begins no server
                self._ready_once(self._doors.url)
                self._ready_once = None
            self._service.ready(self._told())

    def _told(self) -> str:
        return f"{self._doors.url}, {self._ready()} of {len(self._places)} workers"

    def _ready(self) -> int:
        return sum(place.worker is not None and place.worker.ready for place in self._places)

    def _leaves(self, worker: Worker) -> None:
        """Put another in the place of a worker that was told to end, while it finishes what it has under way."""
        place = self._places[worker.number]
        if self._ending is None and place.worker is worker:
            self._leaving.append(worker)
            place.worker, place.due, place.deaths = None, 0.0, 0

    def _bury(self, worker: Worker, status: int) -> None:
        self._hear(worker)  # its last words
        worker.line.close()
        self._gone = added([self._gone, left(worker.counted())])
        self._has_reloaded(worker)
        if worker in self._leaving:
            self._leaving.remove(worker)
            return
        place = self._places[worker.number]
        place.worker = None
        if self._ending is not None:
            return
        if not self._begun:  # it has said why
            self._status = status if status > 0 else 1
            self._end()
            return
        self._replace(place, worker, status)

    def _replace(self, place: _Place, worker: Worker, status: int) -> None:
        if time.monotonic() - worker.started > STEADY:
            place.deaths = 0
        extra = {"worker": worker.number + 1, "pid": worker.pid, "status": status, "restart_in": self._pause(place)}
        log.error("a worker has ended, another takes its place", extra=extra)
        self._metrics.deaths.inc()
        self._service.status(self._told())
        if not worker.ready:
            try:
                self._doors.renew(place.number)
            except OSError as exc:
                log.error("a socket could not be bound anew", extra={"trouble": exc.strerror})  # noqa: TRY400

    def _reload(self) -> None:
        """Take a new config and pass it on; a bad one is told here, once, and no worker hears of it."""
        if self._ending is not None:
            return
        self._service.reloading()
        self._metrics.config.reloaded(well=False)  # until it is
        try:
            new = self._load()
        except ConfigProblems as exc:
            log.error("the config was not reloaded, the old one stays in force:\n%s", exc)  # noqa: TRY400
            self._tls.doubt()
        except Exception:  # a defect must not end the server
            log.exception("the config was not reloaded, the old one stays in force")
        else:
            self._metrics.config.reloaded(well=True)
            self._tls.renew()
            self._config, restart = kept(self._config, new)
            tell_reloaded(self._config, restart)
            for worker in (place.worker for place in self._places if place.worker is not None):
                if worker.ready:
                    self._reloading.add(worker.pid)
                    worker.signal(signal.SIGHUP)
                else:
                    worker.stale = True
        self._reload_due = time.monotonic() + RELOADED
        if not self._reloading:
            self._service.ready(self._told())

    def _has_reloaded(self, worker: Worker) -> None:
        if worker.pid in self._reloading:
            self._reloading.discard(worker.pid)
            if not self._reloading:
                self._service.ready(self._told())

    def _end(self) -> None:
        if self._ending is not None:
            return
        self._service.stopping("draining")
        self._ending = time.monotonic() + 2 * self._config.limits.upload_deadline + SPARE
        self._doors.close()
        for worker in self._workers():
            worker.signal(signal.SIGTERM)

    def _longest_silence(self, worker: Worker) -> float:
        if not worker.ready:
            return BEGINNING
        return math.inf if self._service.watchdog is None else max(SILENCE, self._service.watchdog)

    def _watch(self, now: float) -> None:
        """Feed systemd's watchdog, end who hangs, and what takes too long."""
        watchdog = self._service.watchdog
        if watchdog is not None and now - self._fed >= watchdog / 4:
            self._fed = now
            self._service.alive()
        for worker in self._workers():
            hangs = now - worker.heard > self._longest_silence(worker)
            late = self._ending is not None and now > self._ending
            if hangs or late:
                what = "it does not answer" if hangs else "it does not end"
                log.error("a worker is killed", extra={"worker": worker.number + 1, "pid": worker.pid, "trouble": what})
                worker.signal(signal.SIGKILL)
                self._status = self._status or int(late)
        if self._reloading and now > self._reload_due:
            log.warning("workers have not taken the new config yet", extra={"pids": sorted(self._reloading)})
            self._reloading.clear()
            self._service.ready(self._told())
