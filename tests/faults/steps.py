"""Where a program is killed: at a step that has a name, from inside, by SIGKILL to itself.

A step is patched into one forked child before it starts (`zygote`). The product knows nothing of it.
"""

import asyncio
import functools
import inspect
import os
import signal
from collections.abc import AsyncIterator, Callable
from typing import Any

PASSES = 3  # the step is passed so often before it kills: a server that dies at its first upload proves little


def die() -> None:
    """End as `kill -9` ends a program: nothing is flushed, nobody is told."""
    os.kill(os.getpid(), signal.SIGKILL)


def _counted() -> Callable[[], None]:
    left = [PASSES]

    def passed() -> None:
        left[0] -= 1
        if left[0] <= 0:
            die()

    return passed


def _at(owner: str, name: str, *, after: bool) -> Callable[[], None]:
    """Patch a function, or a method, given by its module (and class) so that it kills before or after its work."""

    def patch() -> None:
        holder = _resolved(owner)
        real, passed = getattr(holder, name), _counted()

        @functools.wraps(real)
        def plain(*args: Any, **more: Any) -> Any:
            if not after:
                passed()
            found = real(*args, **more)
            if after:
                passed()
            return found

        @functools.wraps(real)
        async def waiting(*args: Any, **more: Any) -> Any:
            if not after:
                passed()
            found = await real(*args, **more)
            if after:
                passed()
            return found

        setattr(holder, name, waiting if inspect.iscoroutinefunction(real) else plain)

    return patch


def _resolved(path: str) -> Any:
    from importlib import import_module

    module, _, attribute = path.partition(":")
    found = import_module(module)
    return getattr(found, attribute) if attribute else found


def _while_it_goes_out(share: float, later: float | None) -> Callable[[], None]:
    """Kill when so much of the file is out: at once, or so many seconds later."""

    def patch() -> None:
        from authproxy.web.spool import Spool

        real, passed = Spool.chunks, _counted()

        async def chunks(self: Spool, *, last: bool = False) -> AsyncIterator[bytes]:
            async for chunk in real(self, last=last):
                cut = int(len(chunk) * share)
                yield chunk[:cut]
                await asyncio.sleep(0.003)
                if later is None:
                    passed()
                else:
                    asyncio.get_running_loop().call_later(later, passed)
                yield chunk[cut:]

        Spool.chunks = chunks  # type: ignore[method-assign]

    return patch


STEPS: dict[str, Callable[[], None]] = {
    "an upload: before the key is proved": _at("authproxy.web.upload", "_sender", after=False),
    "an upload: while its body comes in": _at("authproxy.web.spool:Spool", "write", after=True),
    "an upload: when its body is whole": _at("authproxy.web.spool:Spool", "settle", after=True),
    "an upload: before it is decided": _at("authproxy.web.upload", "decide", after=False),
    "an upload: before it is claimed": _at("authproxy.store:Store", "admit", after=False),
    "an upload: between the decision's row and the claim's": _at("authproxy.store.uploads", "note", after=True),
    "an upload: before the claim is committed": _at("authproxy.store.uploads", "admit", after=True),
    "an upload: after the claim was committed": _at("authproxy.store:Store", "admit", after=True),
    "an upload: before the index hears of it": _at("authproxy.backend.client:Backend", "_send", after=False),
    "an upload: before its first byte is out": _while_it_goes_out(0.0, None),
    "an upload: when half of it is out": _while_it_goes_out(0.5, None),
    "an upload: when all but the end is out": _while_it_goes_out(1.0, None),
    "an upload: a millisecond after it is out": _while_it_goes_out(1.0, 0.001),
    "an upload: a while after it is out": _while_it_goes_out(1.0, 0.006),
    "an upload: before the index's answer is understood": _at("authproxy.backend.client", "meaning", after=False),
    "an upload: before it is completed": _at("authproxy.store:Store", "complete", after=False),
    "an upload: when its file has its row": _at("authproxy.store.files", "put", after=True),
    "an upload: before the completion is committed": _at("authproxy.store.outcomes", "complete", after=True),
    "an upload: after the completion was committed": _at("authproxy.store:Store", "complete", after=True),
    "an upload: before its client is told": _at("authproxy.web.app", "_tell", after=False),
    "a delete: before it is on record": _at("authproxy.store.removals:Removals", "admit", after=False),
    "a delete: before its claim is committed": _at("authproxy.store.removals", "admit", after=True),
    "a delete: before the index hears of it": _at("authproxy.backend.removal", "_ask", after=False),
    "a delete: when the index has done it": _at("authproxy.backend.removal", "_ask", after=True),
    "a delete: before it is completed": _at("authproxy.store.removals:Removals", "complete", after=False),
    "a delete: before the completion is committed": _at("authproxy.store.removals", "complete", after=True),
    "a delete: after the completion was committed": _at("authproxy.store.removals:Removals", "complete", after=True),
}


def _impatient() -> None:
    """Settle soon: a test that restarts a server five hundred times does not wait five seconds each."""
    from authproxy.web import looks, settling

    looks.PAUSE, settling.PERIOD = 0.3, 0.5


def _no_intent() -> None:
    """The control: the index first and the record after, as a proxy would be written that has not thought of it."""
    from authproxy.store import Admitted, Store, Ticket
    from authproxy.web import settling

    real_admit, real_complete, later = Store.admit, Store.complete, {}

    async def admit(self: Any, entry: Any, claim: Any, *, now: int) -> Any:
        ticket = Ticket(-1 - len(later), 0, entry.key_id)
        later[ticket.record_id] = entry, claim, now
        return Admitted(ticket)

    async def complete(self: Any, ticket: Any, outcome: Any, *, index_status: int | None, time_ms: int) -> None:
        entry, claim, now = later[ticket.record_id]
        verdict = await real_admit(self, entry, claim, now=now)
        if isinstance(verdict, Admitted):
            await real_complete(self, verdict.ticket, outcome, index_status=index_status, time_ms=time_ms)

    Store.admit, Store.complete = admit, complete  # type: ignore[method-assign]
    settling.PERIOD = 1000.0


def _named_spool() -> None:
    """The control: a spool whose file has a name."""
    import tempfile
    from typing import cast

    from authproxy.web import spool

    def named(*, dir: Any, buffering: int) -> Any:  # noqa: A002 - tempfile calls it so
        return tempfile.NamedTemporaryFile(dir=dir, buffering=cast("Any", buffering), delete=False)

    spool.tempfile.TemporaryFile = named  # type: ignore[assignment]


PATCHES: dict[str, Callable[[], None]] = {
    **STEPS,
    "impatient": _impatient,
    "no intent": _no_intent,
    "named spool": _named_spool,
}
