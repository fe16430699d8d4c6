"""What is counted, and under which words."""

from aiohttp.test_utils import make_mocked_request

from authproxy.domain.refusal import Code
from authproxy.web.metrics import Metrics


async def test_a_scrape_shows_what_was_counted() -> None:
    """Two answers, two lines, and the time they took."""
    metrics = Metrics()
    metrics.count("upload", "ok", 0.25)
    metrics.count("upload", Code.NOT_ALLOWED, 0.01)
    page = (await metrics.show(make_mocked_request("GET", "/metrics"))).body
    assert isinstance(page, bytes)
    assert b'authproxy_requests_total{action="upload",answer="ok"} 1.0' in page
    assert b'authproxy_requests_total{action="upload",answer="not-allowed"} 1.0' in page
    assert b'authproxy_request_seconds_sum{action="upload"} 0.26' in page


async def test_two_proxies_count_apart() -> None:
    """There is no registry of the process."""
    one, other = Metrics(), Metrics()
    one.count("read", "ok", 0.1)
    page = (await other.show(make_mocked_request("GET", "/metrics"))).body
    assert isinstance(page, bytes)
    assert b"authproxy_requests_total{" not in page
