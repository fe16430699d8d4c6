"""docs/leak-response.md before a real index, after a key was leaked and used: its commands, in its order."""

import json
from pathlib import Path

import pytest

from tests.e2e.pages import commands, run
from tests.peers import wire
from tests.peers.forms import upload
from tests.peers.packages import wheel
from tests.peers.proxy import proxy
from tests.peers.pypiserver import pypiserver

pytestmark = pytest.mark.e2e

POLICIES = {
    "release": {"allow": [{"actions": ["upload"], "packages": ["acme-*"], "create": True}]},
    "housekeeping": {"allow": [{"actions": ["delete"], "packages": ["acme-*"]}], "lifetime": "1d"},
}
GOOD, BAD = (wheel("acme-core", "1.2", payload=each) for each in (b"good", b"evil"))


def test_the_five_minutes_of_the_page(tmp_path: Path) -> None:
    """The leaked key is dead, what it put there is known, kept and gone, and the record names who overwrote whom."""
    rules = [{"match": "acme-*", "overwrite": "allow"}]
    with (
        pypiserver(tmp_path / "index", overwrite=True) as index,
        proxy(tmp_path / "proxy", index.url, key_policies=POLICIES, packages=rules) as running,
    ):
        honest, leaked = running.create_key(), running.create_key()
        for package, key in ((GOOD, honest), (BAD, leaked), (wheel("acme-core", "1.3"), leaked)):
            assert wire.exchange(running.address, upload(package, key.text)).status == 200
        assert wire.exchange(running.address, upload(wheel("victim", "1.0"), leaked.text)).status == 403
        lines = [f"ID={leaked.id}" if line.startswith("ID=") else line for line in commands("leak-response.md")]
        folder = tmp_path / "operator"
        ran = run(lines, running, folder, PROXY=running.url, INDEX=index.url.rstrip("/"), USER="op")
        assert ran.code == 0, ran.said
        assert ran.said.endswith("the end\n"), ran.said
        assert f"key {leaked.id} is revoked" in ran.said
        assert wire.exchange(running.address, upload(wheel("acme-core", "1.4"), leaked.text)).status == 401
        rows = [json.loads(line) for line in (folder / "leaked.jsonl").read_text().splitlines()]
        assert [(row["filename"], row["outcome"]) for row in rows] == [
            (BAD.filename, "stored"),
            ("acme_core-1.3-py3-none-any.whl", "stored"),
            ("victim-1.0-py3-none-any.whl", "denied"),
        ]
        assert (folder / BAD.filename).read_bytes() == BAD.content
        [about] = [part for part in ran.said.split("authproxy audit file")[1:] if "on record:" in part]
        assert about.count("upload stored") == 2
        assert f"with key {honest.id}0" in about
        assert f"with key {leaked.id}0" in about
        assert set(index.files()) == {"acme_core-1.3-py3-none-any.whl"}
        assert (folder / "new.key").stat().st_mode & 0o777 == 0o600
        assert leaked.text not in ran.said
