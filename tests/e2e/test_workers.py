"""`serve --workers`: what is killed is replaced, what has begun is finished, and all of them are one proxy."""

import json
import os
import signal
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from tests.e2e.scene import Scene, recorded
from tests.peers import wire
from tests.peers.forms import upload
from tests.peers.packages import Package, wheel
from tests.peers.ports import LOOPBACK, reserved_port
from tests.peers.programs import Program, clean_environment
from tests.peers.proxy import AUTHPROXY
from tests.peers.recording import RecordingIndex
from tests.peers.waiting import wait_until
from tests.web.receivers import types, webhook

PATIENCE = 20.0  # seconds
TOGETHER = 64


def said(scene: Scene, message: str) -> list[dict[str, Any]]:
    """What the log has of one message."""
    lines = [json.loads(line) for line in scene.proxy.log.splitlines() if line.startswith("{")]
    return [line for line in lines if line["message"] == message]


def workers(scene: Scene) -> list[int]:
    """The processes that serve, as the system knows them."""
    folder = Path(f"/proc/{scene.proxy.program.pid}/task/{scene.proxy.program.pid}/children")
    return [int(number) for number in folder.read_text().split()]


def warmed(scene: Scene) -> None:
    """Let every worker meet the key: to meet it costs a hash, and those stand in a queue."""
    for number in range(16):
        assert scene.upload(wheel(f"acme-warm{number}")).status == 200


@contextmanager
def serving(folder: Path, number: int = 2, **settings: Any) -> Iterator[Scene]:
    with recorded(folder, workers=number, **settings) as scene:
        wait_until(lambda: said(scene, "listening"), "not all workers serve")
        yield scene


def accepts(scene: Scene) -> bool:
    try:
        with wire.Conversation(scene.proxy.address, timeout=1):
            return True
    except OSError:
        return False


def test_the_counts_of_all_are_shown_by_each(tmp_path: Path) -> None:
    """Uploads on connections of their own go to both workers, and a scrape shows their sum, whoever answers it."""
    metrics = reserved_port()
    with serving(tmp_path, metrics=f"{LOOPBACK}:{metrics}") as scene:

        def counted() -> float:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{metrics}/metrics", timeout=PATIENCE) as page:
                lines = page.read().decode().splitlines()
            return sum(
                float(line.split()[-1]) for line in lines if line.startswith('authproxy_requests_total{action="upload"')
            )

        warmed(scene)
        wait_until(lambda: counted() == 16, "the sum is not that of all")
        victim = workers(scene)[0]
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: victim not in workers(scene) and len(workers(scene)) == 2, "it was not replaced")
        assert counted() == 16  # what the dead have counted stays
        requests = {line["request_id"][:8] for line in said(scene, "upload ok")}
        assert len(requests) == 2, "one worker got all of them"


class Load:
    """Clients that upload as fast as they can, one after the other; what each was told is kept."""

    def __init__(self, scene: Scene, clients: int) -> None:
        self._scene = scene
        self._stop = threading.Event()
        self.acknowledged: list[Package] = []
        self.broken: list[str] = []
        self.others: list[int] = []
        self._clients = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]

    def __enter__(self) -> Self:
        for each in self._clients:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for each in self._clients:
            each.join(PATIENCE)

    def _run(self, client: int) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            package = wheel(f"acme-load{client}", f"1.{number}")
            try:
                status = self._scene.upload(package).status
            except (OSError, wire.Closed) as exc:
                self.broken.append(type(exc).__name__)
                continue
            if status == 200:
                self.acknowledged.append(package)
            else:
                self.others.append(status)


