"""Keys that somebody has who should not, before the real proxy: given up, reported, laid out; and what a thief gets.

The rows of the table in docs/derived-keys.md name tests here.
"""

import json
import re
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from authproxy.domain.caveats import base64url
from authproxy.domain.derived import chain, parse_derived
from authproxy.store.driver import sqlite3
from tests.e2e.printed import HATCHLING, Machine
from tests.peers.clients import Client
from tests.peers.derived import key_file
from tests.peers.forms import upload
from tests.peers.masters import MASTER, derived, lifetime, once, with_master
from tests.peers.packages import wheel
from tests.peers.proxy import AUTHPROXY, Installation, Key, Proxy, installation, served
from tests.peers.recording import RecordingIndex, Reply, recording_index
from tests.peers.reporter import URL, Reporter, posted, surrender
from tests.peers.toolbox import Toolbox
from tests.peers.waiting import wait_until
from tests.peers.wire import basic, exchange, get
from tests.web.receivers import types, verified, webhook

pytestmark = pytest.mark.e2e

POLICIES = {"release": {"allow": [{"actions": ["upload", "read"], "packages": ["acme-*"], "create": True}]}}
CORE, NEXT, WEB = wheel("acme-core", "1.0"), wheel("acme-core", "1.1"), wheel("acme-web", "1.0")
HOST = Reporter()
EVENTS = ("key.revoked", "key.ended", "key.leaked", "key.canary", "key.paused")


@pytest.fixture
def receiver() -> Iterator[RecordingIndex]:
    """Who is told."""
    with recording_index() as made:
        made.answer = lambda _: Reply(204)
        yield made


@pytest.fixture
def made(tmp_path: Path, recording: RecordingIndex, receiver: RecordingIndex) -> Installation:
    """An installation with a master key, a code host that it believes, and a webhook."""
    folder = tmp_path / "proxy"
    folder.mkdir()
    recording.answer = lambda seen: Reply(200) if seen.method == "POST" else Reply(404)
    settings = {"keys": with_master(folder), "webhooks": [webhook(folder, receiver, *EVENTS)]}
    settings |= HOST.settings(folder) | {"metrics": "127.0.0.1:0", "key_policies": POLICIES, "reads": "key"}
    return installation(folder, recording.url, **settings)


@pytest.fixture
def running(made: Installation) -> Iterator[Proxy]:
    """It serves."""
    with served(made) as proxy:
        yield proxy


def status(running: Proxy, key: str, package: object = CORE) -> int:
    return exchange(running.address, upload(package, key)).status  # type: ignore[arg-type]


def whoami(running: Proxy, key: str) -> int:
    return exchange(running.address, get("/-/whoami", [("Authorization", basic("__token__", key))])).status


def test_curl_ends_a_key(running: Proxy, receiver: RecordingIndex, tmp_path: Path) -> None:
    """The line of docs/leak-response.md: a real client, the key in a file, no login, and a webhook that hears of it."""
    key = running.create_key()
    key_file(tmp_path, key.text)
    assert whoami(running, key.text) == 200
    ran = Client(tmp_path).run(
        ["curl", "--fail-with-body", "--silent", "--show-error", "--data-binary", "@the.key", f"{running.url}-/revoke"]
    )
    assert (ran.code, ran.said) == (0, "taken: if this was a key, it works no more\n")
    assert whoami(running, key.text) == 401
    assert json.loads(running.run("key", "show", key.id, "--json").said)["state"] == "revoked"
    wait_until(lambda: types(receiver) == ["key.revoked"])
    assert verified(receiver.requests[0])["data"]["why"] == "given up"
    assert key.text[18:] not in running.log
    assert key.id in running.log


