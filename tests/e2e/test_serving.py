"""The running program: a new config by SIGHUP, a bad one that changes nothing, an end that cuts nobody off."""

import asyncio
import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.scene import Scene, project_of, recorded
from tests.peers import wire
from tests.peers.forms import upload
from tests.peers.packages import wheel
from tests.peers.proxy import Proxy, installation, listening_here
from tests.peers.recording import RecordingIndex
from tests.peers.waiting import wait_until

PATIENCE = 10.0  # seconds


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with recorded(tmp_path_factory.mktemp("serving")) as made:
        yield made


@pytest.fixture
def scene(served: Scene) -> Iterator[Scene]:
    """The program with the config that it was started with, before the test and after it."""
    text = served.proxy.config.read_text(encoding="utf-8")
    served.index.forget()
    yield served
    reload(served.proxy, text, "was reloaded")


def reload(running: Proxy, text: str, said: str) -> None:
    """Write the config, send SIGHUP, and wait until the log says so."""
    mark = len(running.log)
    running.config.write_text(text, encoding="utf-8")
    running.program.signal(signal.SIGHUP)
    wait_until(lambda: said in running.log[mark:])


def test_a_new_config_is_in_force_after_sighup(request: pytest.FixtureRequest, scene: Scene) -> None:
    """What the policy takes away is refused from then on, what it gives is given, for keys that are out already."""
    project = project_of(request)
    assert scene.upload(wheel(project)).status == 200
    settings = json.loads(scene.proxy.config.read_text(encoding="utf-8"))
    settings["key_policies"]["release"]["allow"][0]["packages"] = ["other-*"]
    reload(scene.proxy, json.dumps(settings), "was reloaded")
    scene.index.forget()
    assert scene.upload(wheel(project, "2.0")).status == 403
    scene.index.assert_saw_nothing()
    assert scene.upload(wheel("other-core")).status == 200


@pytest.mark.parametrize(
    "text", ["", "listen: [", "key_policies: {release: {allow: no}}", "\x00", '{"listen": "127.0.0.1:1"}'], ids=ascii
)
def test_a_bad_config_changes_nothing_and_says_so(request: pytest.FixtureRequest, scene: Scene, text: str) -> None:
    """The old one stays in force, and the log names the file, and the line where there is one."""
    mark = len(scene.proxy.log)
    reload(scene.proxy, text, "not reloaded")
    assert re.search(r"authproxy\.yaml:(\d+:\d+:)? ", scene.proxy.log[mark:])
    assert scene.upload(wheel(project_of(request))).status == 200


def test_sigterm_waits_for_the_upload_under_way(tmp_path: Path) -> None:
    """The upload that has begun is finished, a new connection is not taken, and the program ends with 0."""
    package = wheel("acme-core", payload=os.urandom(200_000))
    with recorded(tmp_path) as scene:
        raw = upload(package, scene.key.text)
        with wire.Conversation(scene.proxy.address) as conversation:
            conversation.send(raw[:-1000])
            time.sleep(0.3)
            scene.proxy.program.signal(signal.SIGTERM)
            wait_until(lambda: not accepts(scene.proxy))
            conversation.send(raw[-1000:])
            assert conversation.answer().status == 200
        assert scene.proxy.program.wait(PATIENCE) == 0
        assert package.content in scene.index.uploads[0].body


def accepts(running: Proxy) -> bool:
    """Whether it takes a new connection."""
    try:
        with wire.Conversation(running.address, timeout=1):
            return True
    except OSError:
        return False


def descriptors() -> int:
    """How many files and sockets this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_uploads_that_break_off_leave_no_descriptor_open(tmp_path: Path, recording: RecordingIndex) -> None:
    """A hundred clients that go away in the middle cost nothing that stays: sockets, spool files, pipes."""
    made = installation(tmp_path / "proxy", recording.url, limits={"spool_memory": "1KiB"})
    key = made.create_key()
    raw = upload(wheel("acme-core", payload=os.urandom(100_000)), key.text)

    def leave(address) -> None:
        with wire.Conversation(address) as conversation:
            conversation.send(raw[:60_000])

    async with listening_here(made) as address:
        first = upload(wheel("acme-warm"), key.text)
        assert (await asyncio.to_thread(wire.exchange, address, first)).status == 200
        await asyncio.to_thread(leave, address)
        await asyncio.sleep(0.2)
        before = descriptors()
        for _ in range(100):
            await asyncio.to_thread(leave, address)
        for _ in range(100):
            if descriptors() <= before:
                break
            await asyncio.sleep(0.05)
        assert descriptors() <= before
        assert made.spooled() == []
