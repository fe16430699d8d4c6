"""nginx serves what was decided and nothing else, whatever a client sends. Each attack has a control that it beats."""

import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.e2e.front import CORE, RECIPE, VICTIM, Scene, Secure, front, needs_nginx, set_up
from tests.peers.packages import wheel
from tests.peers.ports import LOOPBACK
from tests.peers.wire import basic, get, head

pytestmark = [pytest.mark.e2e, needs_nginx]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with set_up(tmp_path_factory.mktemp("nginx")) as running:
        yield running


SMUGGLED = {
    "nothing": [],
    "nginx's target": [("X-Original-URI", f"/packages/{CORE.filename}")],
    "nginx's target and method": [("X-Original-URI", f"/packages/{CORE.filename}"), ("X-Original-Method", "GET")],
    "in other letters": [("x-original-uri", f"/packages/{CORE.filename}"), ("x-ORIGINAL-method", "GET")],
    "with underscores": [("X_Original_URI", f"/packages/{CORE.filename}"), ("X_Original_Method", "GET")],
    "twice": [("X-Original-URI", f"/packages/{CORE.filename}")] * 2,
    "Traefik's": [("X-Forwarded-Uri", f"/packages/{CORE.filename}"), ("X-Forwarded-Method", "GET")],
    "named as of this connection": [("X-Original-URI", f"/packages/{CORE.filename}"), ("Connection", "X-Original-URI")],
    "all of them": [
        (name, f"/packages/{CORE.filename}") for name in ("X-Original-URI", "X-Forwarded-Uri", "X-Rewrite-URL")
    ],
}


@pytest.mark.parametrize("more", SMUGGLED.values(), ids=SMUGGLED.keys())
def test_a_clients_own_headers_never_win(scene: Scene, more: list[tuple[str, str]]) -> None:
    """Neither does one of them open another file, nor does it close one that may be read."""
    for target in (f"/packages/{VICTIM.filename}", "/simple/victim/"):
        refused = scene.get(target, "acme", *more)
        assert (refused.status, VICTIM.filename in refused.text) == (403, False)
    other = [(name, value.replace(CORE.filename, VICTIM.filename)) for name, value in more]
    assert scene.get(f"/packages/{CORE.filename}", "acme", *other).body == CORE.content


def test_a_recipe_that_lets_them_pass_is_caught(scene: Scene, tmp_path: Path) -> None:
    """The control: without the two lines, the smuggled target is decided and the victim's file is served."""
    naive = RECIPE.replace("        proxy_set_header X-Original-URI $request_uri;\n", "", 1)
    naive = naive.replace("        proxy_pass_request_headers off;\n", "", 1)
    with front(tmp_path / "naive", scene.proxy.address, scene.index.address, scene.index.packages, naive) as careless:
        caught = Scene(careless, scene.proxy, scene.index, scene.client, scene.keys)
        answer = caught.get(f"/packages/{VICTIM.filename}", "acme", ("X-Original-URI", f"/packages/{CORE.filename}"))
    assert (answer.status, answer.body) == (200, VICTIM.content)


