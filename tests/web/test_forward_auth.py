"""Forward auth: yes, 401 or 403, and the question comes from one place that only the front can fill."""

import pytest

from tests.peers.recording import RecordingIndex
from tests.peers.wire import Answer, basic, get, head
from tests.web.conftest import POLICIES, Running

READ = {"allow": [{"actions": ["read"], "packages": ["acme-*"]}]}
POLICY = {**POLICIES, "acme": READ}
FRONT = {"reads": "key", "key_policies": POLICY, "trusted_proxies": ["127.0.0.1/32"]}
PAGE = "/simple/acme-core/"

pytestmark = pytest.mark.parametrize("running", [FRONT], indirect=True)


def nginx(target: str, method: str = "GET") -> list[tuple[str, str]]:
    """What the nginx recipe sets."""
    return [("X-Original-Method", method), ("X-Original-URI", target)]


def traefik(target: str, method: str = "GET") -> list[tuple[str, str]]:
    """What Traefik and Caddy set."""
    return [("X-Forwarded-Method", method), ("X-Forwarded-Uri", target)]


async def asked(
    running: Running, headers: list[tuple[str, str]], *, policy: str | None = "acme", path: str = ""
) -> Answer:
    """Ask as a web server does, for the holder of a key or for nobody."""
    key = [] if policy is None else [("Authorization", basic("__token__", await running.key(policy)))]
    return await running.ask(get(f"/-/auth{path}", [*key, *headers]))


@pytest.mark.parametrize("front", [nginx, traefik], ids=["nginx", "Traefik and Caddy"])
async def test_yes_is_an_empty_200(running: Running, recording: RecordingIndex, front: object) -> None:
    """It names the key for the front's log, and the index is not asked."""
    answer = await asked(running, front(PAGE))  # type: ignore[operator]
    assert (answer.status, answer.body) == (200, b"")
    assert answer.header("X-Authproxy-Key") is not None
    assert (answer.header("Cache-Control"), answer.header("Vary")) == ("no-store", "Authorization")
    recording.assert_saw_nothing()


async def test_envoy_appends_the_target(running: Running) -> None:
    """ext_authz keeps the method and puts its prefix before the path."""
    assert (await asked(running, [], path=PAGE)).status == 200
    assert (await asked(running, [], path="/simple/victim/")).status == 403


NOES: dict[str, tuple[list[tuple[str, str]], str | None, str, int]] = {
    "another project": (nginx("/simple/victim/"), "acme", "", 403),
    "a file of another project": (nginx("/packages/victim-1.0.tar.gz"), "acme", "", 403),
    "the list of all": (nginx("/packages/"), "acme", "", 403),
    "an upload key": (nginx(PAGE), "release", "", 403),
    "nobody": (nginx(PAGE), None, "", 401),
    "an upload": (nginx("/", "POST"), "acme", "", 403),
    "a delete": (nginx(PAGE, "DELETE"), "acme", "", 403),
    "no question": ([], "acme", "", 403),
    "half a question": (nginx(PAGE)[:1], "acme", "", 403),
    "two families": (nginx(PAGE) + traefik(PAGE), "acme", "", 403),
    "headers and a path": (nginx(PAGE), "acme", PAGE, 403),
    "a target twice": ([*nginx(PAGE), ("X-Original-URI", "/simple/victim/")], "acme", "", 403),
    "a method twice": ([*nginx(PAGE), ("X-Original-Method", "GET")], "acme", "", 403),
    "dot segments": (nginx("/simple/acme-core/../victim/"), "acme", "", 403),
    "escaped dot segments": (nginx("/simple/acme-core/%2e%2e/victim/"), "acme", "", 403),
    "an escaped slash": (nginx("/simple/acme-core%2f..%2fvictim/"), "acme", "", 403),
    "two slashes": (nginx("//simple/acme-core/"), "acme", "", 403),
    "a query": (nginx(f"{PAGE}?x=1"), "acme", "", 403),
    "our own pages": (nginx("/-/whoami"), "acme", "", 403),
    "an absolute target": (nginx("http://index.test/simple/acme-core/"), "acme", "", 403),
}


@pytest.mark.parametrize(("headers", "policy", "path", "status"), NOES.values(), ids=NOES.keys())
async def test_a_no_is_401_or_403(
    running: Running,
    recording: RecordingIndex,
    headers: list[tuple[str, str]],
    policy: str | None,
    path: str,
    status: int,
) -> None:
    """nginx turns every other status into a 500."""
    answer = await asked(running, headers, policy=policy, path=path)
    assert answer.status == status
    assert (answer.header("WWW-Authenticate") is not None) == (status == 401)
    recording.assert_saw_nothing()


async def test_only_a_trusted_front_may_ask(running: Running) -> None:
    """Anybody else would be told what keys may do by naming targets of their own."""
    running.write(trusted_proxies=["192.0.2.0/24"])
    from authproxy.config import load

    running.app.reload(load(running.file))
    answer = await asked(running, nginx(PAGE))
    assert (answer.status, "trusted_proxies" in answer.reason) == (403, True)


async def test_head_is_a_read(running: Running) -> None:
    """uv asks for the size of a wheel so."""
    assert (await asked(running, nginx(PAGE, "HEAD"))).status == 200
    key = basic("__token__", await running.key("acme"))
    raw = head("HEAD", "/-/auth", [("Authorization", key), *nginx(PAGE, "HEAD"), ("Connection", "close")])
    assert (await running.ask(raw)).status == 200


async def test_open_reads_are_for_everybody_and_index_reads_for_keys(running: Running) -> None:
    """Under `index` we can vouch for keys alone: the index would have judged the others."""
    from authproxy.config import load

    for reads, nobody in (("open", 200), ("index", 401)):
        running.write(reads=reads)
        running.app.reload(load(running.file))
        assert (await asked(running, nginx(PAGE), policy=None)).status == nobody
        assert (await asked(running, nginx(PAGE))).status == 200