def test_a_worker_that_is_killed_costs_what_it_had_under_way_and_no_more(tmp_path: Path) -> None:
    """Under load, three times: others go on, nothing that was acknowledged is missing, and all is settled afterwards."""
    clients, kills = 4, 3
    with serving(tmp_path) as scene:
        warmed(scene)
        with Load(scene, clients) as load:
            for _ in range(kills):
                before, victim = len(load.acknowledged), workers(scene)[-1]
                wait_until(lambda before=before: len(load.acknowledged) > before + 5, "the load stands still")
                os.kill(victim, signal.SIGKILL)
                wait_until(
                    lambda victim=victim: victim not in workers(scene) and len(workers(scene)) == 2, "not replaced"
                )
                before = len(load.acknowledged)
                wait_until(lambda before=before: len(load.acknowledged) > before + 10, "it does not go on")
        stored = b"".join(seen.body for seen in scene.index.uploads)
        assert [each.filename for each in load.acknowledged if each.content not in stored] == []
        assert load.others == []
        assert len(load.broken) <= clients * kills, "more broke off than the killed had under way"
        wait_until(lambda: scene.proxy.rows("claims") == [], "what the killed had begun is not settled")
        assert [line["status"] for line in said(scene, "a worker has ended, another takes its place")] == [-9] * kills


def begun(scene: Scene, stack: ExitStack, number: int) -> tuple[Package, wire.Conversation, bytes]:
    """An upload of which the last 2,000 bytes are still missing."""
    package = wheel(f"acme-slow{number}", payload=os.urandom(20_000))
    raw = upload(package, scene.key.text)
    conversation = stack.enter_context(wire.Conversation(scene.proxy.address))
    conversation.send(raw[:-2000])
    return package, conversation, raw[-2000:]


def finished(under_way: list[tuple[Package, wire.Conversation, bytes]]) -> list[int | None]:
    """Send the rest in small pieces; what each was told in the end, None where it was cut off."""
    statuses: list[int | None] = []
    for at in range(0, 2000, 500):
        for _, conversation, rest in under_way:
            conversation.send_what_it_takes(rest[at : at + 500])
        time.sleep(0.2)
    for _, conversation, _ in under_way:
        try:
            statuses.append(conversation.answer().status)
        except (OSError, wire.Closed):
            statuses.append(None)
    return statuses


def test_sigterm_cuts_off_none_of_sixty_four_slow_uploads(tmp_path: Path) -> None:
    """All of them are finished and stored, no new connection is taken meanwhile, and the program ends with 0."""
    with serving(tmp_path) as scene, ExitStack() as stack:
        warmed(scene)
        under_way = [begun(scene, stack, number) for number in range(TOGETHER)]
        scene.proxy.program.signal(signal.SIGTERM)
        wait_until(lambda: not accepts(scene), "it takes connections still")
        assert finished(under_way) == [200] * TOGETHER
        assert scene.proxy.program.wait(PATIENCE) == 0
        stored = b"".join(seen.body for seen in scene.index.uploads)
        assert [package.filename for package, *_ in under_way if package.content not in stored] == []


def test_control_a_kill_cuts_them_off(tmp_path: Path) -> None:
    """The same check sees what a program that does not drain would do."""
    with serving(tmp_path) as scene, ExitStack() as stack:
        warmed(scene)
        under_way = [begun(scene, stack, number) for number in range(8)]
        time.sleep(1)  # one that still stood in the queue of a socket would be served by the next worker
        for each in workers(scene):
            os.kill(each, signal.SIGKILL)
        assert None in finished(under_way)


def test_one_worker_that_is_told_to_end_is_replaced_at_once(tmp_path: Path) -> None:
    """Its upload goes on, the newcomer serves before that is finished, and no connection waits for either."""
    with serving(tmp_path) as scene, ExitStack() as stack:
        warmed(scene)
        under_way = [begun(scene, stack, number) for number in range(8)]
        old = workers(scene)
        for each in old:
            os.kill(each, signal.SIGTERM)
        wait_until(lambda: len(set(workers(scene)) - set(old)) == 2, "nobody takes their places")
        wait_until(lambda: len(said(scene, "a worker serves")) == 4, "those do not serve")
        for number in range(8):
            assert scene.upload(wheel(f"acme-next{number}")).status == 200
        assert set(old) & set(workers(scene)), "the old ones did not wait for their uploads"
        assert finished(under_way) == [200] * 8
        wait_until(lambda: not set(old) & set(workers(scene)), "they did not end")


