"""What is counted, and under which words."""

from aiohttp.test_utils import make_mocked_request

from authproxy.domain.refusal import Code
from authproxy.web.metrics import Metrics


async def test_a_scrape_shows_what_was_counted() -> None:
    """Two answers, two lines, and the time they took."""
    metrics = Metrics()
    metrics.count("upload", "ok", 0.25)
    metrics.count("upload", Code.NOT_ALLOWED, 0.01)
    metrics.expiring.labels("7d").set(3)
    metrics.expired.set(1)
    metrics.leaks.reported.labels("revoked").inc()
    metrics.leaks.canaries.inc()
    metrics.webhooks.sent.labels("ops").inc()
    metrics.webhooks.waiting.labels("ops").set(2)
    page = (await metrics.show(make_mocked_request("GET", "/metrics"))).body
    assert isinstance(page, bytes)
    assert b'authproxy_keys_expiring{within="7d"} 3.0' in page
    assert b"authproxy_keys_expired 1.0" in page
    assert b'authproxy_leaks_total{fate="revoked"} 1.0' in page
    assert b"authproxy_canaries_used_total 1.0" in page
    assert b'authproxy_webhook_sent_total{webhook="ops"} 1.0' in page
    assert b'authproxy_webhook_waiting{webhook="ops"} 2.0' in page
    assert b'authproxy_requests_total{action="upload",decision="allowed",reason="ok"} 1.0' in page
    assert b'authproxy_requests_total{action="upload",decision="refused",reason="not-allowed"} 1.0' in page
    assert b'authproxy_request_seconds_sum{action="upload"} 0.26' in page


async def test_two_proxies_count_apart() -> None:
    """There is no registry of the process."""
    one, other = Metrics(), Metrics()
    one.count("read", "ok", 0.1)
    page = (await other.show(make_mocked_request("GET", "/metrics"))).body
    assert isinstance(page, bytes)
    assert b"authproxy_requests_total{" not in page
