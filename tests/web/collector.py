"""A collector of traces: a real HTTP server that takes what OTLP sends, and reads the protobuf."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.peers.ports import LOOPBACK, reserved_port


@dataclass
class Collector:
    """What came."""

    url: str
    bodies: list[bytes] = field(default_factory=list)
    status: int = 200

    @property
    def requests(self) -> list[ExportTraceServiceRequest]:
        return [ExportTraceServiceRequest.FromString(each) for each in self.bodies]

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@asynccontextmanager
async def collector() -> AsyncIterator[Collector]:
    """Take traces on loopback."""
    port = reserved_port()
    made = Collector(f"http://{LOOPBACK}:{port}")

    async def take(request: web.Request) -> web.Response:
        assert request.content_type == "application/x-protobuf"
        made.bodies.append(await request.read())
        return web.Response(status=made.status)

    app = web.Application()
    app.router.add_post("/v1/traces", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, port).start()
    try:
        yield made
    finally:
        await runner.cleanup()


def words(span: Span) -> dict[str, str | int]:
    """What a step was told."""
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}
