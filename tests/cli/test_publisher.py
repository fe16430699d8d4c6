"""`authproxy publisher`: what is listed, what a real issuer's token is told, and a pin that is forgotten."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from authproxy.domain.publishers import PENDING_LIFE
from authproxy.store.driver import sqlite3
from tests.cli.conftest import Cli
from tests.cli.publishing import AUDIENCE, CORE, WEB, claims_file, trusts
from tests.peers.ci_claims import github
from tests.peers.issuer import Answer, LocalIssuer, local_issuer
from tests.peers.sqlite import dumped


@pytest.fixture
def trusting(config_file: Path, cli: Cli) -> Path:
    """A configuration with two publishers, and a store."""
    trusts(config_file)
    assert cli("db", "migrate").status == 0
    return config_file


def pin(config_file: Path, label: str, since: int, used: int | None = None, **claims: str) -> None:
    """Write a pin as a server does."""
    with closing(sqlite3.connect(config_file.parent / "authproxy.db")) as connection, connection:
        held = json.dumps(claims) if claims else None
        connection.execute("INSERT INTO pins VALUES (?, ?, ?, ?)", (label, since, used, held))


def dump(config_file: Path) -> list[str]:
    with closing(sqlite3.connect(config_file.parent / "authproxy.db")) as connection:
        return dumped(connection)


def test_the_list_has_those_of_the_file_and_what_is_pinned(trusting: Path, cli: Cli) -> None:
    """In the order of the file, then those that are still pinned and not there any more."""
    now = int(time.time())
    pin(trusting, CORE, now - 100, now - 50, repository_id="74", repository_owner_id="65")
    pin(trusting, "github acme/gone release.yml", now - 900, now - 800, repository_id="9")
    pin(trusting, "github acme/never release.yml", now - 900)
    core, web, gone = cli("publisher", "list", "--json").json
    assert (core["publisher"], core["state"], core["create"], core["lifetime"]) == (CORE, "live", True, "15m")
    assert (core["packages"], core["kind"]) == (["acme-core"], "github")
    assert core["pinned"] == ["repository_id=74", "repository_owner_id=65"]
    assert (web["publisher"], web["state"], web["pinned"], web["used"]) == (WEB, "new", [], None)
    assert (gone["publisher"], gone["state"], gone["pinned"]) == (
        "github acme/gone release.yml",
        "not configured",
        ["repository_id=9"],
    )
    text = cli("publisher", "list").stdout
    assert text.splitlines()[0].split("\t")[:3] == ["publisher", "state", "packages"]
    assert WEB in text


def test_the_states_of_one_that_was_never_used(trusting: Path, cli: Cli) -> None:
    """Unused for thirty days, one that may create projects has ended; another one has not."""
    now = int(time.time())
    pin(trusting, CORE, now - PENDING_LIFE + 60)
    pin(trusting, WEB, now - 2 * PENDING_LIFE)
    assert [row["state"] for row in cli("publisher", "list", "--json").json] == ["unused", "unused"]
    with closing(sqlite3.connect(trusting.parent / "authproxy.db")) as connection, connection:
        connection.execute("UPDATE pins SET since = ? WHERE publisher = ?", (now - PENDING_LIFE, CORE))
    assert [row["state"] for row in cli("publisher", "list", "--json").json] == ["ended", "unused"]


def test_without_publishers(cli: Cli, config_file: Path) -> None:
    """It says so, and no token gets a key."""
    assert cli("db", "migrate").status == 0
    ran = cli("publisher", "list")
    assert (ran.status, "has no publishers" in ran.stderr) == (0, True)
    assert cli("publisher", "list", "--json").json == []
    ran = cli("publisher", "test", "--claims", claims_file(config_file.parent))
    assert (ran.status, ran.stdout) == (1, "")
    assert "has no publishers, so that no token gets a key" in ran.stderr


@pytest.fixture
def issuer(tmp_path: Path, config_file: Path, cli: Cli) -> Iterator[LocalIssuer]:
    """A real issuer over TLS that the configuration trusts."""
    with local_issuer(tmp_path) as running:
        trusts(config_file, running.url, ca_file=str(running.ca_file))
        assert cli("db", "migrate").status == 0
        yield running


def token(issuer: LocalIssuer, **changes: object) -> str:
    return issuer.token(github(issuer.url, AUDIENCE, int(time.time())) | changes)


def test_a_token_that_gets_a_key(issuer: LocalIssuer, cli: Cli, config_file: Path) -> None:
    """Verified with the issuer's own keys; whose it is, what it would mint and pin; and the store is as before."""
    before = dump(config_file)
    ran = cli("publisher", "test", input=f"{token(issuer)}\n")
    assert ran.status == 0, ran.stderr
    label = CORE.replace("https://ci.acme.test", issuer.url)
    assert ran.stdout.startswith(f"yes: {label}\n")
    assert "a key of 15m that may upload acme-core, also where the index has no such project" in ran.stdout
    assert "pins   repository_id 74, repository_owner_id 65" in ran.stdout
    assert "run_id 9876543210" in ran.stdout
    assert issuer.fetches == 1
    shown = cli("publisher", "test", "--json", input=token(issuer)).json
    assert (shown["matched"], shown["verified"], shown["publisher"], shown["code"]) == (True, True, label, None)
    assert shown["mints"]["packages"] == ["acme-core"]
    assert (shown["mints"]["lifetime"], shown["mints"]["create"]) == (900, True)
    assert shown["mints"]["claims"]["repository"] == "acme/core"
    assert [each["met"] for each in shown["publishers"]] == [True, False]
    assert dump(config_file) == before


