"""What the proxy counts. Labels are words of ours only: a project or a path as a label would be an open-ended set.

The counters live in a registry of their own and are shown by a listener of their own (`metrics` in the config), so that
nobody who may upload can read them.
"""

from aiohttp.web import BaseRequest, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST


class WebhookMetrics:
    """How webhooks fare, by their names in the config."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.sent = Counter("authproxy_webhook_sent", "Events that a webhook took.", ("webhook",), registry=registry)
        self.failed = Counter(
            "authproxy_webhook_failed", "Tries that a webhook did not take.", ("webhook",), registry=registry
        )
        self.waiting = Gauge(
            "authproxy_webhook_waiting", "Events that wait for a webhook.", ("webhook",), registry=registry
        )
        self.dropped = Gauge(
            "authproxy_webhook_dropped",
            "Events that were dropped since the store was made, because a webhook did not take them for too long.",
            ("webhook",),
            registry=registry,
        )


class LeakMetrics:
    """Keys that somebody has who should not."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.reported = Counter(
            "authproxy_leaks",
            "Matches in reports of leaked keys, by what became of the key, or 'unknown' for what is no key of ours.",
            ("fate",),
            registry=registry,
        )
        self.canaries = Counter(
            "authproxy_canaries_used", "Uses of canary keys: somebody has what they should not.", registry=registry
        )


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
        self.different_files = Gauge(
            "authproxy_different_files",
            "Files of the index with other bytes than were uploaded, or that it has lost: somebody has to look.",
            registry=self.registry,
        )
        self.would_refuse = Counter(
            "authproxy_would_refuse",
            "Uploads that passed and that a rule with enforce: false would have refused, by the code of that refusal.",
            ("code",),
            registry=self.registry,
        )
        self.expiring = Gauge(
            "authproxy_keys_expiring",
            "Keys that expire within so many days, those left out that were made for no longer. Counted every hour.",
            ("within",),
            registry=self.registry,
        )
        self.expired = Gauge(
            "authproxy_keys_expired",
            "Keys that have expired and were neither revoked nor paused. Counted every hour.",
            registry=self.registry,
        )
        self.leaks, self.webhooks = LeakMetrics(self.registry), WebhookMetrics(self.registry)
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
