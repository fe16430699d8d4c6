"""An index that hangs, lies, dies or answers in garbage: what the client is told, and that the next try is a fresh one."""

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.peers import wire
from tests.peers.clients import Client
from tests.peers.forms import upload
from tests.peers.packages import wheel
from tests.peers.ports import reserved_port
from tests.peers.proxy import Key, Proxy, proxy
from tests.peers.recording import Early, Hang, Raw, RecordingIndex, Reply, Script, Seen

TIMEOUTS = {"connect": "1s", "read": "2s", "upload": "2s"}
PACKAGE = wheel("acme-core")

# What the index does with the POST, and what the client is then told.
ANSWERS: list[tuple[str, Script, int, str]] = [
    ("400 and a reason", Reply(400, b"the moon is full"), 400, "the moon is full"),
    ("409", Reply(409, b"Package 'acme_core' already exists!"), 400, "File already exists"),
    ("400 that it exists", Reply(400, b"Package 'acme_core' already exists!"), 400, "File already exists"),
    ("401", Reply(401, b"who are you"), 403, "proxy is misconfigured"),
    ("403", Reply(403, b"you may not"), 403, "proxy is misconfigured"),
    ("404", Reply(404, b"no such page"), 403, "proxy is misconfigured"),
    ("301", Reply(301, headers=(("Location", "http://127.0.0.1:1/"),)), 403, "proxy is misconfigured"),
    ("500", Reply(500, b"Traceback (most recent call last)"), 502, "index"),
    ("503", Reply(503), 502, "index"),
    ("garbage", Raw(b"\x00\xff garbage\r\n\r\n"), 502, "index"),
    ("nothing", Raw(b""), 502, "index"),
    ("a reset", Raw(b"", reset=True), 502, "index"),
    ("half a head", Raw(b"HTTP/1.1 200 OK\r\nContent-Le"), 502, "index"),
    ("half a body", Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", reset=True), 502, "index"),
    ("a hang", Hang(), 504, "index"),
]


@pytest.fixture
def running(tmp_path: Path, recording: RecordingIndex) -> Iterator[Proxy]:
    with proxy(tmp_path / "proxy", recording.url) as proxied:
        yield proxied


@pytest.fixture
def impatient(tmp_path: Path, recording: RecordingIndex) -> Iterator[Proxy]:
    """A proxy that waits two seconds for the index."""
    backend = {"flavour": "pypiserver", "url": recording.url, "timeouts": TIMEOUTS}
    with proxy(tmp_path / "proxy", recording.url, backend=backend) as proxied:
        yield proxied


def test_the_client_is_told_what_became_of_it(impatient: Proxy, recording: RecordingIndex) -> None:
    """Each answer of the index becomes the right status; success is said only for success; afterwards the upload works."""
    key = impatient.create_key()
    for number, (case, script, status, words) in enumerate(ANSWERS):
        package = wheel("acme-core", f"1.{number}")

        def answer(seen: Seen, script: Script = script) -> Script:
            return script if seen.method == "POST" else Reply(404)

        recording.forget()
        recording.answer = answer
        told = wire.exchange(impatient.address, upload(package, key.text))
        assert told.status == status, (case, told)
        assert words in told.reason, (case, told)
        assert len(recording.uploads) == 1, case

    def again(number: int) -> int:
        return wire.exchange(impatient.address, upload(wheel("acme-core", f"1.{number}"), key.text)).status

    recording.forget()
    with ThreadPoolExecutor(len(ANSWERS)) as pool:  # where the index gave no clear answer, it is looked at twice first
        statuses = list(pool.map(again, range(len(ANSWERS))))
    assert statuses == [200] * len(ANSWERS)
    assert len(recording.uploads) == len(ANSWERS)


def test_an_index_that_is_not_there_is_a_502(tmp_path: Path) -> None:
    """Nothing is stored, the sentence says so, and no time is lost."""
    with proxy(tmp_path, f"http://127.0.0.1:{reserved_port()}/") as alone:
        key = alone.create_key()
        told = wire.exchange(alone.address, upload(PACKAGE, key.text))
        assert (told.status, "index" in told.reason) == (502, True), told
        assert wire.exchange(alone.address, wire.get("/-/healthz")).status == 200
        assert wire.exchange(alone.address, wire.get("/-/readyz")).status == 503


def test_an_index_that_says_200_too_early_has_stored_nothing(impatient: Proxy, recording: RecordingIndex) -> None:
    """A 200 before the last byte was sent is no success, and the rest of the body is not the next request."""
    key = impatient.create_key()
    package = wheel("acme-core", payload=os.urandom(24_000_000))
    recording.early = Early(Reply(200), after=100_000)
    told = wire.exchange(impatient.address, upload(package, key.text), timeout=60)
    assert told.status in {502, 504}, told
    recording.forget()
    assert wire.exchange(impatient.address, upload(package, key.text), timeout=60).status == 200
    [seen] = recording.uploads
    assert package.content in seen.body


def test_a_file_that_arrived_although_the_answer_was_lost_is_a_success(
    impatient: Proxy, recording: RecordingIndex
) -> None:
    """After an unclear answer the index is asked what it has; the right hash is a success for the client, too."""
    key = impatient.create_key()

    def answer(seen: Seen) -> Script:
        match seen.method, seen.target:
            case "POST", _:
                return Raw(b"", reset=True)
            case "GET", "/simple/acme-core/":
                link = f'<a href="../../packages/{PACKAGE.filename}#sha256={PACKAGE.sha256}">{PACKAGE.filename}</a>'
                return Reply(200, f"<html><body>{link}</body></html>".encode())
            case _:
                return Reply(200, PACKAGE.content)

    recording.answer = answer
    told = wire.exchange(impatient.address, upload(PACKAGE, key.text))
    assert told.status == 200, told


@pytest.mark.parametrize("late", [True, False], ids=["it came", "it did not come"])
def test_twines_own_repeat_gets_through(
    impatient: Proxy, recording: RecordingIndex, tmp_path: Path, late: bool
) -> None:
    """The index writes the file a moment after its answer was lost, or never: twine's next try, at once, settles it."""
    key, done = impatient.create_key(), []

    def answer(seen: Seen) -> Script:
        if seen.method == "POST":
            done.append(time.monotonic())
            return Raw(b"", reset=True) if len(done) == 1 else Reply(200)
        link = f'<a href="../../packages/{PACKAGE.filename}#sha256={PACKAGE.sha256}">{PACKAGE.filename}</a>'
        came = late and done and time.monotonic() > done[0] + 2
        return Reply(200, f"<html><body>{link}</body></html>".encode()) if came else Reply(404)

    recording.answer = answer
    ran = Client(tmp_path).twine(impatient.url, key.text, PACKAGE.write(tmp_path / "dist"))
    assert (ran.code, len(done)) == (0, 1 if late else 2), ran.said
    assert ran.said.count("appears to have failed") == 1


def test_two_uploads_of_one_file_at_once(running: Proxy, recording: RecordingIndex) -> None:
    """The second is told to come back while the first is under way: one file, one claim."""
    key = running.create_key()
    assert wire.exchange(running.address, upload(wheel("acme-warm"), key.text)).status == 200
    recording.forget()
    go_on = threading.Event()

    def answer(seen: Seen) -> Script:
        if seen.method == "POST":
            go_on.wait(10)
            return Reply(200)
        return Reply(404)

    recording.answer = answer
    first, second = (upload(wheel("acme-core", payload=payload), key.text) for payload in (b"one", b"two"))
    with wire.Conversation(running.address) as earlier:
        earlier.send(first)
        _wait_for(lambda: b"one" in recording.octets or recording.connections > 0)
        told = wire.exchange(running.address, second)
        go_on.set()
        assert earlier.answer().status == 200
    assert told.status == 503, told
    assert int(told.header("retry-after") or "0") >= 1
    assert len(recording.uploads) == 1


def _wait_for(condition) -> None:
    for _ in range(500):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it did not happen within five seconds")


@pytest.fixture
def key(running: Proxy) -> Key:
    return running.create_key()
