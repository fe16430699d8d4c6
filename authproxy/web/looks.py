"""Looks at the index: what it has under a name, and what that makes of something whose end nobody saw.

The index is asked twice where its first answer frees a name or raises an alarm: a proxy that is killed while the index
takes the last byte leaves a file that is not there yet, or half of it (pypiserver writes under the final name). Only
what is there with the right bytes is settled at once. Whoever settles comes here: a request that needs the file, a push
that needs the release, the server by the clock, the command line.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from authproxy.backend.client import Backend
from authproxy.backend.flavour import IndexFile
from authproxy.backend.removal import of_release
from authproxy.domain.access import Outcome
from authproxy.domain.grants import Action
from authproxy.domain.names import Artifact, ProjectName, artifact
from authproxy.domain.refusal import Code, Denial, Refused, quoted, refuse
from authproxy.store import FileRow, Intent, Store

# Seconds between two looks. An index that has read the whole body writes the file at the speed of its disk. Requests
# wait so long too: twine sends a file anew at once, and five times, so a "try again" would use up its patience first.
PAUSE: Final = 5.0
# An index that could not be asked so many times in a row will not answer the next question either.
FAILURES: Final = 3

Seen = str | frozenset[str] | None  # the hash of a file; the identities that are left of a release; None: not there


@dataclass(slots=True)
class Round:
    """What became of everything that was open."""

    settled: list[tuple[Intent, Outcome]] = field(default_factory=list)
    changing: list[Intent] = field(default_factory=list)  # the index gave two answers: it is at it still
    unasked: list[tuple[Intent, Denial]] = field(default_factory=list)
    under_way: int = 0  # of a program that lives and will complete it

    @property
    def denial(self) -> Denial | None:
        """Why the index could not be asked about all."""
        return self.unasked[0][1] if self.unasked else None


@dataclass(slots=True)
class _Page:
    """The listing that one look has read last: an outage leaves the files of a release open one after the other."""

    of: tuple[str, ProjectName] | None = None
    files: tuple[IndexFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Looks:
    """The eyes of one proxy: its index, and the store that notes what they see."""

    store: Store
    backend: Backend

    async def in_index(self, index: str, wanted: Artifact, filename: str) -> IndexFile | None:
        """Find a file in the index whatever its spelling. Raises Refused where the index cannot be asked."""
        return alike(await self.backend.files(index, wanted.project) or (), wanted.identity, filename)

    async def sha256(self, file: IndexFile) -> str:
        """Learn the hash of a file that is listed, by reading it where the index does not state it. Raises Refused."""
        found = stated(file) or await self.backend.sha256(file.path)
        if found is None:
            # To take this for "not there" would free the name for other bytes.
            raise refuse(Code.INDEX_UNREACHABLE, f"the index lists {quoted(file.filename)} and does not return it")
        return found

    async def held(self, row: FileRow, page: _Page | None = None) -> str | None:
        """Ask the index for the hash of what it has under a file's identity, None where it has nothing there.

        `page` is that of one look, in which a project is listed once for files that follow each other. Raises Refused
        where the index cannot be asked.
        """
        wanted, page = artifact(row.filename), page or _Page()
        if page.of != (row.index, wanted.project):
            page.files = await self.backend.files(row.index, wanted.project) or ()
            page.of = (row.index, wanted.project)
        there = alike(page.files, wanted.identity, row.filename)
        return await self.sha256(there) if there else None

    async def settle(self, intents: Sequence[Intent], now: Callable[[], int], *, pause: float | None = None) -> Round:
        """Settle these. Raises StoreError, and nothing for what the index does.

        `pause` is in seconds, PAUSE where it is left out.
        """
        done, doubtful = Round(), []
        for intent, seen in await self._look(intents, done):
            if _is_done(intent, seen):
                await self._end(intent, seen, now(), done)
            else:
                doubtful.append((intent, seen))
        if doubtful:
            await asyncio.sleep(PAUSE if pause is None else pause)
            before = {intent.record_id: seen for intent, seen in doubtful}
            for intent, seen in await self._look([intent for intent, _ in doubtful], done):
                if _is_done(intent, seen) or seen == before[intent.record_id]:
                    await self._end(intent, seen, now(), done)
                else:
                    done.changing.append(intent)
        return done

    async def _look(self, intents: Sequence[Intent], done: Round) -> list[tuple[Intent, Seen]]:
        seen: list[tuple[Intent, Seen]] = []
        failures, page = 0, _Page()
        for number, intent in enumerate(intents):
            try:
                seen.append((intent, await self._seen(intent, page)))
                failures = 0
            except Refused as refused:
                done.unasked.append((intent, refused.denial))
                failures += 1
                if failures == FAILURES:
                    done.unasked += [(each, refused.denial) for each in intents[number + 1 :]]
                    break
        return seen

    async def _seen(self, intent: Intent, page: _Page) -> Seen:
        row = intent.row
        if intent.action != Action.DELETE:
            return await self.held(row, page)
        left = await of_release(self.backend, row.index, ProjectName(row.project), row.version)
        return None if left is None else frozenset(file.artifact.identity for file in left)

    async def _end(self, intent: Intent, seen: Seen, now: int, done: Round) -> None:
        if intent.action == Action.DELETE:
            assert not isinstance(seen, str)
            outcome = await self.store.unfinished.settle_removal(intent, seen, now=now)
        else:
            assert not isinstance(seen, frozenset)
            outcome = await self.store.settle(intent.row, seen, now=now)
        if outcome is not None:
            done.settled.append((intent, outcome))


def _is_done(intent: Intent, seen: Seen) -> bool:
    """Whether the index has done what it was asked to: that does not change by waiting."""
    return seen is None if intent.action == Action.DELETE else seen == intent.row.sha256


def alike(files: Sequence[IndexFile], identity: str, filename: str) -> IndexFile | None:
    """Find a file whatever its spelling, `filename` first where the index has more than one."""
    same = [file for file in files if file.artifact.identity == identity]
    return min(same, key=lambda file: file.filename != filename, default=None)


def stated(file: IndexFile) -> str | None:
    """The SHA-256 that the index states of a file."""
    return file.digest[1] if file.digest is not None and file.digest[0] == "sha256" else None