FILE, ALIKE = VICTIM.filename, "acme_x-1.0.zip"
HOSTILE = [
    f"/packages/{ALIKE}/../{FILE}",
    f"/packages/{ALIKE}/..//{FILE}",
    f"/packages/{ALIKE}/%2e%2e/{FILE}",
    f"/packages/{ALIKE}/%2E%2e/{FILE}",
    f"/packages/{ALIKE}/.%2e/{FILE}",
    f"/packages/{ALIKE}/./../{FILE}",
    f"/packages/{ALIKE}%2f..%2f{FILE}",
    f"/packages/{ALIKE}%2F..%2F{FILE}",
    f"/packages/{ALIKE}%5c..%5c{FILE}",
    f"/packages/{ALIKE}\\..\\{FILE}",
    f"/packages/{ALIKE}/..;/{FILE}",
    f"/packages/{ALIKE}/%252e%252e/{FILE}",
    f"/packages//{FILE}",
    f"//packages/{FILE}",
    f"/packages/./{FILE}",
    f"/./packages/{FILE}",
    f"/simple/../packages/{FILE}",
    f"/-/../packages/{FILE}",
    "/packages/%76ictim-1.0-py3-none-any.whl",
    f"/%70ackages/{FILE}",
    f"/packages%2f{FILE}",
    f"/packages/{FILE}?",
    f"/packages/{FILE}?x=/packages/{ALIKE}",
    f"/packages/{ALIKE}?/../{FILE}",
    f"/packages/{FILE}#/{ALIKE}",
    f"/packages/{ALIKE}#/../{FILE}",
    f"/packages/{FILE}%00.zip",
    f"/packages/{ALIKE}%00/../{FILE}",
    f"/packages/{FILE}%0a",
    f"/packages/{FILE}%20",
    f"/packages/{FILE}/",
    f"/packages/{ALIKE}/{'../' * 3}packages/{FILE}",
    f"/packages/old/../{FILE}",
    "/packages/old/victim-3.0-py3-none-any.whl",
    f"http://pypi.example.com/packages/{FILE}",
    f"http://pypi.example.com//packages/{FILE}",
    f"/packages/{'a/' * 600}../{FILE}",
    f"/packages/{ALIKE}{'x' * 5000}/../{FILE}",
    "/packages/VICTIM-1.0-py3-none-any.whl",
    "/packages/\N{KELVIN SIGN}ictim-1.0.zip",
    "/simple/acme-core/../victim/",
    "/simple/acme-core/%2e%2e/victim/",
    "/simple/acme-core%2f..%2fvictim/",
    "/simple//victim/",
    "/simple/victim/?acme-core",
    "/simple/VICTIM/",
    "/packages/.hidden/acme_hidden-1.0-py3-none-any.whl",
    "/packages/%2ehidden/acme_hidden-1.0-py3-none-any.whl",
    "/packages/acme/../.hidden/acme_hidden-1.0-py3-none-any.whl",
    "/packages/secret-notes.txt",
    "/-/auth",
    f"/-/auth/packages/{CORE.filename}",
    f"/-/auth/../packages/{FILE}",
]
TAKEN = (VICTIM.content, wheel("victim", "3.0").content, wheel("acme-hidden").content, b"1234")


def leaks(scene: Scene, target: str) -> bool:
    """Whether a target that no key for acme-* may read gives a byte of what is not acme's."""
    raw = get("/TARGET", [("Authorization", basic("__token__", scene.keys["acme"]))]).replace(
        b"/TARGET", target.encode()
    )
    answer = scene.front.ask(raw)
    assert answer.status in (200, 400, 401, 403, 404), (target, answer.status)
    return any(content in answer.body for content in TAKEN) or (b"<a href" in answer.body and b"victim-" in answer.body)


@pytest.mark.parametrize("target", HOSTILE)
def test_nginx_serves_exactly_what_was_decided(scene: Scene, target: str) -> None:
    """nginx picks the file by the path as it normalises it; what was decided is the path as the client sent it."""
    assert not leaks(scene, target)


class Careless(BaseHTTPRequestHandler):
    """Decides by the beginning of the path, unescaped, as people do who have not met `..`."""

    def do_GET(self) -> None:
        asked = re.sub("/{2,}", "/", unquote(self.headers["X-Original-URI"]))
        self.send_response(200 if re.match(r"(?:http://[^/]+)?/(packages|simple)/(acme|old|a/|\.)", asked) else 403)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def test_a_careless_decision_is_caught(scene: Scene, tmp_path: Path) -> None:
    """The control: the same targets, the same nginx, and somebody else who decides."""
    with ThreadingHTTPServer((LOOPBACK, 0), Careless) as server, ExitStack() as stack:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        stack.callback(server.shutdown)
        beside = server.server_address[:2]
        careless = stack.enter_context(front(tmp_path / "careless", beside, scene.index.address, scene.index.packages))
        caught = Scene(careless, scene.proxy, scene.index, scene.client, scene.keys)
        found = [
            target for target in HOSTILE if target.startswith(("/packages/", "/simple/")) and leaks(caught, target)
        ]
    assert len(found) >= 12, found


def test_each_request_of_a_connection_is_decided_for_itself(scene: Scene) -> None:
    """Sent at once, over one connection: the yes of the first is not the second's."""
    credential = ("Authorization", basic("__token__", scene.keys["acme"]))
    targets = [f"/packages/{name}" for name in (CORE.filename, VICTIM.filename, CORE.filename, VICTIM.filename)]
    with Secure(scene.front.address, scene.front.trust) as conversation:
        conversation.send(b"".join(head("GET", target, [credential]) for target in targets))
        assert [conversation.answer().status for _ in targets] == [200, 403, 200, 403]
