"""What the index lists of a project, compared with what we know of it.

Of a file that it had before us, what it states now is noted, and said. A file that came through us is another matter:
where it is not listed as it was sent the index is asked once more, because the first list may be older than an upload
that ended meanwhile; and then other bytes, or none, end the upload on record anew and are an alarm. Its hash is never
overwritten in silence.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from authproxy.backend.flavour import IndexFile
from authproxy.domain.access import Outcome
from authproxy.domain.names import ProjectName
from authproxy.store import AdoptedFile, FileRow
from authproxy.web.looks import Looks, alike, stated

log: Final = logging.getLogger("authproxy.ledger")


@dataclass(slots=True)
class Noted:
    """What came of comparing what the index has of a project with what we know, with the hash found in each place."""

    new: int
    different: list[tuple[FileRow, str]] = field(default_factory=list)  # sent by us, and now other bytes: alarms
    changed: list[tuple[FileRow, str | None]] = field(default_factory=list)  # found there once, and now otherwise
    missing: list[FileRow] = field(default_factory=list)  # not there any more; looked for where all was asked for


async def compared(
    looks: Looks, index: str, project: ProjectName, found: Sequence[IndexFile], *, now: int, whole: bool
) -> Noted:
    """Note what was found of a project, `whole`: all of it.

    Raises Refused where the index cannot be asked once more, and StoreError.
    """
    here = [file for file in found if file.artifact.project == project]
    files = [AdoptedFile(file.artifact.identity, file.filename, file.artifact.version, stated(file)) for file in here]
    if not files and not whole:
        return Noted(0)
    adopted = await looks.store.adopt(index, project, files, whole=whole)
    changed = [(row, alike(here, row.identity, row.filename)) for row in adopted.changed]
    noted = Noted(adopted.new, changed=[(row, stated(there) if there else None) for row, there in changed])
    if adopted.doubted:
        again = await looks.backend.files(index, project) or ()
        for row in adopted.doubted:
            there = alike(again, row.identity, row.filename)
            if there is not None:
                sha256 = await looks.sha256(there)
                if await put_right(looks, row, sha256, now=now):
                    noted.different.append((row, sha256))
            elif whole and await _is_missing(looks, row, now=now):
                noted.missing.append(row)
    return noted


async def put_right(looks: Looks, row: FileRow, sha256: str, *, now: int) -> bool:
    """Note what is in the place of a file that came, or should have come, through us; say whether that is an alarm."""
    different = await looks.store.unfinished.found(row, sha256, now=now) is Outcome.DIFFERENT
    if different:
        alarm(row, sha256)
    return different


async def _is_missing(looks: Looks, row: FileRow, *, now: int) -> bool:
    """Note that a file is gone, in the log too where it came through us, once; False: it was replaced or deleted."""
    if row.ours and await looks.store.unfinished.found(row, None, now=now) is Outcome.DIFFERENT:
        extra = {"index": row.index, "file": row.filename, "sent": row.sha256}
        log.error("the index has lost a file: `authproxy audit reconcile` lists such files", extra=extra)
    known = await looks.store.file(row.index, row.identity)
    return known is not None and known.id == row.id and not known.removed


def alarm(row: FileRow, sha256: str | None) -> None:
    """Tell the operator of a file that is not what was uploaded under its name."""
    extra = {"index": row.index, "file": row.filename, "sent": row.sha256, "found": sha256}
    log.error("the index has other bytes than were uploaded: `authproxy audit reconcile` lists such files", extra=extra)