def test_a_reload_reaches_all_and_a_bad_file_none(tmp_path: Path) -> None:
    """One that starts after a bad file begins with the config that is in force; problem and reload are told once."""
    with serving(tmp_path) as scene:
        text = scene.proxy.config.read_text(encoding="utf-8")

        def reload(new: str, message: str) -> None:
            before = scene.proxy.log.count(message)
            scene.proxy.config.write_text(new, encoding="utf-8")
            scene.proxy.program.signal(signal.SIGHUP)
            wait_until(lambda: scene.proxy.log.count(message) == before + 1, "it was not reloaded")

        def statuses() -> set[int]:
            return {scene.upload(wheel("acme-core", f"{time.monotonic_ns()}.0")).status for _ in range(12)}

        settings = json.loads(text)
        settings["key_policies"]["release"]["allow"][0]["packages"] = ["other-*"]
        reload(json.dumps(settings), "the config was reloaded")
        wait_until(lambda: statuses() == {403}, "a worker has the old config")
        reload("listen: [", "the config was not reloaded")
        for each in workers(scene):
            os.kill(each, signal.SIGKILL)
        wait_until(lambda: len(said(scene, "a worker serves")) == 4, "nobody takes their places")
        assert statuses() == {403}
        reload(text, "the config was reloaded")
        wait_until(lambda: statuses() == {200}, "a worker has the old config")
        assert scene.proxy.log.count("the config was not reloaded") == 1


def test_no_second_server_shares_the_port_unseen(tmp_path: Path) -> None:
    """SO_REUSEPORT would let it, and half of the connections would go there."""
    with serving(tmp_path) as scene:
        argv = [*AUTHPROXY, "serve", "--workers", "2", "--config", scene.proxy.config]
        second = Program(argv, log=tmp_path / "second.log", env=clean_environment(tmp_path))
        assert second.wait(PATIENCE) == 1
        assert "another program listens there" in second.output()
        assert "Traceback" not in second.output()


def test_a_supervisor_that_is_killed_leaves_no_worker_behind(tmp_path: Path) -> None:
    """They finish what they have and end: the port is free for the next server."""
    with serving(tmp_path) as scene, ExitStack() as stack:
        warmed(scene)
        under_way = [begun(scene, stack, number) for number in range(4)]
        alive = workers(scene)
        os.kill(scene.proxy.program.pid, signal.SIGKILL)
        wait_until(lambda: not accepts(scene), "they serve on")
        assert finished(under_way) == [200] * 4
        wait_until(lambda: not any(Path(f"/proc/{each}/exe").exists() for each in alive), "a worker is left")


@pytest.mark.parametrize("number", [1, 2], ids=["one process", "workers"])
def test_what_keeps_them_from_starting_is_told_once(tmp_path: Path, number: int) -> None:
    """A store that is no store: one sentence, exit status 1, and nobody is left."""
    with recorded(tmp_path) as scene:
        config = scene.proxy.config
    scene.proxy.database.write_bytes(b"no database" * 1000)
    argv = [*AUTHPROXY, "serve", "--workers", str(number), "--config", config]
    ran = Program(argv, log=tmp_path / "again.log", env=clean_environment(tmp_path))
    assert ran.wait(PATIENCE) == 1
    assert ran.output().count("authproxy.db") == 1
    assert "Traceback" not in ran.output()


def test_webhooks_are_told_once_by_whichever_worker_lives(tmp_path: Path, recording: RecordingIndex) -> None:
    """Of all workers one sends; where it is killed, another goes on, and what was told and noted is not told again."""
    (tmp_path / "proxy").mkdir()
    hooks = [webhook(tmp_path / "proxy", recording, "upload.done")]
    with serving(tmp_path, 3, webhooks=hooks) as scene:
        for number in range(10):
            assert scene.upload(wheel(f"acme-told{number}")).status == 200
        wait_until(lambda: not scene.proxy.rows("hooks") and len(recording.requests) == 10, "it was not told")
        before = len(said(scene, "a worker serves"))
        for victim in workers(scene)[:2]:
            os.kill(victim, signal.SIGKILL)
        wait_until(lambda: len(said(scene, "a worker serves")) == before + 2, "they were not replaced")
        for number in range(10, 20):
            assert scene.upload(wheel(f"acme-told{number}")).status == 200
        wait_until(lambda: not scene.proxy.rows("hooks"), "it was not told")
        time.sleep(2)  # whoever tells twice has had the time to
        assert set(types(recording)) == {"upload.done"}
        assert len(recording.requests) == len({seen.header("webhook-id") for seen in recording.requests}) == 20
