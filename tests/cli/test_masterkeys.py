"""`db master-key` and `db rekey`, and the keys that need one: made online, resumed, and at the end without the old key."""

import json
import stat
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from authproxy.authority.sealing import Masters, Unopened, master_id
from authproxy.domain.caveats import Lifetime
from authproxy.domain.derived import derive, mac_key
from authproxy.domain.keys import PublicId, parse
from authproxy.store.driver import sqlite3
from tests.cli.conftest import CONFIG, Cli, Created

OLD, NEW, LOST = (bytes([number]) * 32 for number in (1, 2, 3))
Names = Callable[..., None]


@pytest.fixture
def names(config_file: Path) -> Names:
    """Name these master keys in the configuration: the one in use first."""

    def name(*masters: bytes) -> None:
        files = []
        for number, master in enumerate(masters):
            path = config_file.with_name(f"master-{number}")
            path.write_text(b64encode(master).decode())
            path.chmod(0o600)
            files.append({"file": path.name})
        keys = {"master_key": files[0], "former_master_keys": files[1:]} if files else {}
        config_file.write_text(f"{CONFIG}keys: {json.dumps(keys)}\n")

    return name


@pytest.fixture
def sealed(config_file: Path) -> Callable[[], dict[str, bytes | None]]:
    """What is sealed for each secret, by public id."""

    def look() -> dict[str, bytes | None]:
        with closing(sqlite3.connect(config_file.with_name("authproxy.db"))) as connection:
            return dict(connection.execute("SELECT key_id || slot, mac FROM secrets ORDER BY 1").fetchall())

    return look


Sealed = Callable[[], dict[str, bytes | None]]
Create = Callable[..., Created]


def opens(master: bytes, key: Created, sealed: dict[str, bytes | None]) -> bool:
    """Whether a master key alone gives the MAC key of a key."""
    public_id = PublicId(key.id + "0")
    found = parse(key.key, "apx")
    assert found is not None
    return Masters(master).open(public_id, sealed[public_id]) == mac_key(found.secret)


def test_a_master_key_is_made_once_and_for_its_owner(cli: Cli, tmp_path: Path) -> None:
    """32 bytes that no second call gives, in a file that nobody else reads; stdout holds nothing of it."""
    ran = cli("db", "master-key", "-o", tmp_path / "one")
    assert (ran.status, ran.stdout) == (0, "")
    text = (tmp_path / "one").read_text()
    assert len(b64decode(text)) == 32
    assert stat.S_IMODE((tmp_path / "one").stat().st_mode) == 0o600
    assert master_id(b64decode(text)).hex() in ran.stderr
    assert text.strip() not in ran.stderr
    other = cli("db", "master-key", "--json")
    assert other.json["master_key"] != text.strip()
    assert other.json["id"] == master_id(b64decode(other.json["master_key"])).hex()
    assert cli("db", "master-key", "-o", tmp_path / "one").status != 0, "a file that is there is not written over"


def test_rekeying_needs_the_former_key_once_and_then_no_more(
    cli: Cli, names: Names, created: Create, sealed: Sealed
) -> None:
    """What was sealed under the old one is sealed under the new one; with the old one gone, everything opens."""
    names(OLD)
    keys = [created() for _ in range(3)]
    assert all(opens(OLD, key, sealed()) for key in keys)
    names(NEW, OLD)
    later = created()
    ran = cli("db", "rekey", "--json")
    assert (ran.status, ran.json) == (0, {"resealed": 3, "dropped": 0, "left": {}})
    names(NEW)
    assert all(opens(NEW, key, sealed()) for key in (*keys, later))
    assert not any(opens(OLD, key, sealed()) for key in keys)
    again = cli("db", "rekey")
    assert (again.status, again.stdout.splitlines()) == (
        0,
        ["sealed 0 secrets under the master key in use", "nothing needs a former one any more"],
    )