def test_a_report_ends_keys(running: Proxy, receiver: RecordingIndex) -> None:
    """In GitHub's form: a live key, a derived one of another key, and a stranger's."""
    key, other = running.create_key(), running.create_key()
    made_of_it = derived(other.text, lifetime())
    stranger = made_of_it[:-1] + ("A" if made_of_it[-1] != "A" else "Q")
    answer = exchange(running.address, HOST.request(key.text, made_of_it, stranger))
    assert answer.status == 200
    found = [each["label"] for each in json.loads(answer.body)]
    assert found == ["true_positive", "true_positive", "false_positive"]
    assert [whoami(running, each) for each in (key.text, made_of_it, other.text)] == [401, 401, 200]
    wait_until(lambda: len(types(receiver)) == 4)
    assert types(receiver) == ["key.leaked", "key.revoked", "key.leaked", "key.ended"]
    assert verified(receiver.requests[0])["data"]["source"] == f"'{URL}' 'content'"
    rows = [json.loads(line) for line in running.run("audit", "export").said.splitlines()]
    assert [(row["action"], row["outcome"], row["key_id"]) for row in rows] == [
        ("leak", "revoked", key.id),
        ("leak", "ended", other.id),
    ]
    assert URL in rows[0]["reason"]
    for each in (key.text[18:], other.text[18:], made_of_it.rpartition(".")[2]):
        assert each not in running.log
        assert each not in repr(running.rows("record"))


def test_a_canary_sings(running: Proxy, receiver: RecordingIndex, tmp_path: Path, tools: Toolbox) -> None:
    """A thief runs twine with a key from a wiki: twine sees the 401 of any dead key, and the operator an alarm."""
    shown = json.loads(running.run("key", "create", "--canary", "--owner", "sec@acme", "--json").said)
    canary = Key(shown["id"], shown["key"])
    built = CORE.write(tmp_path / "dist")
    ran = Client(tmp_path).run(
        [tools.today / "twine", "upload", "--non-interactive", "--repository-url", running.url, built],
        TWINE_USERNAME="__token__",
        TWINE_PASSWORD=canary.text,
    )
    assert ran.code == 1
    assert "the key is not valid" in " ".join(ran.said.split())
    wait_until(lambda: types(receiver) == ["key.canary"])
    told = verified(receiver.requests[0])["data"]
    assert (told["key_id"], told["address"], told["owner"]) == (canary.id, "127.0.0.1", "sec@acme")
    [line] = [json.loads(each) for each in running.log.splitlines() if "canary" in each]
    assert (line["level"], line["key"], line["address"]) == ("error", canary.id, "127.0.0.1")
    dead = exchange(running.address, upload(CORE, canary.text))
    unknown = exchange(running.address, upload(CORE, canary.text.replace(canary.id, "A" * 12)))
    assert (dead.status, dead.reason) == (unknown.status, unknown.reason) == (401, "the key is not valid")
    for _ in range(5):
        assert status(running, derived(canary.text, lifetime())) in (401, 429)
    time.sleep(1)
    assert types(receiver) == ["key.canary"], "a flood is one alarm a minute"


def test_a_captured_request(running: Proxy, recording: RecordingIndex) -> None:
    """Sent by `authproxy exec`: good for this file, once, for minutes. It opens nothing more, and ends nothing else."""
    key = running.create_key()
    sent = derived(key.text, *once(1, "acme-core", CORE))
    captured = upload(CORE, sent)
    assert exchange(running.address, captured).status == 200
    recording.forget()
    assert exchange(running.address, captured).status == 403
    assert [status(running, sent, package) for package in (NEXT, WEB)] == [403, 403]
    assert (
        exchange(running.address, get("/simple/acme-core/", [("Authorization", basic("__token__", sent))])).status
        == 403
    )
    recording.assert_saw_nothing()
    assert exchange(running.address, surrender(sent)).status == 200
    assert [whoami(running, each) for each in (sent, key.text)] == [401, 200]
    # The control: captured with the key itself in it, all of that is open.
    assert [status(running, key.text, package) for package in (NEXT, WEB)] == [200, 200]


