"""What the proxy counts. Labels are words of ours only: a project or a path as a label would be an open-ended set.

The counters live in a registry of their own and are shown by a listener of their own (`metrics` in the config), so that
nobody who may upload can read them.
"""

from aiohttp.web import BaseRequest, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST


class Metrics:
    """The counters of one running proxy."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "authproxy_requests",
            "Answers by action and by the code of the refusal, or 'ok'.",
            ("action", "answer"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "authproxy_request_seconds", "Time from head to answer.", ("action",), registry=self.registry
        )
        self.misconfigured = Gauge(
            "authproxy_misconfigured",
            "1 while the index refuses our service credentials or our upload address: nothing can be uploaded.",
            registry=self.registry,
        )

        # Finding a counter by its labels takes longer than counting, and every request is counted.
        self._counted: dict[tuple[str, str], tuple[Counter, Histogram]] = {}

    def count(self, action: str, answer: str, seconds: float) -> None:
        """Count one answer. Both words are ours, so the set of labels is closed."""
        known = self._counted.get((action, answer))
        if known is None:
            known = self._counted[action, answer] = self.requests.labels(action, answer), self.seconds.labels(action)
        requests, histogram = known
        requests.inc()
        histogram.observe(seconds)

    async def show(self, request: BaseRequest) -> Response:
        """Answer a scrape."""
        if request.raw_path != "/metrics":
            return Response(status=404, text="the metrics are at /metrics\n")
        page = generate_latest(self.registry)
        return Response(body=page, headers={"Content-Type": CONTENT_TYPE_LATEST})
