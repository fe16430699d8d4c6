"""Good once: a captured request that is sent again, by real programs to a real index, at once and again and again."""

import secrets
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.scene import Scene, recorded
from tests.peers import wire
from tests.peers.clients import Client
from tests.peers.forms import upload
from tests.peers.masters import derived, once, with_master
from tests.peers.packages import wheel
from tests.peers.ports import Address
from tests.peers.proxy import Proxy, installation, proxy, served
from tests.peers.pypiserver import PypiServer, pypiserver
from tests.peers.recording import Hang, RecordingIndex, Reply, Script, Seen

AT_ONCE = 64
SHORT, LONG = 20, 500
TWINE_SENDS = 5  # times one file, where the index answers 5xx (measured with 7.0)
PROJECT = "acme-once"


@dataclass(frozen=True, slots=True)
class Attack:
    """A proxy before a real pypiserver, and a key of which somebody captures what is derived."""

    proxy: Proxy
    index: PypiServer
    key: str
    senders: ThreadPoolExecutor

    def send(self, requests: list[bytes]) -> list[wire.Answer]:
        """All of them at the same moment, a connection each."""
        address: Address = self.proxy.address
        return list(self.senders.map(lambda raw: wire.exchange(address, raw, timeout=100), requests))


@contextmanager
def attacked(folder: Path) -> Iterator[Attack]:
    (folder / "proxy").mkdir(parents=True)
    with (
        pypiserver(folder / "index") as index,
        proxy(folder / "proxy", index.url, keys=with_master(folder / "proxy")) as running,
        ThreadPoolExecutor(AT_ONCE) as senders,
    ):
        yield Attack(running, index, running.create_key().text, senders)


@pytest.fixture(scope="module")
def attack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attack]:
    with attacked(tmp_path_factory.mktemp("once")) as made:
        yield made


def replays(attack: Attack, number: int) -> list[bytes]:
    """What 64 senders send by one derived key: the same request, or a file each, with and without the file's hash."""
    nonce, version = secrets.randbits(128), f"1.{number}"
    files = [wheel(PROJECT, f"{version}.{each}") for each in range(AT_ONCE)]
    match number % 3:
        case 0:
            return [upload(files[0], derived(attack.key, *once(nonce, PROJECT, files[0])))] * AT_ONCE
        case 1:
            return [upload(files[0], derived(attack.key, *once(nonce, PROJECT)))] * AT_ONCE
        case _:
            text = derived(attack.key, *once(nonce, PROJECT))
            return [upload(file, text) for file in files]


def one_round(attack: Attack, number: int) -> Counter[int]:
    """One success, whatever is sent and however often; afterwards the refusal says why."""
    before = len(attack.index.files())
    requests = replays(attack, number)
    statuses = Counter(answer.status for answer in attack.send(requests))
    assert statuses[200] == 1, (number, statuses)
    assert set(statuses) <= {200, 403, 503}, (number, statuses)
    assert len(attack.index.files()) == before + 1
    again = wire.exchange(attack.proxy.address, requests[-1])
    assert again.status == 403
    assert "was good once and has been used: derive a new one" in again.reason
    return statuses


@pytest.mark.e2e
@pytest.mark.timeout(300)
def test_64_replays_at_once_get_one_success(attack: Attack) -> None:
    """Twenty rounds of three kinds: the very request, one without the file's hash, and another file each."""
    seen = sum((one_round(attack, number) for number in range(SHORT)), Counter())
    assert seen[200] == SHORT


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_64_replays_at_once_get_one_success_500_times(tmp_path: Path) -> None:
    """32,000 requests by 500 derived keys: 500 files."""
    with attacked(tmp_path) as attack:
        seen = sum((one_round(attack, number) for number in range(LONG)), Counter())
        assert seen[200] == LONG
        assert len(attack.index.files()) == LONG
        print(f"{seen.total()} requests by {LONG} derived keys: {dict(seen)}")


@pytest.mark.e2e
def test_without_the_caveat_the_replays_all_get_through(attack: Attack) -> None:
    """The control: 64 files by one derived key that is not good once are 64 successes."""
    *others, _ = once(0, PROJECT)
    text = derived(attack.key, *others)
    answers = attack.send([upload(wheel(PROJECT, f"2.0.{each}"), text) for each in range(AT_ONCE)])
    assert Counter(answer.status for answer in answers) == {200: AT_ONCE}


