"""Groups of what is counted, by who counts it; `metrics` has them all in one registry."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge


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


class ConfigMetrics:
    """Whether the files that a server was told to read again were good."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._successful = Gauge(
            "authproxy_config_last_reload_successful",
            "0 where the configuration in force is not the file's, because the last reload found a problem in that.",
            registry=registry,
        )
        self._since = Gauge(
            "authproxy_config_last_reload_success_timestamp_seconds",
            "When a configuration was last taken, at the start or by a reload, in unix seconds.",
            registry=registry,
        )
        self.reloaded(well=True)

    def reloaded(self, *, well: bool) -> None:
        """Note how a start or a reload went."""
        self._successful.set(int(well))
        if well:
            self._since.set(time.time())


class TlsMetrics:
    """The certificate of a server that speaks TLS by itself."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._successful = Gauge(
            "authproxy_tls_last_reload_successful",
            "0 where the last reload found no certificate with its key: the old one goes on. Not there without tls.",
            registry=registry,
        )
        self._expires = Gauge(
            "authproxy_tls_certificate_expiry_timestamp_seconds",
            "When the certificate that is shown to clients ends, in unix seconds. Not there without tls.",
            registry=registry,
        )

    def loaded(self, *, well: bool, expires: float | None) -> None:
        """Note how a start or a reload went, and until when the certificate that is in use lasts."""
        self._successful.set(int(well))
        if expires is not None:
            self._expires.set(expires)


class CrewMetrics:
    """What the supervisor of several workers knows, and none of them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.config = ConfigMetrics(registry)
        self.configured = Gauge(
            "authproxy_workers_configured", "How many processes ought to serve. Not there with one.", registry=registry
        )
        self.ready = Gauge(
            "authproxy_workers_ready", "How many processes serve. Not there with one.", registry=registry
        )
        self.deaths = Counter(
            "authproxy_worker_deaths",
            "Processes that ended without having been told to, and were replaced. Not there with one.",
            registry=registry,
        )
