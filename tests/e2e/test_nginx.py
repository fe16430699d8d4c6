"""The shipped nginx recipe, word for word: real nginx, real pypiserver, real clients, over TLS."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.front import CORE, FILES, LOCAL, RECIPE, VICTIM, Scene, front, needs_nginx, set_up
from tests.peers.clients import with_credentials
from tests.peers.packages import sdist, wheel
from tests.peers.ports import LOOPBACK, reserved_port
from tests.peers.programs import Program
from tests.peers.recording import RecordingIndex, Reply
from tests.peers.waiting import wait_until
from tests.peers.wire import basic, head

UV_INSTALL = ("pip", "install", "--no-config", "--no-cache", "--no-deps")

pytestmark = [pytest.mark.e2e, needs_nginx]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with set_up(tmp_path_factory.mktemp("nginx")) as running:
        yield running


def served_by(program: Program, target: str) -> bool:
    """Whether a program's log shows a request for this target."""
    return target in program.output()


def test_real_clients_upload_through_authproxy_and_download_from_nginx(scene: Scene) -> None:
    """twine and uv upload, pip and uv install with a read key, and neither Python program served a byte of it."""
    files = [
        package.write(scene.client.home / "dist") for package in (wheel("acme-new", "1.0"), sdist("acme-new", "2.0"))
    ]
    ran = scene.client.twine(scene.front.url, scene.keys["release"], files[0], options=["--cert", str(scene.front.ca)])
    assert ran.code == 0, ran.said
    uv = Path(scene.client._uv())
    ran = scene.client.run(
        [uv, "publish", "--trusted-publishing", "never", "--publish-url", scene.front.url, files[1]],
        UV_PUBLISH_TOKEN=scene.keys["release"],
        SSL_CERT_FILE=str(scene.front.ca),
    )
    assert ran.code == 0, ran.said
    url = with_credentials(scene.front.url, "__token__", scene.keys["acme"])
    python = scene.client.environment("env-pip")
    ran = scene.client.pip_install(python, url, "acme-new==1.0", options=["--cert", str(scene.front.ca)])
    assert ran.code == 0, ran.said
    ran = scene.client.run(
        [
            uv,
            *UV_INSTALL,
            "--python",
            scene.client.environment("env-uv"),
            "-i",
            f"{url}simple/",
            "acme-local==1.0+cu12",
        ],
        SSL_CERT_FILE=str(scene.front.ca),
    )
    assert ran.code == 0, ran.said
    shown = scene.client.run([python, "-c", "import acme_new; print(acme_new.__version__)"])
    assert shown.said.strip() == "1.0"
    public_id = scene.keys["acme"].split("_")[1]
    line = rf" {public_id} \[[^]]+\] \"GET /packages/acme_new-1.0-py3-none-any.whl HTTP/1.1\" 200 "
    wait_until(lambda: re.search(line, scene.front.log), lambda: scene.front.log)  # nginx answers first, then writes it
    assert not served_by(scene.index.program, "/packages/acme_new")
    assert '"target": "/packages/acme_new' not in scene.proxy.log
    for log in (scene.front.log, scene.front.program.output()):
        assert scene.keys["acme"].rpartition("_")[2] not in log


def test_a_refusal_has_its_sentence(scene: Scene) -> None:
    """twine shows it from the reason phrase, which nginx leaves as it is; a reader finds it on the page."""
    file = VICTIM.write(scene.client.home / "dist")
    ran = scene.client.twine(scene.front.url, scene.keys["release"], file, options=["--cert", str(scene.front.ca)])
    assert ran.code != 0
    assert "may not upload 'victim': it may upload+create:acme-*" in " ".join(ran.said.split()), ran.said
    answer = scene.get("/simple/victim/")
    assert (answer.status, "may not read 'victim': it may read:acme-*" in answer.text) == (403, True)
    assert answer.header("Cache-Control") == "no-store"
    public_id = scene.keys["acme"].split("_")[1]
    line = rf"GET /simple/victim/ HTTP/1.1\" 403 .*\"key {public_id} may not read 'victim'"
    wait_until(lambda: re.search(line, scene.front.log), lambda: scene.front.log)


@pytest.mark.parametrize(
    "target", ["/simple/victim/", f"/packages/{VICTIM.filename}", "/packages/nothing-1.0.zip", "/simple/"]
)
def test_nobody_is_asked_for_a_key_and_told_nothing(scene: Scene, target: str) -> None:
    """401 with the challenge that pip and uv wait for, whether the file exists or not."""
    for who, more in ((None, []), (None, [("Authorization", basic("__token__", "apx_nonsense"))])):
        answer = scene.get(target, who, *more)
        assert (answer.status, answer.header("WWW-Authenticate")) == (401, 'Basic realm="pypi"')
        assert [name.lower() for name, _ in answer.headers].count("www-authenticate") == 1
        told = "the key is not valid" if more else "this needs an API key: user __token__, the key as the password"
        assert (answer.text.strip(), answer.header("Cache-Control")) == (told, "no-store")
    assert scene.get(target, "release").status == 403


