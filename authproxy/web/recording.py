"""Steps as OpenTelemetry records them. Importing this takes the extra `otel`; `telemetry` does, where it is wanted.

A name, an attribute, an event of a step is a word of ours or a number: no project, no path, no key, no text of an
exception.
"""

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)
from opentelemetry.trace import Span as OpenSpan

from authproxy import __version__
from authproxy.domain.traces import Trace


def provider() -> TracerProvider:
    """What sends steps to the collector that the environment names."""
    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say otherwise where they are set.
    ours = Resource({SERVICE_NAME: "authproxy", SERVICE_VERSION: __version__})
    made = TracerProvider(resource=_named(ours, Resource.create()), shutdown_on_exit=False)
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return made


def _named(ours: Resource, said: Resource) -> Resource:
    """What the environment says goes before what we do, but for the SDK's word for a program without a name."""
    nameless = str(said.attributes.get(SERVICE_NAME, "")).startswith("unknown_service")
    return said.merge(ours) if nameless else ours.merge(said)


class Recorded:
    """A step that is recorded."""

    __slots__ = ("_span", "_tracer", "trace")

    def __init__(self, tracer: Tracer, span: OpenSpan) -> None:
        self._tracer = tracer
        self._span = span
        here = span.get_span_context()
        self.trace = Trace(f"{here.trace_id:032x}", f"{here.span_id:016x}", bool(here.trace_flags.sampled))

    def child(self, name: str) -> "Recorded":
        """Begin a step within this one."""
        context = set_span_in_context(self._span, Context())
        return Recorded(self._tracer, self._tracer.start_span(name, context, SpanKind.CLIENT))

    def tell(self, **words: str | int) -> None:
        """Add what is known; the action is a part of the name as well."""
        for name, value in words.items():
            self._span.set_attribute("http.response.status_code" if name == "status" else f"authproxy.{name}", value)
        if "action" in words:
            self._span.update_name(f"request {words['action']}")

    def end(self, *, failed: bool = False) -> None:
        """End it."""
        if failed:
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


def begun(tracer: Tracer, before: Trace | None) -> Recorded:
    """Begin the step of a request, after the client's or as the first of a trace."""
    context = Context()
    if before is not None:
        flags = TraceFlags(TraceFlags.SAMPLED if before.sampled else TraceFlags.DEFAULT)
        theirs = SpanContext(int(before.trace_id, 16), int(before.span_id, 16), is_remote=True, trace_flags=flags)
        context = set_span_in_context(NonRecordingSpan(theirs), context)
    return Recorded(tracer, tracer.start_span("request", context, SpanKind.SERVER))