def test_a_token_that_nobody_takes(issuer: LocalIssuer, cli: Cli) -> None:
    """Exit status 3; each claim of the nearest one, those that are met and those that are not."""
    ran = cli("publisher", "test", input=token(issuer, environment="staging"))
    assert (ran.status, ran.stdout.startswith("no: no trusted publisher takes this token")) == (3, True)
    assert "✗ environment is 'staging': it must be 'pypi'" in ran.stdout
    assert "✓ repository is 'acme/core'" in ran.stdout
    assert ran.stdout.index("acme/core release.yml") < ran.stdout.index("gitlab acme/web"), "the nearest first"


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        pytest.param({"aud": "pypi.other.test"}, "invalid-token", "not for 'pypi.acme.test' alone", id="audience"),
        pytest.param({"exp": 1, "iat": 0}, "invalid-token", "the token ended at 1970", id="expired"),
        pytest.param({"iss": "https://x.test"}, "invalid-payload", "nothing here trusts the issuer", id="issuer"),
    ],
)
def test_a_token_that_is_not_good(
    issuer: LocalIssuer, cli: Cli, changes: dict[str, object], code: str, words: str
) -> None:
    """Exit status 3, with the code and the sentence that the client would get."""
    ran = cli("publisher", "test", "--json", input=token(issuer, **changes))
    assert (ran.status, ran.json["matched"], ran.json["code"]) == (3, False, code)
    assert words in ran.json["reason"]
    assert f"({code})" in cli("publisher", "test", input=token(issuer, **changes)).stdout


def test_a_token_of_another_key_and_an_issuer_that_is_away(issuer: LocalIssuer, cli: Cli) -> None:
    """Forged, or not to be verified: neither is a yes."""
    good, forged = token(issuer), token(issuer)
    head, _, signature = forged.rpartition(".")
    ran = cli("publisher", "test", input=f"{head}.{signature[::-1]}")
    assert (ran.status, "invalid-" in ran.stdout) == (3, True)
    issuer.key_set = Answer(b"no", 500)
    ran = cli("publisher", "test", input=good)
    assert (ran.status, "answers 500 for its key set" in ran.stdout) == (3, True)


def test_claims_in_a_file_are_judged_without_a_signature(trusting: Path, cli: Cli) -> None:
    """And the answer says that nothing was verified."""
    ran = cli("publisher", "test", "--claims", claims_file(trusting.parent))
    assert (ran.status, ran.stdout.startswith(f"yes: {CORE}\n")) == (0, True), ran.stderr
    assert "signature, audience and times were not looked at" in ran.stdout
    shown = cli("publisher", "test", "--claims", claims_file(trusting.parent, ref=None), "--json").json
    assert (shown["matched"], shown["verified"]) == (False, False)


def test_a_moved_name_is_told_and_unpinned(trusting: Path, cli: Cli) -> None:
    """Other ids than at first use: refused, with the way out, named as it is listed and without quotes."""
    now = int(time.time())
    pin(trusting, CORE, now - 100, now - 50, repository_id="11", repository_owner_id="65")
    ran = cli("publisher", "test", "--claims", claims_file(trusting.parent))
    assert ran.status == 3
    assert "✗ repository_id is '74' and was '11' at first use" in ran.stdout
    ran = cli("publisher", "unpin", *CORE.split())
    were = "it was repository_id 11, repository_owner_id 65; no live keys of it were revoked"
    assert (ran.status, ran.stdout) == (0, f"unpinned {CORE}: {were}\n")
    assert cli("publisher", "test", "--claims", claims_file(trusting.parent)).status == 0
    shown = cli("publisher", "unpin", CORE, "--json").json
    assert (shown["publisher"], shown["unpinned"], shown["was"], shown["configured"]) == (CORE, True, {}, True)


def test_one_that_ended_unused_begins_anew(trusting: Path, cli: Cli) -> None:
    """From now on for another thirty days."""
    pin(trusting, CORE, int(time.time()) - 2 * PENDING_LIFE)
    assert cli("publisher", "test", "--claims", claims_file(trusting.parent)).status == 3
    assert "nothing was pinned of it" in cli("publisher", "unpin", CORE).stdout
    assert cli("publisher", "test", "--claims", claims_file(trusting.parent)).status == 0


def test_what_cannot_be_unpinned(trusting: Path, cli: Cli) -> None:
    """A name that nobody has; where to look is said."""
    ran = cli("publisher", "unpin", "github", "acme/core")
    assert (ran.status, ran.stdout) == (1, "")
    assert "there is no publisher 'github acme/core': `authproxy publisher list`" in ran.stderr
    assert cli("publisher", "unpin").status == 2


def test_unpinning_revokes_the_keys_that_there_are(trusting: Path, cli: Cli) -> None:
    """They may be of whoever had the name before; how many they were is said."""
    now = int(time.time())
    pin(trusting, CORE, now - 100, now - 50, repository_id="11")
    with closing(sqlite3.connect(trusting.parent / "authproxy.db")) as connection, connection:
        for number in range(3):
            row = (f"Minted{number:06}", CORE, now, now + 900 * (number - 1), CORE)
            connection.execute(
                "INSERT INTO keys (id, owner, note, policy, grants, networks, used, created, expires, kind, derive_only, "
                "publisher) VALUES (?, ?, '', '', '[]', '[]', 0, ?, ?, 'minted', 0, ?)",
                row,
            )
    assert cli("publisher", "unpin", CORE).stdout.endswith("; 1 live key of it was revoked\n")
    assert cli("publisher", "unpin", CORE, "--json").json["revoked"] == 0
    states = [each["state"] for each in cli("key", "list", "--minted", "--json").json]
    assert sorted(states) == ["expired", "expired", "revoked"]
