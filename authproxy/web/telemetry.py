"""Whether steps are recorded by OpenTelemetry and sent to a collector: they are where the environment names one.

The settings are OpenTelemetry's own (OTEL_EXPORTER_OTLP_ENDPOINT and the rest, which its SDK reads), as operators have
them for all their programs. The package is an extra; nothing of it is imported where no collector is named.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from authproxy import __version__
from authproxy.backend.spans import Span
from authproxy.domain.traces import Trace

log: Final = logging.getLogger("authproxy.telemetry")

# Either of them says that there is a collector; without one OpenTelemetry would try localhost for ever.
ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
# Seconds for what waits to be sent when the server ends: a collector that hangs holds up nobody.
PATIENCE: Final = 5.0
NOT_INSTALLED: Final = (
    "a collector of traces is named and OpenTelemetry is not installed, so that no traces are sent: "
    "pip install '.[otel]' in a checkout"
)

# Begins the step of a request, after the client's or as the first of a trace.
Begin = Callable[[Trace | None], Span]


def wanted(env: Mapping[str, str]) -> bool:
    """Say whether the environment names a collector, and does not turn it off."""
    off = env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    exporter = env.get("OTEL_TRACES_EXPORTER", "").strip().lower() or "otlp"
    return not off and exporter == "otlp" and any(env.get(name, "").strip() for name in ENDPOINTS)


@asynccontextmanager
async def telemetry(env: Mapping[str, str]) -> AsyncIterator[Begin | None]:
    """Record for as long as the block runs; None where nobody wants it. What waits at the end is sent."""
    if not wanted(env):
        yield None
        return
    try:
        from authproxy.web.recording import begun, provider  # noqa: PLC0415 - an extra
    except ImportError:
        log.warning(NOT_INSTALLED)
        yield None
        return
    made = provider()
    log.info("traces are sent to a collector")
    try:
        yield partial(begun, made.get_tracer("authproxy", __version__))
    finally:
        # A thread that the end of the program does not wait for.
        sending = threading.Thread(target=made.shutdown, name="telemetry", daemon=True)
        sending.start()
        end = asyncio.get_running_loop().time() + PATIENCE
        while sending.is_alive() and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110 - threads tell nobody
            await asyncio.sleep(PATIENCE / 100)
