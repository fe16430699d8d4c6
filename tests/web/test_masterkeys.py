"""A master key that opens nothing is a valid one: the server says so when it starts, and when it is told of another."""

import logging
from pathlib import Path

import pytest

from authproxy.authority.sealing import Masters, master_id
from authproxy.config import load
from authproxy.web.masterkeys import tell_of_masters
from authproxy.web.server import _reload
from tests.peers.masters import MASTER, with_master
from tests.web.conftest import POLICIES, Running

KEYED = {"key_policies": POLICIES, "keys": {"master_key": {"file": "master-key-0"}}}
OTHER = bytes(32)


@pytest.fixture(autouse=True)
def master(tmp_path: Path) -> None:
    """The master key lies where the configuration says."""
    with_master(tmp_path)


@pytest.mark.parametrize("running", [KEYED], indirect=True)
async def test_what_stays_sealed_is_told(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    """One line, with the master key that is wanted, and what to run; none where all can be opened, or all is revoked."""
    store, key = running.app.parts.store, await running.key()
    for masters, lines in (
        (Masters(MASTER), 0),
        (Masters(OTHER, (MASTER,)), 0),
        (Masters(OTHER), 1),
        (Masters(), 1),
    ):
        caplog.clear()
        await tell_of_masters(store, masters)
        assert len(caplog.records) == lines
    named = f"1 secret is sealed under master keys that the configuration does not name ({master_id(MASTER).hex()})"
    assert named in caplog.text
    assert "run `authproxy db rekey`" in caplog.text
    await store.revoke(key[4:16], 0)  # type: ignore[arg-type]
    caplog.clear()
    await tell_of_masters(store, Masters(OTHER))
    assert caplog.records == []


@pytest.mark.parametrize("running", [KEYED], indirect=True)
async def test_a_reload_with_the_wrong_one_is_told(
    running: Running, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is taken, for it is a master key; and the log says what it does not open. The same again says nothing."""
    await running.key()
    with_master(tmp_path, master=OTHER)
    with caplog.at_level(logging.WARNING):
        await _reload(running.app, lambda: load(running.file))
        assert "does not name" in caplog.text
        caplog.clear()
        await _reload(running.app, lambda: load(running.file))
        assert "does not name" not in caplog.text


@pytest.mark.parametrize("running", [KEYED], indirect=True)
async def test_a_store_that_is_gone_is_said(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    """And ends nothing."""
    await running.app.parts.store.close()
    await tell_of_masters(running.app.parts.store, Masters(MASTER))
    assert "does not say" in caplog.text
