"""docs/webhooks.md: the receiver's code takes what authproxy sends, and the table has every event."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from authproxy.domain.events import Event
from authproxy.store import outbox, webhooks
from authproxy.web import courier
from authproxy.web.courier import signature

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
SECRET = b"0123456789abcdef"

Verify = Callable[[bytes, dict[str, str], bytes], str]


@pytest.fixture
def verify() -> Verify:
    """The function that the page shows."""
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(code.splitlines()) <= 16
    made: dict[str, Verify] = {}
    exec(code, made)
    return made["verify"]


def message(now: int, body: bytes = b"{}") -> tuple[dict[str, str], bytes]:
    signed = signature(SECRET, "msg_1", now, body)
    return {"webhook-id": "msg_1", "webhook-timestamp": str(now), "webhook-signature": signed}, body


def test_it_takes_what_is_sent(verify: Verify) -> None:
    """Also beside the signature of another secret."""
    headers, body = message(int(time.time()))
    assert verify(SECRET, headers, body) == "msg_1"
    two = headers | {"webhook-signature": f"v1,other {headers['webhook-signature']}"}
    assert verify(SECRET, two, body) == "msg_1"


def test_it_takes_nothing_else(verify: Verify) -> None:
    """Another body, another id, another secret, an old message that somebody kept."""
    now = int(time.time())
    headers, body = message(now)
    for changed, text, secret in (
        (headers, b"{ }", SECRET),
        (headers | {"webhook-id": "msg_2"}, body, SECRET),
        (headers | {"webhook-timestamp": str(now - 1)}, body, SECRET),
        (headers, body, b"another secret here"),
        (message(now - 301)[0], body, SECRET),
    ):
        with pytest.raises(ValueError, match=r"not signed|too old"):
            verify(secret, changed, text)


def test_the_page_and_the_example_name_every_event() -> None:
    """And no other."""
    words = set(re.findall(r"`((?:upload|push|delete|key)\.[a-z]+)`", PAGE.partition("## A message")[0]))
    assert words == set(Event)
    example = (ROOT / "config.example.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"\b((?:upload|push|delete|key)\.(?!md\b)[a-z]+)\b", example)) == set(Event)


def test_the_numbers_of_the_page() -> None:
    """Pauses, ages and sizes are those of the program."""
    assert f"has {courier.TIMEOUT:.0f} seconds" in PAGE
    assert f"youngest {outbox.BACKLOG:,} events" in PAGE
    assert "three days" in PAGE
    assert webhooks.MAX_AGE == 3 * 86_400
    assert "5, 20 and 80 seconds, and then every 5 minutes" in PAGE
    assert [webhooks._pause(tries, 1) for tries in (1, 2, 3)] == [5, 20, 80]
    assert webhooks.LONGEST_SILENCE == 300
