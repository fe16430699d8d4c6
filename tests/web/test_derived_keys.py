"""Derived keys over the wire: no memory of an answer gives one what its key, or another one, was allowed.

Each test first lets somebody in by the key, or by another derived one, so that whatever remembers has something to say.
"""

import json
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from authproxy.config import load
from authproxy.domain.caveats import Actions, Caveat, Digests, Indexes, Lifetime, Networks, Projects, Versions
from authproxy.domain.grants import Action
from authproxy.domain.names import ProjectName
from authproxy.domain.versions import version_pattern
from authproxy.web.readers import Readers
from tests.peers.masters import derived, lifetime, with_master
from tests.peers.recording import RecordingIndex, Reply, Script, Seen
from tests.peers.wire import basic, get
from tests.web.conftest import POLICIES, Running

KEYED = {
    "reads": "key",
    "trusted_proxies": ["127.0.0.1"],
    "key_policies": POLICIES,
    "keys": {"master_key": {"file": "master-key-0"}},
    "log": {"level": "warning"},
}
HTML = b'<html><body><a href="acme-core/">acme-core</a><br><a href="victim/">victim</a></body></html>'

pytestmark = pytest.mark.parametrize("running", [KEYED], indirect=True)


@pytest.fixture(autouse=True)
def master(tmp_path: Path) -> None:
    """The master key lies where the configuration says."""
    with_master(tmp_path)


@pytest.fixture
async def key(running: Running, recording: RecordingIndex) -> str:
    """A key that reads everything."""
    recording.answer = index
    return await running.key("install")


def index(seen: Seen) -> Script:
    """An index that has every page, and takes every upload."""
    if seen.method == "POST":
        return Reply(200)
    if seen.target in ("/simple/acme-core/", "/simple/", "/simple/victim/"):
        return Reply(200, HTML, (("Content-Type", "text/html; charset=UTF-8"),))
    return Reply(404)


def only(*names: str) -> Projects:
    return Projects(frozenset(map(ProjectName, names)))


CORE = only("acme-core")


def page(key: str, target: str = "/simple/acme-core/") -> bytes:
    return get(target, [("Authorization", basic("__token__", key))])


def asked(key: str, target: str = "/simple/acme-core/", more: str = "") -> bytes:
    """The question of a web server in front."""
    named = [("X-Original-Method", "GET"), ("X-Original-URI", target)]
    return get("/-/auth", [*named, ("Authorization", basic("__token__", key)), *([("X-More", more)] if more else [])])


WAYS = {"a read through us": page, "forward auth": asked}
both = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def at(running: Running, now: int) -> None:
    """Set the proxy's clock."""
    running.app.parts = replace(running.app.parts, clock=lambda: float(now))


async def thrice(running: Running, raw: bytes) -> set[int]:
    """The statuses of one request sent three times: cold, and out of whatever remembers."""
    return {(await running.ask(raw)).status for _ in range(3)}


@both
async def test_a_derived_key_does_not_get_what_its_key_got(running: Running, key: str, way: object) -> None:
    """The key may read the page and has just done so; what was derived for another project may not."""
    assert callable(way)
    mine, other = derived(key, lifetime(), CORE), derived(key, lifetime(), only("victim"))
    assert await thrice(running, way(key)) == {200}
    assert await thrice(running, way(mine)) == {200}
    assert await thrice(running, way(other)) == {403}
    assert await thrice(running, way(mine, "/simple/victim/")) == {403}
    assert await thrice(running, way(other, "/simple/victim/")) == {200}


@both
@pytest.mark.parametrize(
    "caveat",
    [
        pytest.param(Actions(frozenset({Action.UPLOAD})), id="for uploads"),
        pytest.param(Networks(frozenset({ip_network("192.0.2.0/24")})), id="from elsewhere"),
        pytest.param(Indexes(frozenset({"team/dev"})), id="in another index"),
        pytest.param(Versions(frozenset({version_pattern("1.*")})), id="for versions"),
        pytest.param(Digests(frozenset({"0" * 64})), id="for one file"),
    ],
)
async def test_one_more_caveat_is_asked_about_although_all_else_is_remembered(
    running: Running, key: str, way: object, caveat: Caveat
) -> None:
    """The parent's yes is in every memory; its child is another request, and gets its own answer."""
    assert callable(way)
    parent = derived(key, lifetime(), CORE)
    assert await thrice(running, way(parent)) == {200}
    assert await thrice(running, way(derived(parent, caveat))) == {403}


