"""`enforce: false` through the whole proxy: the upload passes, and record, metric and log say what would have been."""

import logging
from pathlib import Path

import pytest

from tests.peers.forms import upload
from tests.peers.packages import sdist, wheel
from tests.peers.recording import RecordingIndex, Reply
from tests.web.conftest import Running
from tests.web.pushes import before_devpi, pushing
from tests.web.test_upload import rows

WHEELS = {"match": "acme-*", "filetypes": ["wheel"]}
TRIED = [{"packages": [{**WHEELS, "enforce": False}, {"match": "*"}]}, {"packages": [{**WHEELS, "enforce": False}]}]


def counted(running: Running) -> float:
    found = running.app.parts.metrics.registry.get_sample_value("authproxy_would_refuse_total", {"code": "filetype"})
    return found or 0.0


@pytest.mark.parametrize("running", TRIED, indirect=True, ids=["another rule decides", "no other rule"])
async def test_what_would_be_refused_passes_and_is_noted(
    running: Running, recording: RecordingIndex, caplog: pytest.LogCaptureFixture
) -> None:
    """The outcome is what happened; the client is told nothing of it."""
    recording.answer = lambda seen: Reply(200) if seen.method == "POST" else Reply(404)
    with caplog.at_level(logging.WARNING, "authproxy.trials"):
        answer = await running.ask(upload(sdist("acme-core"), await running.key()))
    assert (answer.status, answer.text) == (200, "uploaded\n")
    [row] = rows(running)
    assert (row["outcome"], row["code"]) == ("stored", None)
    assert row["reason"].startswith("would refuse: filetype: ")
    assert "packages[0] acme-* takes wheel" in row["reason"]
    assert counted(running) == 1
    [record] = [each for each in caplog.records if "on trial" in each.message]
    assert record.reason == row["reason"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("running", TRIED, indirect=True, ids=["another rule decides", "no other rule"])
async def test_what_would_pass_leaves_no_note(running: Running, recording: RecordingIndex) -> None:
    """The control: a wheel is what the rule takes."""
    recording.answer = lambda seen: Reply(200) if seen.method == "POST" else Reply(404)
    assert (await running.ask(upload(wheel("acme-core"), await running.key()))).status == 200
    assert (rows(running)[0]["reason"], counted(running)) == (None, 0)


async def test_a_push_passes_and_is_noted_too(
    tmp_path: Path, recording: RecordingIndex, caplog: pytest.LogCaptureFixture
) -> None:
    """Of each file that the rule would keep out of the target: record, metric and log; the wheel passes in silence."""
    caplog.set_level(logging.WARNING, "authproxy.trials")
    async with before_devpi(tmp_path, recording, TRIED[0]) as before:
        assert (await before.ask(pushing(await before.key()))).status == 200
        told = {row["filename"].rpartition(".")[2]: row["reason"] for row in rows(before)}
        assert (told["whl"], told["gz"].startswith("would refuse: filetype: ")) == (None, True)
        assert counted(before) == 1
    assert [vars(each)["reason"] for each in caplog.records if "on trial" in each.message] == [told["gz"]]


@pytest.mark.parametrize("running", [{"packages": [WHEELS]}], indirect=True)
async def test_enforced_it_refuses(running: Running, recording: RecordingIndex) -> None:
    """The same rule without `enforce: false`; the index sees nothing."""
    answer = await running.ask(upload(sdist("acme-core"), await running.key()))
    assert (answer.status, counted(running)) == (403, 0)
    recording.assert_saw_nothing()


@pytest.mark.parametrize("running", [TRIED[1]], indirect=True)
async def test_a_trial_replaces_no_file_and_believes_no_archive(running: Running, recording: RecordingIndex) -> None:
    """`overwrite: never` and `metadata: verify` hold under a rule on trial; and a grant that is not there is no yes."""
    key = await running.key()
    lie = await running.ask(upload(wheel("acme-core", claims=("victim", "1.0")), key))
    assert (lie.status, "both must name" in lie.reason) == (400, True)
    assert (await running.ask(upload(wheel("victim"), key))).status == 403
    recording.assert_saw_nothing()
    first, other = wheel("acme-core"), wheel("acme-core", payload=b"other")
    link = f'<a href="../../packages/{first.filename}#sha256={first.sha256}">{first.filename}</a><br>'
    recording.answer = lambda _: Reply(200, f"<html><body>{link}</body></html>".encode())
    answer = await running.ask(upload(other, key))
    assert (answer.status, "already exists" in answer.reason) == (400, True)
