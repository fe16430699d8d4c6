"""What no request comes out of is answered in words of ours, which quote nothing and name no version."""

import asyncio

import pytest

from tests.peers.ports import reserved_port
from tests.peers.wire import Answer, exchange
from tests.web.conftest import Running

NONSENSE = b"GET / HTTP/1.1\r\nHost: x\r\nX-Secret hunter2\r\n\r\n"
METRICS = reserved_port()


async def asked(running: Running, listener: str, raw: bytes) -> Answer:
    """Send it to one of the two."""
    address = running.address if listener == "clients" else ("127.0.0.1", METRICS)
    return await asyncio.to_thread(exchange, address, raw)


@pytest.mark.parametrize(
    "raw", [b"FOO BAR\r\n\r\n", NONSENSE, b"\x16\x03\x01\x02\x00\x01"], ids=["verb", "header", "TLS"]
)
@pytest.mark.parametrize("running", [{"metrics": f"127.0.0.1:{METRICS}"}], indirect=True, ids=["both"])
@pytest.mark.parametrize("listener", ["clients", "metrics"])
async def test_what_cannot_be_parsed(running: Running, listener: str, raw: bytes) -> None:
    """At the port for clients as at the one for metrics."""
    answer = await asked(running, listener, raw)
    assert answer.status == 400
    assert answer.header("Server") == "authproxy"
    assert "hunter2" not in answer.text
    assert "well-formed" in answer.text


@pytest.mark.parametrize("running", [{"metrics": f"127.0.0.1:{METRICS}"}], indirect=True, ids=["both"])
@pytest.mark.parametrize(("path", "status"), [("/metrics", 200), ("/", 404)])
async def test_the_metrics_name_no_version(running: Running, path: str, status: int) -> None:
    """Nor does what is beside them."""
    answer = await asked(running, "metrics", f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert (answer.status, answer.header("Server")) == (status, "authproxy")