def test_a_stolen_ci_log(running: Proxy, recording: RecordingIndex, tmp_path: Path, tools: Toolbox) -> None:
    """Of a job that ran `authproxy exec -- twine upload --verbose`: the key is not in it, nor anything that opens more.

    The control is a job that prints its environment: what stands there is the derived key, for these files.
    """
    key = running.create_key()
    machine = Machine(tmp_path, "acme-core", (tools.today,))
    machine.begin(*HATCHLING)
    key_file(tmp_path, key.text)
    run = f"{' '.join(AUTHPROXY)} exec --key-file {machine.home / 'the.key'} --url {running.url} --"
    said = machine.sh(f"{run} twine upload --verbose --non-interactive dist/*").said
    assert len([row for row in running.rows("record") if row["outcome"] == "stored"]) == 2
    assert key.text[18:34] not in said
    assert re.findall(r"apx_\w+\.[\w-]+\.[\w-]+", said) == []
    printing = tmp_path / "bin"
    printing.mkdir()
    (printing / "twine").write_text("#!/bin/sh\nenv\n")
    (printing / "twine").chmod(0o755)
    said = Machine(tmp_path, "acme-core", (printing, tools.today)).sh(f"{run} twine upload dist/*").said
    assert key.text[18:34] not in said
    [stolen] = set(re.findall(r"apx_\w+\.[\w-]+\.[\w-]+", said))
    recording.forget()
    assert [status(running, stolen, package) for package in (NEXT, WEB)] == [403, 403]
    recording.assert_saw_nothing()


def sealed(running: Proxy, key: Key) -> bytes:
    with closing(sqlite3.connect(f"file:{running.database}?mode=ro", uri=True)) as connection:
        found: bytes = connection.execute("SELECT mac FROM secrets WHERE key_id = ?", (key.id,)).fetchone()[0]
    return found


def forged(key: Key, mac_key: bytes) -> str:
    """A derived key of somebody who does not have the key, with caveats as an honest one has them."""
    honest = parse_derived(derived(key.text, lifetime()), "apx")
    assert honest is not None
    start = f"apx_{honest.unverified_public_id}".encode()
    caveats = base64url(b"[" + b",".join(honest.caveats) + b"]")
    return f"apx_{honest.unverified_public_id}.{caveats}.{base64url(chain(mac_key, (start, *honest.caveats)))}"


def test_a_stolen_master_key(running: Proxy, recording: RecordingIndex) -> None:
    """It makes no key of any id: without the store there is nothing to open with it. With the store there is."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    key = running.create_key()
    for guess in (MASTER, MASTER[:16], bytes(32)):
        assert status(running, forged(key, guess)) == 401
    recording.assert_saw_nothing()
    blob, public_id = sealed(running, key), key.text[4:17].encode()
    opened = AESGCM(MASTER).decrypt(blob[9:21], blob[21:], public_id)
    assert status(running, forged(key, opened)) == 200, "both together make derived keys, as the page says"


def test_a_stolen_store(running: Proxy, recording: RecordingIndex) -> None:
    """Nothing of it is a key, or makes one: neither a digest nor what is sealed is taken for a secret."""
    key = running.create_key()
    [row] = [each for each in running.rows("secrets") if each["key_id"] == key.id]
    assert row["digest"].startswith("$argon2id$")
    assert key.text[18:61] not in repr(running.rows("secrets")) + repr(running.rows("keys"))
    for made_of in (row["mac"], row["mac"][21:53], row["digest"].encode()):
        assert status(running, forged(key, made_of)) == 401
    recording.assert_saw_nothing()


def test_strangers_are_told_nothing_about_reports(running: Proxy) -> None:
    """Unsigned, the page says the same of a live key and of none."""
    key = running.create_key()
    answers = [
        exchange(running.address, posted("/-/leaks", json.dumps([{"token": each}]).encode()))
        for each in (key.text, "nothing")
    ]
    assert [answer.status for answer in answers] == [401, 401]
    assert answers[0].body == answers[1].body
    assert whoami(running, key.text) == 200