def test_rekeying_goes_on_where_it_was_interrupted(
    cli: Cli, names: Names, created: Create, sealed: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In pages of one, killed after the first: the rest is done by the next run, and nothing twice."""
    monkeypatch.setattr("authproxy.store.derivations.PAGE", 1)
    names(OLD)
    keys = [created() for _ in range(3)]
    names(NEW, OLD)
    real, calls = Masters.reseal, []

    def killed(self: Masters, public_id: PublicId, blob: bytes) -> bytes | Unopened:
        calls.append(public_id)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(self, public_id, blob)

    with monkeypatch.context() as patched:
        patched.setattr(Masters, "reseal", killed)
        assert cli("db", "rekey").status != 0
    assert [opens(NEW, key, sealed()) for key in keys].count(True) == 1
    assert cli("db", "rekey", "--json").json["resealed"] == 2
    assert all(opens(NEW, key, sealed()) for key in keys)


def test_what_no_named_key_opens_is_left_and_named(cli: Cli, names: Names, created: Create, sealed: Sealed) -> None:
    """3, with the id of the key that is missing; the rest is done all the same, and `--drop-lost` gives up."""
    names(LOST)
    lost = created()
    names(OLD)
    kept = created()
    names(NEW, OLD)
    ran = cli("db", "rekey")
    assert ran.status == 3
    assert ran.stdout.splitlines()[0] == "sealed 1 secret under the master key in use"
    assert f"{lost.id}0 was left: its key is sealed under master key {master_id(LOST).hex()}" in ran.stdout
    assert opens(LOST, lost, sealed())
    assert opens(NEW, kept, sealed())
    dropped = cli("db", "rekey", "--drop-lost", "--json")
    assert (dropped.status, dropped.json) == (0, {"resealed": 0, "dropped": 1, "left": {}})
    assert sealed()[lost.id + "0"] is None
    assert opens(NEW, kept, sealed())


def test_many_that_stay_are_counted(cli: Cli, names: Names, created: Create, monkeypatch: pytest.MonkeyPatch) -> None:
    """A screen, not a thousand lines."""
    monkeypatch.setattr("authproxy.cli.masterkeys.NAMED", 1)
    names(LOST)
    for _ in range(3):
        created()
    names(NEW)
    assert cli("db", "rekey").stdout.splitlines()[-1] == "and 2 more"


def test_without_a_master_key_there_is_nothing_to_seal_under(cli: Cli) -> None:
    """A sentence that says how to make one."""
    ran = cli("db", "rekey")
    assert ran.status == 1
    assert "there is no master key: `authproxy db master-key -o FILE` makes one" in ran.stderr


def test_a_key_that_only_derives_takes_a_master_key(cli: Cli, names: Names, created: Create) -> None:
    """Without one nothing could ever be done with it; with one, every listing says what it is."""
    refused = cli("key", "create", "--policy", "release", "--owner", "me", "--derive-only")
    assert refused.status == 1
    assert "--derive-only makes a key of which nothing could be derived: there is no master key" in refused.stderr
    plain = created()
    names(OLD)
    ran = cli("key", "create", "--policy", "release", "--owner", "me", "--derive-only")
    assert "it is taken by itself nowhere: send what is derived from it, authproxy exec" in ran.stderr
    only = created("--derive-only")
    shown = cli("key", "show", only.id, "--json").json
    assert (shown["derive_only"], shown["derivable"], shown["state"]) == (True, True, "live")
    assert "derive_only:  yes" in cli("key", "show", only.id).stdout
    shown = cli("key", "show", plain.id, "--json").json
    assert (shown["derive_only"], shown["derivable"]) == (False, False)
    assert "derivable:    no, nothing is sealed for its key" in cli("key", "show", plain.id).stdout
    names(NEW)
    assert cli("key", "show", only.id, "--json").json["derivable"] is False
    lost = (
        f"derivable:    no, it is sealed under master key {master_id(OLD).hex()}, which the configuration does not name"
    )
    assert lost in cli("key", "show", only.id).stdout
    names()
    assert "derivable:    no, there is no master key" in cli("key", "show", only.id).stdout
    names(OLD)
    assert "derivable:    yes\n" in cli("key", "show", only.id).stdout
    listed = {line.split()[0]: line for line in cli("key", "list").stdout.splitlines()}
    assert "live, derive only" in listed[only.id]
    assert "derive only" not in listed[plain.id]
    assert {row["id"] for row in cli("key", "list", "--state", "live", "--json").json if row["derive_only"]} >= {
        only.id
    }


def test_verifying_says_what_is_wrong_with_a_derived_key(cli: Cli, names: Names, created: Create) -> None:
    """For the operator who has it in hand: it works, it has ended, its key cannot be opened."""
    now = int(time.time())
    names(OLD)
    key = created()
    good = derive(key.key, [Lifetime(now + 300, now - 30)], "apx")
    ran = cli("key", "verify", input=good)
    assert ran.status == 0
    assert f"derived from key {key.id} of ci@acme" in ran.stdout
    assert "until 20" in ran.stdout
    assert cli("key", "verify", "--json", input=good).json["caveats"].startswith("until 20")
    over = cli("key", "verify", input=derive(key.key, [Lifetime(now - 300, now - 330)], "apx"))
    assert (over.status, "this derived key of it ended at" in over.stdout) == (3, True)
    names(NEW)
    shut = cli("key", "verify", "--json", input=good)
    assert (shut.status, shut.json["problem"]) == (3, "sealed")
    assert f"sealed under master key {master_id(OLD).hex()}" in cli("key", "verify", input=good).stdout
    assert "by what is derived from it alone" in cli("key", "verify", input=created("--derive-only").key).stdout
