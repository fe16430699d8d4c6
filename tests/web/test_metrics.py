"""What is counted, and under which words."""

import asyncio

from aiohttp.test_utils import make_mocked_request

from authproxy import __version__
from authproxy.audit import NO_DECISION
from authproxy.backend.exchange import Kind, Result
from authproxy.domain.refusal import Code
from authproxy.web.metrics import Metrics
from authproxy.web.routes import ROUTES
from tests.peers.forms import upload
from tests.peers.packages import wheel
from tests.peers.recording import RecordingIndex
from tests.peers.wire import basic, exchange, head
from tests.web.conftest import Running


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


HOSTILE = (
    *(
        "../../etc/passwd",
        "acme%00",
        "a" * 3000,
        "{label='x'}",
        "apx_AAAAAAAAAAAAA_secret",
        "\xff\xfe",
        "x,y=z",
        "-/-/-",
    ),
    *(f"project-{number}" for number in range(40)),
)
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "BREW", "PROPFIND", "HEAD", "OPTIONS", "PUSH")


def labels(running: Running) -> set[tuple[str, str, str]]:
    """Every label with each of its values, by the metric."""
    return {
        (family.name, name, value)
        for family in running.app.parts.metrics.registry.collect()
        for sample in family.samples
        for name, value in sample.labels.items()
        if name != "le"
    }


async def test_nothing_that_a_client_sends_becomes_a_label(running: Running, recording: RecordingIndex) -> None:
    """Projects, paths, methods, agents, credentials: the values are a closed set, and all of it is words of ours."""
    key = await running.key()

    def drive() -> None:
        for number, each in enumerate(HOSTILE):
            said = [("User-Agent", each), ("traceparent", each), ("X-Request-Id", each)]
            said += [("Authorization", basic(each, key if number % 2 else each))] * (number % 3 > 0)
            for target in (
                f"/simple/{each}/",
                f"/packages/{each}-1.0.tar.gz",
                f"/-/{each}",
                f"/_/oidc/{each}",
                f"/?{each}",
            ):
                exchange(running.address, head(METHODS[number % len(METHODS)], target, said))
            exchange(running.address, upload(wheel(f"acme-{number}"), key))

    await asyncio.to_thread(drive)
    actions = {*ROUTES}
    reasons = {*map(str, Code), "ok", "index", "refused"}
    allowed: dict[str, set[str]] = {
        "action": actions,
        "decision": {"allowed", "refused", "failed"},
        "reason": reasons,
        "exchange": {*map(str, Kind)},
        "result": {*map(str, Result)},
        "version": {__version__},
        "what": {"store", "spool", "index"},
        "within": {"1d", "7d", "30d"},
        "kind": {"away", "busy", "full", "broken"},
    }
    found = labels(running)
    assert len([each for each in found if each[1] == "reason"]) >= 4, "the control: much was counted"
    assert {(name, value) for _, name, value in found if value not in allowed.get(name, set())} == set()
    running.app.parts.metrics.count("project-7", "ok", 0.1)
    strays = {value for _, name, value in labels(running) if value not in allowed.get(name, set())}
    assert strays == {"project-7"}, "the control: a label of a client's would be seen"


def test_every_answer_is_decided_in_one_way() -> None:
    """What is in the way of a decision is no decision; a code is nobody's yes."""
    metrics = Metrics()
    for answer in (*Code, "ok", "index", "refused"):
        metrics.count("upload", answer, 0.1)
    [counted, _] = metrics.requests.collect()
    decided = {sample.labels["reason"]: sample.labels["decision"] for sample in counted.samples}
    assert {reason for reason, decision in decided.items() if decision == "allowed"} == {"ok", "index"}
    assert {reason for reason, decision in decided.items() if decision == "failed"} == set(NO_DECISION)
    metrics.exchanged(Kind.READ, Result.TIMEOUT, 0.1)
    metrics.exchanged(Kind.READ, Result.TIMEOUT, 0.1)
    value = metrics.registry.get_sample_value
    assert value("authproxy_index_requests_total", {"exchange": "read", "result": "timeout"}) == 2
