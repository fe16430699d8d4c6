"""The log's line of a request says whose key it was and which file, so that somebody can look for either at night."""

import json
import logging
from pathlib import Path

import pytest

from authproxy.cli.logs import JsonLines, PlainLines
from tests.peers.forms import upload
from tests.peers.packages import sdist, wheel
from tests.peers.recording import RecordingIndex, Reply
from tests.web.conftest import Running
from tests.web.pushes import before_devpi, pushing
from tests.web.test_holding import deleting


def line(caplog: pytest.LogCaptureFixture, action: str) -> logging.LogRecord:
    """The one line of a request."""
    [found] = [each for each in caplog.records if each.name == "authproxy.web" and each.message.startswith(action)]
    return found


def words(record: logging.LogRecord) -> dict[str, str]:
    """What it says beside the rest."""
    names = ("key", "user", "index", "source", "project", "version", "file", "sha256")
    return {name: vars(record)[name] for name in names if name in vars(record)}


@pytest.mark.parametrize("status", [200, 400], ids=["stored", "refused by the index"])
async def test_an_upload(
    running: Running, recording: RecordingIndex, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """The key's public id, the file and its hash; one line, in both forms of the log; never the key."""
    caplog.set_level(logging.INFO, "authproxy.web")
    recording.answer = lambda seen: Reply(status) if seen.method == "POST" else Reply(404)
    file, key = wheel("acme-core"), await running.key()
    assert (await running.ask(upload(file, key))).status == status
    found = line(caplog, "upload")
    public = key.split("_")[1]
    assert words(found) == {
        "key": public,
        "index": "pypiserver",
        "project": "acme-core",
        "version": "1.0",
        "file": file.filename,
        "sha256": file.sha256,
    }
    plain, written = PlainLines().format(found), JsonLines().format(found)
    assert f"key={public}" in plain
    assert f"file={file.filename}  sha256={file.sha256}" in plain
    assert json.loads(written)["file"] == file.filename
    assert key not in plain + written
    assert "\n" not in plain + written


async def test_an_upload_that_a_rule_refuses(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    """What was asked for stands in the line with the reason."""
    file = sdist("victim")
    assert (await running.ask(upload(file, await running.key()))).status == 403
    found = line(caplog, "upload")
    assert (words(found)["file"], words(found)["sha256"], found.levelname) == (file.filename, file.sha256, "WARNING")


async def test_a_key_that_may_upload_nothing(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    """It is refused before its body: the line knows the key and no file; and the key counts as used."""
    key = await running.key("install")
    assert (await running.ask(upload(sdist("acme-core"), key))).status == 403
    assert words(line(caplog, "upload")) == {"key": key.split("_")[1]}
    await running.app.parts.uses.flush()
    uses = await running.app.parts.store.last_uses([key.split("_")[1][:-1]])  # type: ignore[list-item]
    assert [(use.action, use.slot) for use in next(iter(uses.values()))] == [("upload", "0")]


async def test_a_key_that_is_none(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is said of who or what: nobody was proved."""
    caplog.set_level(logging.INFO, "authproxy.web")
    assert (await running.ask(upload(sdist("acme-core"), "apx_nothing"))).status == 401
    assert words(line(caplog, "upload")) == {}


HOSTILE = ("acme_core-1.0.tar.gz\n2026 error", "acme_core-1.0\u202e.tar.gz", "acme core=1.tar.gz")


@pytest.mark.parametrize("name", HOSTILE, ids=["a line break", "a mark that turns", "spaces"])
def test_a_name_stays_one_word(name: str) -> None:
    """No such file is let in; the line would be whole all the same: escaped, in quotes."""
    record = logging.makeLogRecord({"msg": "upload", "levelname": "INFO", "name": "x", "file": name})
    plain, written = PlainLines().format(record), JsonLines().format(record)
    assert plain.isprintable()
    assert plain.endswith(f"file={json.dumps(name)}")
    assert json.loads(written)["file"] == name


async def test_a_push_and_a_delete(tmp_path: Path, recording: RecordingIndex, caplog: pytest.LogCaptureFixture) -> None:
    """The release, and where it came from."""
    caplog.set_level(logging.INFO, "authproxy.web")
    async with before_devpi(tmp_path, recording, {}) as before:
        key, other = await before.key(), await before.key("upload")
        assert (await before.ask(pushing(key))).status == 200
        assert words(line(caplog, "push")) == {
            "key": key.split("_")[1],
            "index": "team/stable",
            "source": "team/dev",
            "project": "acme-core",
            "version": "1.0",
        }
        await before.ask(deleting(other))
        told = words(line(caplog, "delete"))
        assert told == {"key": other.split("_")[1], "index": "team/dev", "project": "acme-core", "version": "1.0"}