@pytest.mark.e2e
def test_each_of_the_files_that_it_names_may_be_uploaded_once(attack: Attack) -> None:
    """A release of three files takes one derived key; none of them can be sent a second time by it."""
    files = [wheel(PROJECT, f"3.{number}") for number in range(3)]
    text = derived(attack.key, *once(secrets.randbits(128), PROJECT, *files))
    for file in files:
        assert wire.exchange(attack.proxy.address, upload(file, text)).status == 200
        assert wire.exchange(attack.proxy.address, upload(file, text)).status == 403
    other = wire.exchange(attack.proxy.address, upload(wheel(PROJECT, "3.3"), text))
    assert (other.status, "SHA-256" in other.reason) == (403, True)


@pytest.mark.e2e
def test_the_same_bytes_that_were_there_before_are_one_success(attack: Attack) -> None:
    """Who derives a key for a file that the index has gets a yes for it, once; 63 replays get none."""
    file = wheel(PROJECT, "4.0")
    assert wire.exchange(attack.proxy.address, upload(file, attack.key)).status == 200
    text = derived(attack.key, *once(secrets.randbits(128), PROJECT, file))
    statuses = Counter(answer.status for answer in attack.send([upload(file, text)] * AT_ONCE))
    assert statuses[200] == 1
    assert set(statuses) <= {200, 403, 503}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    (tmp_path / "proxy").mkdir()
    with recorded(tmp_path, keys=with_master(tmp_path / "proxy")) as made:
        yield made


def failing(times: int) -> list[Script]:
    """What an index says that fails so often and then works."""
    return [Reply(500, b"Traceback (most recent call last)")] * times + [Reply(200)] * 9


@pytest.mark.e2e
@pytest.mark.parametrize("failures", [4, 5])
def test_twines_tries_after_an_error_of_the_index_do_not_burn_it(scene: Scene, tmp_path: Path, failures: int) -> None:
    """It sends five times; if all of them fail, a second run with the same derived key works, and then it is spent."""
    answers = failing(failures)
    scene.index.answer = lambda seen: answers.pop(0) if seen.method == "POST" else Reply(404)
    (tmp_path / "home").mkdir()
    client, file = Client(tmp_path / "home"), wheel(PROJECT)
    text = derived(scene.key.text, *once(1, PROJECT, file))
    ran = client.twine(scene.proxy.url, text, file.write(client.home))
    if failures == TWINE_SENDS:
        assert ran.code != 0
        ran = client.twine(scene.proxy.url, text, file.write(client.home))
    assert ran.code == 0, ran.said
    assert len(scene.index.uploads) == failures + 1
    assert [row["outcome"] for row in scene.proxy.rows("record")][-1] == "stored"
    again = scene.exchange(upload(file, text))
    assert (again.status, len(scene.index.uploads)) == (403, failures + 1)


@pytest.mark.e2e
@pytest.mark.parametrize("bound", [True, False], ids=["bound to its file", "for any file"])
def test_a_kill_between_admission_and_end_gives_it_back(tmp_path: Path, recording: RecordingIndex, bound: bool) -> None:
    """The index hangs, the proxy is killed with -9; the next one asks the index, which has nothing, and takes it."""
    folder = tmp_path / "proxy"
    folder.mkdir()
    made = installation(folder, recording.url, keys=with_master(folder))
    file = wheel(PROJECT)
    raw = upload(file, derived(made.create_key().text, *once(2, PROJECT, *([file] if bound else []))))

    def hangs(seen: Seen) -> Script:
        return Hang() if seen.method == "POST" else Reply(404)

    recording.answer = hangs
    with served(made) as running, wire.Conversation(running.address) as conversation:
        conversation.send(raw)
        while not recording.uploads:
            assert running.program.is_alive()
            time.sleep(0.01)
        assert len(made.rows("nonces")) == 1
        running.program.signal(signal.SIGKILL)
        running.program.wait()
    assert [row["outcome"] for row in made.rows("record")] == ["pending"]
    recording.forget()
    with served(made) as running:
        assert wire.exchange(running.address, raw).status == 200
        assert wire.exchange(running.address, raw).status == 403
    assert [row["outcome"] for row in made.rows("record")] == ["failed", "stored", "denied"]
    assert len(recording.uploads) == 1
