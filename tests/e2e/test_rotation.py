"""A key is rotated under its users' hands: nobody is refused who holds either secret, and nothing printed is lost."""

import json
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest

from tests.e2e.scene import Scene, project_of, recorded
from tests.peers.clients import Client
from tests.peers.forms import upload
from tests.peers.packages import wheel
from tests.peers.programs import Program, clean_environment
from tests.peers.proxy import AUTHPROXY, Installation, Key, Proxy, proxy
from tests.peers.pypiserver import pypiserver
from tests.peers.recording import RecordingIndex

UPLOADERS = 3


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with recorded(tmp_path_factory.mktemp("rotation")) as made:
        yield made


def rotated(made: Installation, key: Key, *options: str) -> Key:
    ran = made.run("key", "rotate", key.id, "--json", *options)
    assert ran.code == 0, ran.said
    shown = json.loads(ran.said)
    return Key(shown["id"], shown["key"])


@pytest.mark.e2e
def test_twine_uploads_with_both_secrets_and_then_with_the_new_one(tmp_path: Path, client: Client) -> None:
    """The real client before the real index; it shows its user that the old secret ends, and where it is used is seen."""
    with pypiserver(tmp_path / "index") as index, proxy(tmp_path / "proxy", index.url) as running:
        old = running.create_key()
        new = rotated(running, old)
        packages = [wheel("acme-core", f"1.{number}") for number in range(4)]
        files = [package.write(client.home / "dist") for package in packages]
        by_old = client.twine(running.url, old.text, files[0])
        assert by_old.code == 0, by_old.said
        assert f"this secret of key {old.id} ends on" in by_old.said
        by_new = client.twine(running.url, new.text, files[1])
        assert by_new.code == 0, by_new.said
        assert "this secret of key" not in by_new.said
        assert running.run("key", "rotate", old.id, "--finish").code == 1
        assert running.run("key", "rotate", old.id, "--finish", "--force").code == 0
        refused = client.twine(running.url, old.text, files[2])
        assert (refused.code, "401" in refused.said) == (1, True)
        assert client.twine(running.url, new.text, files[3]).code == 0
        assert set(index.files()) == {packages[number].filename for number in (0, 1, 3)}


def test_the_first_upload_after_finish_is_refused(request: pytest.FixtureRequest, scene: Scene) -> None:
    """When the command has returned, a server that knows the old secret by heart refuses it, and the index sees nothing."""
    key, project = scene.proxy.create_key(), project_of(request)
    new = rotated(scene.proxy, key)
    for version in ("1.0", "1.1"):
        assert scene.upload(wheel(project, version), key).status == 200
    assert scene.proxy.run("key", "rotate", key.id, "--finish", "--force").code == 0
    scene.index.forget()
    assert scene.upload(wheel(project, "1.2"), key).status == 401
    scene.index.assert_saw_nothing()
    assert scene.upload(wheel(project, "1.2"), new).status == 200


def test_an_upload_that_is_half_in_is_refused_as_well(request: pytest.FixtureRequest, scene: Scene) -> None:
    """The key is looked at once more before the index sees a byte, and so is the secret."""
    from tests.peers.wire import Conversation

    key = scene.proxy.create_key()
    new = rotated(scene.proxy, key)
    raw = upload(wheel(project_of(request)), key.text)
    scene.index.forget()
    with Conversation(scene.proxy.address) as conversation:
        conversation.send(raw[:-40])
        assert scene.proxy.run("key", "rotate", key.id, "--finish", "--force").code == 0
        conversation.send(raw[-40:])
        assert conversation.answer().status == 401
    assert scene.index.uploads == []
    assert scene.upload(wheel(project_of(request)), new).status == 200


class Night:
    """Jobs that upload without a pause, each with the key that it was given, until the morning."""

    def __init__(self, scene: Scene, project: str, keys: list[Key]) -> None:
        self._scene, self._project, self._keys = scene, project, keys
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(len(keys))
        self.statuses: list[int] = []

    def __enter__(self) -> Self:
        self._jobs = [self._pool.submit(self._upload, number) for number in range(len(self._keys))]
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for job in self._jobs:
            job.result(60)
        self._pool.shutdown()

    def _upload(self, job: int) -> None:
        version = 0
        while not self._over.is_set():
            version += 1
            package = wheel(self._project, f"{job}.{version}")
            self.statuses.append(self._scene.upload(package, self._keys[job]).status)

    def wait(self, more: int) -> None:
        """Until so many more uploads have ended."""
        enough, until = len(self.statuses) + more, time.monotonic() + 60
        while len(self.statuses) < enough:
            assert time.monotonic() < until, "the uploads have stopped"
            time.sleep(0.01)


def test_no_upload_fails_in_the_night_of_a_rotation(request: pytest.FixtureRequest, scene: Scene) -> None:
    """Rotated, its new secret replaced, every key of the policy rotated, extended: who holds the old secret goes on."""
    keys = [scene.proxy.create_key() for _ in range(UPLOADERS)]
    with Night(scene, project_of(request), keys) as night:
        night.wait(10)
        rotated(scene.proxy, keys[0])
        night.wait(10)
        rotated(scene.proxy, keys[0], "--again")
        ran = scene.proxy.run("key", "rotate", "--all", "--policy", "release", "--json")
        assert ran.code == 0, ran.said
        night.wait(10)
        assert scene.proxy.run("key", "extend", keys[1].id, "--by", "1s").code == 0
        night.wait(10)
    assert len(night.statuses) > 40
    assert set(night.statuses) == {200}