def test_files_come_as_http_has_them(scene: Scene) -> None:
    """Whole, a part, only the head, only if it changed; an escaped `+` and a plain one are the same file."""
    plain, escaped = f"/packages/{LOCAL.filename}", f"/packages/{LOCAL.filename.replace('+', '%2B')}"
    assert (
        scene.get(plain).body == scene.get(escaped).body == scene.get(escaped.replace("B", "b")).body == LOCAL.content
    )
    whole = scene.get(f"/packages/{CORE.filename}")
    assert (whole.status, whole.body, whole.header("Vary")) == (200, CORE.content, "Authorization")
    part = scene.get(f"/packages/{CORE.filename}", "acme", ("Range", "bytes=5-9"))
    assert (part.status, part.body) == (206, CORE.content[5:10])
    assert part.header("Content-Range") == f"bytes 5-9/{len(CORE.content)}"
    only = scene.get(f"/packages/{CORE.filename}", method="HEAD")
    assert (only.status, only.header("Content-Length")) == (200, str(len(CORE.content)))
    again = scene.get(f"/packages/{CORE.filename}", "acme", ("If-None-Match", whole.header("ETag") or ""))
    assert again.status == 304
    page = scene.get("/simple/acme-core/")
    assert (page.status, CORE.filename in page.text, page.header("Vary")) == (200, True, "Authorization")
    assert scene.get("/packages/secret-notes.txt", "all").status == 404, "what pypiserver does not list, nobody has"


def test_pypiserver_gets_nothing_that_it_could_believe(scene: Scene, recording: RecordingIndex, tmp_path: Path) -> None:
    """No key, no host of the client's choice, no body; and the target as it was decided, byte for byte."""
    recording.answer = lambda _: Reply(200, b"page")
    sent = [
        ("Accept", "application/vnd.pypi.simple.v1+json"),
        ("User-Agent", "pip/26.3"),
        ("X-Forwarded-Host", "evil.test"),
        ("X-Outside-URL", "http://evil.test/"),
        ("Forwarded", "host=evil.test"),
        ("Cookie", "a=b"),
    ]
    credential = ("Authorization", basic("__token__", scene.keys["acme"]))
    framings = {("Content-Length", "4"): b"body", ("Transfer-Encoding", "chunked"): b"4\r\nbody\r\n0\r\n\r\n"}
    with front(tmp_path / "front", scene.proxy.address, recording.address, scene.index.packages) as before:
        for framing, body in framings.items():
            headers = [credential, *sent, framing, ("Connection", "close")]
            raw = head("GET", "/packages/acme-core-1.0%2Bx.egg", headers, host="evil.test")
            assert before.ask(raw + body).body == b"page"
    for seen in recording.requests:
        assert (seen.method, seen.target, seen.body) == ("GET", "/packages/acme-core-1.0%2Bx.egg", b"")
        assert dict(seen.headers) == {
            "Host": "pypi.example.com",
            "X-Forwarded-Host": "pypi.example.com",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-For": LOOPBACK,
            **dict(sent[:2]),
        }


def test_without_its_directory_pypiserver_serves_the_files(scene: Scene, tmp_path: Path) -> None:
    """The location that may be taken out is taken out; what is decided stays the same."""
    elsewhere, count = FILES.subn("\n", RECIPE)
    assert count == 1
    with front(tmp_path / "front", scene.proxy.address, scene.index.address, scene.index.packages, elsewhere) as before:
        through = Scene(before, scene.proxy, scene.index, scene.client, scene.keys)
        for target in (f"/packages/{LOCAL.filename}", f"/packages/{LOCAL.filename.replace('+', '%2B')}"):
            assert through.get(target).body == LOCAL.content
        assert through.get(f"/packages/{CORE.filename}", method="HEAD").status == 200
        assert through.get(f"/packages/{VICTIM.filename}").status == 403
    assert served_by(scene.index.program, f"/packages/{CORE.filename}")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"])
@pytest.mark.parametrize("target", [f"/packages/{CORE.filename}", "/packages/acme-x-1.0.zip", "/simple/acme-core/"])
def test_nothing_is_written_past_authproxy(scene: Scene, method: str, target: str) -> None:
    """Whoever may read may not change anything where nginx serves."""
    before = scene.index.files()
    assert scene.get(target, "acme", ("Content-Length", "0"), method=method).status == 403
    assert scene.index.files() == before


@pytest.mark.parametrize("target", ["/-/auth", f"/-/auth/packages/{CORE.filename}", "/-/auth?x", "/-/%61uth"])
def test_nobody_asks_in_the_name_of_nginx(scene: Scene, target: str) -> None:
    """nginx is a trusted proxy, so that what it passes on would be believed."""
    said = [("X-Original-URI", f"/packages/{CORE.filename}"), ("X-Original-Method", "GET")]
    answer = scene.get(target, "acme", *said)
    assert (answer.status, answer.header("X-Authproxy-Key")) == (404, None)


def test_networks_of_a_key_are_those_of_the_client(scene: Scene) -> None:
    """nginx says who asked it, and not what that one says of others."""
    options = ("--network", "10.0.0.0/8"), ("--network", LOOPBACK)
    for option, status in zip(options, (403, 200), strict=True):
        scene.keys["placed"] = scene.proxy.create_key(*option, policy="all").text
        for more in ((), (("X-Forwarded-For", "10.1.2.3"),)):
            assert scene.get(f"/packages/{CORE.filename}", "placed", *more).status == status


def test_without_authproxy_nothing_is_served(scene: Scene, tmp_path: Path) -> None:
    """Whoever cannot ask does not know."""
    gone = (LOOPBACK, reserved_port())
    with front(tmp_path / "front", gone, scene.index.address, scene.index.packages) as before:
        alone = Scene(before, scene.proxy, scene.index, scene.client, scene.keys)
        for target in (f"/packages/{CORE.filename}", "/simple/acme-core/", "/simple/"):
            assert alone.get(target).status in (500, 502)


def test_nginx_has_nothing_to_complain_of(scene: Scene) -> None:
    """The recipe is read without a warning, and a day's work leaves none in its log."""
    assert not re.search(r"\[(?:warn|emerg|crit|alert)]", scene.front.program.output()), scene.front.program.output()
