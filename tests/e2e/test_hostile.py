"""Whatever is sent, the answer is one sentence, and nothing of it reaches the index, the disk or the store.

The tables are `heads` and `bodies`. The index is a double that records every byte, so "reached" needs no trust in ours.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.bodies import ACTIONS, BODIES
from tests.e2e.heads import CANARY, HEADS, Hostile
from tests.e2e.scene import Scene, assert_is_one_sentence, recorded, secret_of
from tests.peers import wire
from tests.peers.packages import wheel
from tests.peers.pypiserver import pypiserver


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One proxy for the whole table: what one request leaves behind, the next ones would show."""
    with recorded(tmp_path_factory.mktemp("hostile"), reads="open") as made:
        yield made


@pytest.mark.parametrize("hostile", [*HEADS, *BODIES], ids=lambda h: h.case)
def test_a_hostile_request_gets_a_sentence_and_leaves_nothing(scene: Scene, hostile: Hostile) -> None:
    """One sentence with the right 4xx; the index saw no byte; no file, no claim, no spool; no secret and no header echoed."""
    scene.index.forget()
    mark = len(scene.proxy.log)
    answer = scene.exchange(hostile.request(scene.key.text))

    assert answer.status in hostile.statuses, (answer.status, answer.reason, answer.text)
    assert_is_one_sentence(answer)
    scene.index.assert_saw_nothing()
    assert scene.proxy.spooled() == []
    assert scene.proxy.rows("files") + scene.proxy.rows("claims") == []
    said = repr(answer) + scene.proxy.log[mark:]
    assert secret_of(scene.key) not in said
    assert CANARY not in said
    assert "Traceback" not in said


def test_after_all_of_them_an_honest_upload_passes(scene: Scene) -> None:
    """The table is refused for what is wrong with each line, not because the proxy refuses everything (control)."""
    scene.index.forget()
    package = wheel("acme-core", "1.0")
    answer = scene.upload(package)
    assert (answer.status, len(scene.index.uploads)) == (200, 1), answer
    assert package.content in scene.index.uploads[0].body


def test_control_the_index_itself_would_delete(tmp_path: Path) -> None:
    """What the table keeps away: sent to pypiserver as they are, many of the same actions empty the index."""
    package = wheel("acme-core", "1.0")
    deleted = []
    with pypiserver(tmp_path) as index:
        for hostile in ACTIONS:
            package.write(index.packages)
            wire.exchange(index.address, hostile.request("no key"))
            if package.filename not in index.files():
                deleted.append(hostile.case)
    assert {"remove_pkg after file_upload", "remove_pkg by a name that closes its quotes"} <= set(deleted), deleted
