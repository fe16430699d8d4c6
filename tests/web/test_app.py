"""Whatever happens inside, one well-formed answer comes out; and a reload changes what it may."""

import logging

import pytest

from authproxy.backend.devpi import devpi
from authproxy.backend.flavour import match
from authproxy.config import load
from authproxy.domain.refusal import Code, Refused
from authproxy.store import StoreBusy, StoreError, StoreFull
from authproxy.web import app as room
from tests.peers.forms import upload
from tests.peers.packages import wheel
from tests.peers.recording import RecordingIndex
from tests.peers.wire import basic, get
from tests.web.conftest import Running

FAULTS = {
    "a busy store": (StoreBusy("locked"), 503),
    "a full disk": (StoreFull("no room"), 507),
    "a broken store": (StoreError("malformed"), 503),
    "a fault of ours": (ZeroDivisionError("secret apx_stuff"), 500),
    "a client that left": (ConnectionResetError(), 400),
}


@pytest.mark.parametrize(("fault", "status"), FAULTS.values(), ids=FAULTS.keys())
async def test_a_fault_inside_is_one_answer(
    running: Running, recording: RecordingIndex, monkeypatch: pytest.MonkeyPatch, fault: Exception, status: int
) -> None:
    """The client gets a sentence, never a traceback, and the index nothing."""

    async def broken(*_: object) -> None:
        raise fault

    monkeypatch.setitem(room.ROUTES, "upload", broken)
    answer = await running.ask(upload(wheel("acme-core"), await running.key()))
    assert answer.status == status
    assert "Traceback" not in answer.text
    assert str(fault) not in answer.text or not str(fault)
    recording.assert_saw_nothing()


async def test_a_request_is_one_line_of_the_log(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    """The operator finds who asked for what from where, and the secret nowhere."""
    key = await running.key()
    with caplog.at_level(logging.INFO, "authproxy.web"):
        await running.ask(upload(wheel("victim"), key))
    [line] = [record for record in caplog.records if record.name == "authproxy.web"]
    said = vars(line)
    assert line.getMessage() == f"upload {Code.NOT_ALLOWED}"
    assert (said["address"], said["status"], said["method"], said["target"]) == ("127.0.0.1", 403, "POST", "/")
    assert key not in str(said)


async def test_requests_are_counted_by_words_of_ours(running: Running) -> None:
    """The labels are actions and codes: no path, no project."""
    await running.ask(upload(wheel("victim"), await running.key()))
    await running.ask(get("/simple/acme-core/"))
    counts = {
        (sample.labels["action"], sample.labels["reason"]): sample.value
        for metric in running.app.parts.metrics.requests.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    }
    assert counts == {("upload", "not-allowed"): 1, ("read", "index"): 1}


async def test_a_reload_is_in_force_from_the_next_request(running: Running) -> None:
    """What the YAML says now, the next upload meets."""
    key = await running.key()
    running.write(packages=[])
    assert running.app.reload(load(running.file)) == []
    answer = await running.ask(upload(wheel("acme-core"), key))
    assert (answer.status, "no package rule" in answer.reason) == (403, True)


async def test_a_reload_leaves_what_needs_a_restart(running: Running, recording: RecordingIndex) -> None:
    """A new key prefix would make every key foreign, and foreign credentials may go to the index."""
    before = running.app.parts.config
    running.write(keys={"prefix": "other"}, listen="127.0.0.1:1", reads="open")
    assert running.app.reload(load(running.file)) == ["listen", "keys"]
    assert (running.app.parts.config.keys, running.app.parts.config.listen) == (before.keys, before.listen)
    assert running.app.parts.config.reads != before.reads
    key = await running.key()
    assert (await running.ask(upload(wheel("acme-core"), key))).status == 200
    assert not any(key.encode() in seen.raw for seen in recording.requests)


@pytest.mark.parametrize("target", ["/simple/", "/legacy/", "/packages/x"])
async def test_an_upload_to_another_place_is_told_the_right_one(
    running: Running, recording: RecordingIndex, target: str
) -> None:
    """One sentence that does not contradict itself: /simple/ is read, and takes nothing."""
    key = await running.key()
    raw = upload(wheel("acme-core"), key).replace(b"POST / ", f"POST {target} ".encode(), 1)
    answer = await running.ask(raw)
    assert (answer.status, answer.reason) == (403, f"uploads go to /, not to '{target}'")
    recording.assert_saw_nothing()


@pytest.mark.parametrize(
    ("indexes", "places"),
    [
        pytest.param(("team/dev",), "/team/dev/", id="one"),
        pytest.param(("a/b", "c/d"), "/a/b/ or /c/d/", id="two"),
        pytest.param(("a/1", "a/2", "a/3", "a/4", "a/5"), "/a/1/ or /a/2/ or /a/3/ or 2 more", id="five"),
    ],
)
def test_where_uploads_go_before_devpi(indexes: tuple[str, ...], places: str) -> None:
    """To the indexes of the configuration, the first few of them by name."""
    with pytest.raises(Refused) as refused:
        match(devpi(indexes), "POST", "/a/1/+simple/")
    assert refused.value.denial.reason == f"uploads go to {places}, not to '/a/1/+simple/'"


async def test_a_key_in_a_url_goes_nowhere(
    running: Running, recording: RecordingIndex, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever pastes a key into an address must not hand it to the index and its log."""
    key = await running.key()
    header = basic("__token__", key).removeprefix("Basic ")
    spelled = (
        f"/simple/{key}/",
        f"/simple/{key.lower().replace('_', '-')}/",
        f"/{key.replace('_', '%5F')}",
        f"/{header}",
    )
    for target in spelled:
        answer = await running.ask(get(target))
        assert (answer.status, "replace this one" in answer.reason) == (400, True)
    escaped = "/" + "".join(f"%{ord(letter):02x}" for letter in key)
    assert (await running.ask(get(escaped))).status == 400
    [*_, line] = [vars(record) for record in caplog.records if record.name == "authproxy.web"]
    assert line["target"] == "(holds a key)"
    recording.assert_saw_nothing()
    assert (await running.ask(get("/simple/apx_configuration_libraries/"))).status == 404
