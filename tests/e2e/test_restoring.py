"""docs/restoring.md before a real index and a running server: its commands, in its order."""

from contextlib import closing
from pathlib import Path

import pytest

from authproxy.store.driver import sqlite3
from tests.e2e.pages import commands, run
from tests.peers import wire
from tests.peers.forms import upload
from tests.peers.packages import wheel
from tests.peers.proxy import installation, served
from tests.peers.pypiserver import pypiserver

pytestmark = pytest.mark.e2e


def test_the_commands_of_the_page(tmp_path: Path) -> None:
    """A backup of a running server; it is not replaced under its feet; and after the page all is in place."""
    lines = commands("restoring.md")
    cut = lines.index("systemctl stop authproxy")
    before, after = lines[:cut], ["sleep 1\n" + line if "restore" in line else line for line in lines[cut:]]
    backups = tmp_path / "backups"
    backups.mkdir()
    with pypiserver(tmp_path / "index") as index:
        made = installation(tmp_path / "proxy", index.url)
        key, revoked = made.create_key(), made.create_key()
        with served(made):
            assert wire.exchange(made.address, upload(wheel("acme-core", "1.0"), key.text)).status == 200
            ran = run(before, made, tmp_path / "operator", BACKUPS=str(backups))
            assert ran.code == 0, ran.said
            assert wire.exchange(made.address, upload(wheel("acme-core", "1.1"), key.text)).status == 200
            assert made.run("key", "revoke", revoked.id).code == 0
            refused = made.run("db", "restore", backups / "before-the-update.db")
            assert (refused.code, "is in use: stop the server" in refused.said) == (1, True)
        stops = "systemctl() { :; }\n"
        mended = after.index("systemctl start authproxy")
        ran = run(after[:mended], made, tmp_path / "operator", prelude=stops, BACKUPS=str(backups))
        assert ran.code == 0, ran.said
        assert f"revoked since the backup, and so in it: 1 ({revoked.id})" in ran.said
        assert "1.1" in {row["version"] for row in made.rows("files")}, "what was uploaded since is in the ledger"
        ran = run(after[mended:], made, tmp_path / "operator", prelude=stops, BACKUPS=str(backups), ID=key.id)
        assert ran.code == 0, ran.said
        with served(made):
            assert wire.exchange(made.address, upload(wheel("acme-core", "1.2"), key.text)).status == 200
            assert wire.exchange(made.address, upload(wheel("acme-core", "1.2"), revoked.text)).status == 401
            other = wheel("acme-core", "1.1", payload=b"other")
            assert wire.exchange(made.address, upload(other, key.text)).status == 400, "the file since is known again"
        with closing(sqlite3.connect(made.database)) as database:
            sql = "SELECT count(*) FROM record WHERE version = '1.1' AND outcome = 'stored'"
            assert database.execute(sql).fetchone() == (0,)
