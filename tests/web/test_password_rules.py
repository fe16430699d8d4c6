"""Where the operator says allow, warn or refuse, for all or for a package, until a day: what becomes of a password."""

import pytest

from tests.peers.packages import wheel
from tests.peers.recording import RecordingIndex
from tests.web.conftest import Running
from tests.web.test_passwords import Guarded, guarded, passwords, send
from tests.web.test_upload import rows

__all__ = ["guarded"]


CLOSED = {
    "refused": (passwords("refuse"), "API keys only"),
    "refused, also in the packages": (passwords("refuse", passwords="refuse"), "API keys only"),
    "over since yesterday": (passwords("allow", days=-1), "ask the operator for a key"),
    "a package opened it, and it is over": (passwords("refuse", days=-1, passwords="warn"), "ask the operator"),
}


@pytest.mark.parametrize(("running", "words"), CLOSED.values(), ids=CLOSED.keys(), indirect=["running"])
async def test_where_passwords_are_refused_the_index_saw_nothing(
    running: Running, recording: RecordingIndex, words: str
) -> None:
    """Not even whether the password is right is asked."""
    answer = await send(running, wheel("acme-core"))
    assert (answer.status, words in answer.reason) == (401, True), answer.reason
    recording.assert_saw_nothing()
    assert rows(running) == []


OPEN = {
    "today is the last day": passwords("allow", days=0),
    "a package opens it": passwords("refuse", passwords="allow"),
}


@pytest.mark.parametrize("running", OPEN.values(), ids=OPEN.keys(), indirect=True)
async def test_where_they_are_taken_they_are(running: Running, guarded: Guarded) -> None:
    """The control of the test above."""
    assert (await send(running, wheel("acme-core"))).status == 200
    assert len(guarded.stored) == 1


@pytest.mark.parametrize("running", [passwords("allow", passwords="refuse")], indirect=True, ids=["refused for acme-*"])
async def test_one_package_may_be_closed(running: Running, guarded: Guarded) -> None:
    """The refusal names the rule and is on record; another package is open."""
    answer = await send(running, wheel("acme-core"))
    assert (answer.status, "packages[0] acme-* takes no passwords" in answer.reason) == (403, True)
    assert (await send(running, wheel("web-shop"))).status == 200
    assert [(row["owner"], row["outcome"], row["code"]) for row in rows(running)] == [
        ("alice", "denied", "not-allowed"),
        ("alice", "stored", None),
    ]
    assert guarded.stored == ["web_shop-1.0-py3-none-any.whl"]
