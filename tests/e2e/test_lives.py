"""A key that ends while its upload is under way, and uploads that end before they are whole."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.scene import Scene, project_of, recorded
from tests.peers import wire
from tests.peers.forms import upload
from tests.peers.packages import wheel
from tests.peers.proxy import Key, Proxy, proxy
from tests.peers.pypiserver import SERVERS, Server, pypiserver


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with recorded(tmp_path_factory.mktemp("lives")) as made:
        yield made


@pytest.fixture
def key(scene: Scene) -> Key:
    """A key that this test may end."""
    scene.index.forget()
    return scene.proxy.create_key()


@pytest.mark.parametrize("ending", ["revoke", "pause"])
@pytest.mark.parametrize("warm", [True, False], ids=["a key in use", "a key never used before"])
def test_a_key_that_ends_while_its_upload_arrives_uploads_nothing(
    request: pytest.FixtureRequest, scene: Scene, key: Key, ending: str, warm: bool
) -> None:
    """The second look at the key comes after the last byte of the body and before the index sees the first."""
    project = project_of(request)
    if warm:
        assert scene.upload(wheel(project, "0.9"), key).status == 200
        scene.index.forget()
    package = wheel(project, payload=bytes(range(256)) * 4000)
    raw = upload(package, key.text)
    with wire.Conversation(scene.proxy.address) as conversation:
        conversation.send(raw[:-100])
        ended = scene.proxy.run("key", ending, key.id)
        assert ended.code == 0, ended.said
        conversation.send(raw[-100:])
        answer = conversation.answer()
    assert answer.status in {401, 403}, answer
    assert scene.index.uploads == []
    assert [row["version"] for row in scene.files_of(package)] == (["0.9"] if warm else [])


@pytest.mark.parametrize("ending", ["revoke", "pause"])
def test_the_first_request_after_the_command_is_refused(
    request: pytest.FixtureRequest, scene: Scene, key: Key, ending: str
) -> None:
    """No cache outlives a revocation: not even the one that spares a known key its hashing."""
    project = project_of(request)
    for version in ("1.0", "1.1"):
        assert scene.upload(wheel(project, version), key).status == 200
    assert scene.proxy.run("key", ending, key.id).code == 0
    scene.index.forget()
    answer = scene.upload(wheel(project, "1.2"), key)
    assert answer.status == 401, answer
    scene.index.assert_saw_nothing()


def test_a_paused_key_works_again_when_it_is_resumed(request: pytest.FixtureRequest, scene: Scene, key: Key) -> None:
    """Pausing is for a doubt, revoking is for good."""
    for command, status in (("pause", 401), ("resume", 200)):
        assert scene.proxy.run("key", command, key.id).code == 0
        assert scene.upload(wheel(project_of(request)), key).status == status


def _cuts(raw: bytes) -> list[int]:
    """Where a connection may break: in the head, at its end, in the fields, in the file, before the very last byte."""
    head = raw.index(b"\r\n\r\n") + 4
    return [
        1,
        head - 2,
        head,
        head + 40,
        raw.index(b"PK\x03\x04") + 10,
        (head + len(raw)) // 2,
        len(raw) - 60,
        len(raw) - 1,
    ]


def _leave(running: Proxy, raw: bytes, *, and_listen: bool = False) -> None:
    """Send and go away, or send, say that this was all, and hear that it was not enough."""
    with wire.Conversation(running.address) as conversation:
        conversation.send(raw)
        if and_listen:
            conversation.end_sending()
            with suppress(wire.Closed):
                assert conversation.answer().status // 100 == 4


@pytest.mark.parametrize("server", SERVERS)
def test_a_body_cut_short_stores_nothing(tmp_path: Path, server: Server) -> None:
    """The real index on wsgiref and gunicorn stores what came of a cut body and says 200; behind us it never hears of it."""
    warm, package = wheel("acme-warm"), wheel("acme-core", payload=os.urandom(300_000))
    with pypiserver(tmp_path / "index", server=server) as index, proxy(tmp_path / "proxy", index.url) as running:
        key = running.create_key().text
        assert wire.exchange(running.address, upload(warm, key)).status == 200
        raw = upload(package, key)
        for cut in _cuts(raw):
            _leave(running, raw[:cut])
            _leave(running, raw[:cut], and_listen=True)
        assert wire.exchange(running.address, wire.get("/-/healthz")).status == 200
        assert set(index.files()) == {warm.filename}
        assert [row["filename"] for row in running.rows("files")] == [warm.filename]
        assert running.rows("claims") == []
        assert running.spooled() == []
        assert '"level": "error"' not in running.log
        assert wire.exchange(running.address, raw).status == 200
        assert index.files()[package.filename] == package.content


def test_control_the_index_itself_stores_a_truncated_package(tmp_path: Path) -> None:
    """What the test above would catch: the same cut, sent to pypiserver (wsgiref) without us, ends as a broken file."""
    package = wheel("acme-core", payload=b"x" * 300_000)
    raw = upload(package, None)
    with pypiserver(tmp_path / "index", server="wsgiref") as index:
        with wire.Conversation(index.address) as conversation:
            conversation.send(raw[:-60])
            conversation.end_sending()
            assert conversation.answer().status == 200
        assert package.filename in index.files()
        assert index.files()[package.filename] != package.content
