"""A store in a SQLite file is opened: its schema looked at, its run shown, its changes watched."""

from contextlib import suppress
from functools import partial
from pathlib import Path

from authproxy.store.changes import FileWatch
from authproxy.store.engine import border, require_private
from authproxy.store.errors import StoreBusy, StoreError
from authproxy.store.runs import FileRun
from authproxy.store.schema import require_current
from authproxy.store.worker import FileWorker, Watched


async def opened_file(path: Path, watched: Watched) -> tuple[FileWorker, FileWatch, FileRun]:
    """Open an existing database. Raises StoreError; creates nothing."""
    require_private(path)
    run, worker, found = FileRun(path), FileWorker(path, watched), _number(path)
    with suppress(StoreError):  # a disk without room: the first claim tries again
        run.hold()
    try:
        await worker.start(partial(require_current, path=path))
        with border(path):
            watch = FileWatch(path)
        if _number(path) != found:  # what was opened is what lies aside now
            watch.close()
            raise StoreBusy(f"{path} was replaced at this moment: try again")
    except BaseException:
        try:
            await worker.close()
        finally:
            run.close()
        raise
    return worker, watch, run


def _number(path: Path) -> int | None:
    """Tell the file from another one of its name; None: there is none at this moment."""
    try:
        return path.stat().st_ino
    except OSError:
        return None