def test_control_a_careless_rotation_breaks_the_night(request: pytest.FixtureRequest, scene: Scene) -> None:
    """What the test above would catch: the old secret ends as soon as there is a new one."""
    keys = [scene.proxy.create_key() for _ in range(UPLOADERS)]
    with Night(scene, project_of(request), keys) as night:
        night.wait(10)
        rotated(scene.proxy, keys[0])
        assert scene.proxy.run("key", "rotate", keys[0].id, "--finish", "--force").code == 0
        night.wait(20)
    assert 401 in night.statuses


def listed(file: Path) -> list[dict[str, str]]:
    """The whole lines of a list that a run has printed."""
    lines = file.read_text().split("\n")[:-1] if file.exists() else []
    return [json.loads(line) for line in lines]


def killed_run(made: Proxy, file: Path, after: int, delay: float, *options: str) -> str:
    """`key rotate --all`, killed (-9) a moment after so many lines; what it said on stderr."""
    log = file.with_suffix(".log")
    argv = [*AUTHPROXY, "key", "rotate", "--all", "--policy", "release", "--json", "-o", file, *options]
    program = Program([*argv, "--config", made.config], log=log, env=clean_environment(made.folder), cwd=made.folder)
    until = time.monotonic() + 60
    while len(listed(file)) < after and program.is_alive() and time.monotonic() < until:
        time.sleep(0.001)
    time.sleep(delay)
    program.signal(signal.SIGKILL)
    program.wait()
    return log.read_text()


def test_a_killed_run_loses_at_most_the_one_that_it_had_not_printed(tmp_path: Path, recording: RecordingIndex) -> None:
    """Killed four times at random moments: what was printed works, old secrets work, and the lost one is told apart."""
    chance = random.Random(4)
    with proxy(tmp_path / "proxy", recording.url) as running:
        keys = {key.id: key for key in (running.create_key() for _ in range(8))}
        since, found, news = [], [], {}
        for number in range(4):
            file = tmp_path / f"list-{number}"
            said = killed_run(running, file, 2 * number + 1, chance.random() * 0.05, *since)
            found += listed(file)
            since = since or ["--since", said.split("--since ")[1].split()[0]]
        last = running.run("key", "rotate", "--all", "--policy", "release", "--json", "-o", tmp_path / "last", *since)
        found += listed(tmp_path / "last")
        news = {line["id"]: line["key"] for line in found if line["result"] == "rotated"}
        unseen = {line["id"] for line in found if line["result"] == "unseen"}
        assert last.code == (1 if unseen - news.keys() else last.code)
        assert set(news) | unseen == set(keys)
        assert len([line for line in found if line["result"] == "rotated"]) == len(news), "rotated twice"
        for key_id in unseen - news.keys():
            news[key_id] = rotated(running, keys[key_id], "--again").text
        scene = Scene(running, recording, next(iter(keys.values())))
        for number, (key_id, text) in enumerate(news.items()):
            assert scene.upload(wheel("acme-core", f"1.{number}"), Key(key_id, text)).status == 200
            assert scene.upload(wheel("acme-core", f"2.{number}"), keys[key_id]).status == 200


def full_pipe() -> tuple[int, int]:
    """A pipe that takes not one byte more: whoever prints into it waits."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, b"x")
    os.set_blocking(writing, True)
    return reading, writing


def test_killed_between_commit_and_print(tmp_path: Path, recording: RecordingIndex) -> None:
    """The one key whose new secret nobody saw is told apart, goes on with its old one, and is mended by one command."""
    with proxy(tmp_path / "proxy", recording.url) as running:
        keys = [running.create_key() for _ in range(2)]
        reading, writing = full_pipe()
        argv = [*AUTHPROXY, "key", "rotate", "--all", "--policy", "release", "--json", "--config", str(running.config)]
        env = clean_environment(running.folder)
        with subprocess.Popen(argv, stdout=writing, stderr=subprocess.PIPE, env=env, cwd=running.folder) as program:
            until = time.monotonic() + 60
            while not (unseen := [row["key_id"] for row in running.rows("secrets") if row["unseen"]]):
                assert time.monotonic() < until
                time.sleep(0.01)
            program.kill()
        os.close(reading)
        os.close(writing)
        assert len(unseen) == 1
        again = running.run("key", "rotate", "--all", "--policy", "release", "--json", "-o", tmp_path / "list")
        assert again.code == 1
        results = {line["id"]: line["result"] for line in listed(tmp_path / "list")}
        assert results == {key.id: "unseen" if key.id in unseen else "rotated" for key in keys}
        scene = Scene(running, recording, keys[0])
        new = rotated(running, next(key for key in keys if key.id in unseen), "--again")
        for number, key in enumerate([*keys, new]):
            assert scene.upload(wheel("acme-core", f"1.{number}"), key).status == 200
