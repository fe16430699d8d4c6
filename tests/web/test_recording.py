"""How a step is recorded; what a collector gets of it, `test_telemetry` says."""

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from authproxy.domain.traces import Trace
from authproxy.web.recording import begun, provider


@pytest.fixture
def kept() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(kept: InMemorySpanExporter):
    made = TracerProvider(shutdown_on_exit=False)
    made.add_span_processor(SimpleSpanProcessor(kept))
    yield made.get_tracer("tests")
    made.shutdown()


def test_steps_have_the_names_and_the_places_that_they_are_given(tracer, kept) -> None:
    """The first of a trace, one within it, one that failed."""
    first = begun(tracer, None)
    inner = first.child("store admit")
    inner.end(failed=True)
    first.tell(action="upload", answer="ok")
    first.end()
    admit, request = kept.get_finished_spans()
    assert (request.name, request.parent) == ("request upload", None)
    assert admit.parent.span_id == request.context.span_id
    assert (admit.status.status_code, request.status.status_code) == (StatusCode.ERROR, StatusCode.UNSET)
    assert first.trace.trace_id == inner.trace.trace_id == f"{request.context.trace_id:032x}"


@pytest.mark.parametrize("sampled", [True, False])
def test_the_clients_choice_is_kept(tracer, kept, sampled: bool) -> None:
    """Its trace goes on; what it does not want recorded is not, and goes on all the same."""
    span = begun(tracer, Trace("a" * 32, "b" * 16, sampled))
    child = span.child("index read")
    child.end()
    span.end()
    assert (child.trace.trace_id, child.trace.sampled) == ("a" * 32, sampled)
    assert len(kept.get_finished_spans()) == (2 if sampled else 0)


@pytest.mark.parametrize(
    ("env", "name"),
    [({}, "authproxy"), ({"OTEL_SERVICE_NAME": "index-proxy"}, "index-proxy")],
)
def test_the_environment_may_call_it_otherwise(monkeypatch: pytest.MonkeyPatch, env: dict[str, str], name: str) -> None:
    """The SDK's own word for a program without a name does not count."""
    for each, value in env.items():
        monkeypatch.setenv(each, value)
    made = provider()
    assert isinstance(made.resource, Resource)
    assert made.resource.attributes["service.name"] == name
    made.shutdown()