@both
async def test_a_yes_ends_with_the_derived_key(running: Running, key: str, way: object) -> None:
    """The very request that was allowed is refused when its time is over, with both clocks in the sentence."""
    assert callable(way)
    now = running.app.parts.now()
    raw = way(derived(key, Lifetime(now + 60, now - 30), CORE))
    assert await thrice(running, raw) == {200}
    at(running, now + 60 + 29)
    assert await thrice(running, raw) == {200}, "the leeway"
    at(running, now + 60 + 30)
    answer = await running.ask(raw)
    assert answer.status == 403
    assert "ended at" in answer.reason
    assert "and the clock here says" in answer.reason
    assert await thrice(running, way(key)) == {200}


@both
async def test_a_yes_ends_when_the_derived_key_is_ended_by_itself(running: Running, key: str, way: object) -> None:
    """From the next request on, and for it alone: its sister and its key go on."""
    assert callable(way)
    mine, sister = derived(key, lifetime(300), CORE), derived(key, lifetime(301), CORE)
    assert await thrice(running, way(mine)) | await thrice(running, way(sister)) == {200}
    name = json.loads((await running.ask(page(mine, "/-/whoami"))).body)["derived"]["name"]
    await running.app.parts.store.derivations.end(name, None)
    assert await thrice(running, way(mine)) == {401}
    assert await thrice(running, way(derived(mine, lifetime(30)))) == {401}
    assert await thrice(running, way(sister)) | await thrice(running, way(key)) == {200}


@both
async def test_a_yes_ends_with_the_key(running: Running, key: str, way: object) -> None:
    """Revoking the key ends what was derived from it, remembered or not."""
    assert callable(way)
    mine = derived(key, lifetime(), CORE)
    assert await thrice(running, way(mine)) == {200}
    found = await running.app.parts.store.key(key[4:16])  # type: ignore[arg-type]
    assert found is not None
    await running.app.parts.store.revoke(found.id, running.app.parts.now())
    assert await thrice(running, way(mine)) == {401}


async def test_these_tests_would_notice_a_memory_that_goes_by_the_key(
    running: Running, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The controls: memories that look at the public id alone, or forget to look at the clock, are caught."""
    answers = Readers.may_read

    def careless(self, config, principal, asked, *, now):  # type: ignore[no-untyped-def]
        yes = self._yeses.get((principal.public_id, asked.target))
        return None if yes else answers(self, config, principal, asked, now=now)

    other = page(derived(key, lifetime(), only("victim")))
    assert await thrice(running, page(key)) == {200}
    with monkeypatch.context() as patched:
        patched.setattr(Readers, "may_read", careless)
        assert await thrice(running, other) == {200}
    assert await thrice(running, other) == {403}
    now = running.app.parts.now()
    raw = asked(derived(key, Lifetime(now + 60, now - 30), CORE))
    assert await thrice(running, raw) == {200}
    with monkeypatch.context() as patched:
        patched.setattr("authproxy.authority.lasts", lambda *_: True)
        at(running, now + 100)
        assert await thrice(running, raw) == {200}
    assert await thrice(running, raw) == {403}


async def test_the_list_of_projects_shows_what_the_caveats_leave(running: Running, key: str) -> None:
    """The key has just read the whole list; the derived one is shown its own part, and one that ended nothing."""
    assert (await running.ask(page(key, "/simple/"))).body == HTML
    shown = await running.ask(page(derived(key, lifetime(), CORE), "/simple/"))
    assert (shown.status, "acme-core" in shown.text, "victim" in shown.text) == (200, True, False)
    over = await running.ask(page(derived(key, Lifetime(1, 0), CORE), "/simple/"))
    assert (over.status, "acme-core" in over.text) == (403, False)


async def test_whoami_tells_what_was_taken_away_until_it_ends(running: Running, key: str) -> None:
    """Its name, and its caveats as they are written; nothing of that for the key itself."""
    mine = derived(key, lifetime(), CORE)
    said = json.loads((await running.ask(page(mine, "/-/whoami"))).body)
    assert said["derived"]["caveats"][1] == [1, ["acme-core"]]
    assert said["id"] == key[4:16]
    assert json.loads((await running.ask(page(key, "/-/whoami"))).body)["derived"] is None
    assert (await running.ask(page(derived(key, Lifetime(1, 0)), "/-/whoami"))).status == 403


async def test_other_master_keys_are_taken_without_a_restart(running: Running, key: str) -> None:
    """SIGHUP: sealed under a key that is no longer named, nothing derived works; named as a former one it does."""
    mine = derived(key, lifetime(), CORE)
    assert await thrice(running, page(mine)) == {200}
    other = bytes(range(100, 132))
    for former, status in (((), 401), ((bytes(range(32)),), 200)):
        running.write(keys=with_master(running.file.parent, master=other, former=former))
        assert running.app.reload(load(running.file)) == []
        assert await thrice(running, page(mine)) == {status}
        assert await thrice(running, page(key)) == {200}
