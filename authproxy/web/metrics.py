"""What the proxy counts. Labels are words of ours only: a project or a path as a label would be an open-ended set.

The counters live in a registry of their own and are shown by a listener of their own (`metrics` in the config), so that
nobody who may upload can read them. What is looked up at a scrape, and not counted as it happens, is in `measured`;
docs/metrics.md has a row for each (a test holds it to that).
"""

from typing import Final

from aiohttp.web import BaseRequest, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from authproxy import __version__
from authproxy.audit import NO_DECISION
from authproxy.backend.exchange import Kind, Result
from authproxy.web.adding import shown
from authproxy.web.countings import ConfigMetrics, LeakMetrics, WebhookMetrics
from authproxy.web.timing import BUCKETS, Tally, Timings

_REQUESTS: Final = (
    (
        "authproxy_requests",
        (
            "Answers by action, by what was decided (allowed, refused, or failed where something was in the way of a "
            "decision), and by the reason: the code of docs/refusals.md, 'ok', or 'index' for the index's own answer."
        ),
    ),
    ("authproxy_request_seconds", "Seconds from the head of a request to the end of its answer, by action."),
    ("action", "decision", "reason"),
)
_EXCHANGES: Final = (
    (
        "authproxy_index_requests",
        (
            "Requests to the index by what was exchanged (read, change, upload) and how it ended: answered, error (a "
            "status of 500 or more), timeout, unreachable, or given-up by the client."
        ),
    ),
    (
        "authproxy_index_request_seconds",
        "Seconds until the index answered: to the head of its answer to a read or change, to the end of an upload.",
    ),
    ("exchange", "result"),
)
# The answers that are no code of a refusal, and what was decided then: the index has an answer of its own, an error
# among them, to what was allowed; a token that nobody is trusted with is refused in the words of its own protocol.
# What /-/readyz says no by: nobody was refused anything.
NOT_READY: Final = "not-ready"
_DECIDED: Final = {"ok": "allowed", "index": "allowed", NOT_READY: "allowed", "refused": "refused"}


class Metrics:
    """The counters of one running proxy."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Timings(registry, *_REQUESTS)
        self.exchanges = Timings(registry, *_EXCHANGES)
        self.would_refuse = Counter(
            "authproxy_would_refuse",
            "Uploads that passed and that a rule with enforce: false would have refused, by the code of that refusal.",
            ("code",),
            registry=registry,
        )
        self._of_state(registry)
        self._of_keys(registry)
        Gauge("authproxy_build_info", "1, and the version that runs.", ("version",), registry=registry).labels(
            __version__
        ).set(1)
        self.leaks, self.webhooks = LeakMetrics(registry), WebhookMetrics(registry)
        self.config = ConfigMetrics(registry)
        # Finding what counts takes longer than counting, and every request is counted.
        self._counted: dict[tuple[str, str], Tally] = {}
        self._exchanged: dict[tuple[Kind, Result], Tally] = {}

    def _of_state(self, registry: CollectorRegistry) -> None:
        self.misconfigured = Gauge(
            "authproxy_misconfigured",
            "1 while the index refuses our service credentials or our upload address: nothing can be uploaded.",
            registry=registry,
        )
        self.different_files = Gauge(
            "authproxy_different_files",
            "Files of the index with other bytes than were uploaded, or that it has lost: somebody has to look.",
            registry=registry,
        )
        self.record_damaged = Gauge(
            "authproxy_record_damaged",
            "1 where the record of decisions did not fit its hash chain when it was last pruned: `authproxy audit "
            "verify` says where.",
            registry=registry,
        )
        self.intents_open = Gauge(
            "authproxy_intents_open",
            "Uploads and deletes whose end nobody saw and that could not be settled with the index in the last round.",
            registry=registry,
        )
        self.not_ready = Gauge(
            "authproxy_not_ready",
            "1 while this keeps an upload from passing, as /-/readyz says: the store, the spool or the index. Asked "
            "every half minute.",
            ("what",),
            registry=registry,
        )
        self.store_failures = Counter(
            "authproxy_store_failures",
            "Requests that failed because of the store: away (PostgreSQL does not answer), busy, full, or broken.",
            ("kind",),
            registry=registry,
        )

    def _of_keys(self, registry: CollectorRegistry) -> None:
        self.expiring = Gauge(
            "authproxy_keys_expiring",
            "Keys that expire within so many days, those left out that were made for no longer. Counted every hour.",
            ("within",),
            registry=registry,
        )
        self.expired = Gauge(
            "authproxy_keys_expired",
            "Keys that have expired and were neither revoked nor paused. Counted every hour.",
            registry=registry,
        )
        self.argon2 = Histogram(
            "authproxy_argon2_seconds",
            "Seconds that the first use of a key waited for its Argon2, the time in the queue included.",
            registry=registry,
            buckets=BUCKETS,
        )
        self.spooled = Gauge(
            "authproxy_spool_bytes",
            "Bytes of files that are being uploaded now, in memory or spooled.",
            registry=registry,
        )

    def count(self, action: str, answer: str, seconds: float) -> None:
        """Count one answer. Both words are ours, so the set of labels is closed."""
        known = self._counted.get((action, answer))
        if known is None:
            decision = _DECIDED.get(answer) or ("failed" if answer in NO_DECISION else "refused")
            known = self._counted[action, answer] = self.requests.tally(action, decision, str(answer))
        known.add(seconds)

    def exchanged(self, kind: Kind, result: Result, seconds: float) -> None:
        """Count one exchange with the index."""
        known = self._exchanged.get((kind, result))
        if known is None:
            known = self._exchanged[kind, result] = self.exchanges.tally(str(kind), str(result))
        known.add(seconds)

    async def show(self, request: BaseRequest) -> Response:
        """Answer a scrape."""
        return shown(request, generate_latest(self.registry))
