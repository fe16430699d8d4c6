"""The index as it really is: pypiserver started in the ways people start it, devpi, and servers that are neither.

Whatever is asked, the index's files and the store's are the same afterwards.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from authproxy.cli.checkup.index import CLOCKS_APART, check_index
from authproxy.config import Config
from tests.cli.checkup.conftest import Configured, Named, named, nothing_changes, now
from tests.peers.devpi import SERVICE as USER
from tests.peers.devpi import SERVICE_PASSWORD as PASSWORD
from tests.peers.devpi import Devpi
from tests.peers.packages import wheel
from tests.peers.ports import LOOPBACK, reserved_port
from tests.peers.pypiserver import PypiServer, pypiserver
from tests.peers.recording import RecordingIndex, Reply, Seen

SERVICE = ("authproxy", "s3rvice-passw0rd")
WELCOME = b"<p>This instance is running version 2.4.2 of the pypiserver software.</p>"

Start = Callable[..., PypiServer]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory, start: Callable[..., Any]) -> Start:
    """A pypiserver with one package, started once for each way to start it."""
    running: dict[str, PypiServer] = {}

    def of(**how: Any) -> PypiServer:
        if str(how) not in running:
            running[str(how)] = start(pypiserver(tmp_path_factory.mktemp("index") / "index", **how))
            wheel("acme-known").write(running[str(how)].packages)
        return running[str(how)]

    return of


def look(config: Config, folder: Path, at: int | None = None) -> Named:
    """All findings, of an index whose files are the same afterwards; none of them holds a password."""
    with nothing_changes(folder, config.file.parent):
        found = named(check_index(config, now=at or now()))
    assert not [each for each in found.values() if "passw0rd" in repr(each)]
    return found


def verdicts(found: Named) -> dict[str, str]:
    """What is not well."""
    return {name: str(each.verdict) for name, each in found.items() if each.verdict != "ok"}


def test_an_index_that_is_well_kept(configured: Configured, started: Start) -> None:
    """One account, no fallback, loopback: every check is made and none finds anything."""
    index = started(htpasswd=SERVICE, protect="update,list,download")
    found = look(configured(index.url, service=SERVICE), index.packages.parent)
    assert verdicts(found) == {}
    assert set(found) == {"index", "clock", "index-account", "index-fallback", "index-uploads", "index-alone"}
    assert "pypiserver 2.4.2" in found["index"].sentence
    assert "waitress" in found["index"].sentence
    assert "'authproxy'" in found["index-account"].sentence


def test_a_wrong_password(configured: Configured, started: Start) -> None:
    """The index takes nothing from the proxy, and the account is named, not its password."""
    index = started(htpasswd=SERVICE)
    found = look(configured(index.url, service=(SERVICE[0], "another-passw0rd")), index.packages.parent)
    assert verdicts(found) == {"index-account": "problem"}
    assert "'authproxy' (403)" in found["index-account"].sentence


def test_no_account_where_one_is_needed(configured: Configured, started: Start) -> None:
    """What is missing is named."""
    index = started(htpasswd=SERVICE)
    found = look(configured(index.url), index.packages.parent)
    assert verdicts(found) == {"index-account": "problem"}
    assert "backend.username" in str(found["index-account"].advice)


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        pytest.param(None, {}, id="as the operator means it"),
        pytest.param(SERVICE, {"index-uploads": "warning"}, id="though he believes that there is a password"),
    ],
)
def test_an_open_index_on_loopback(
    configured: Configured, started: Start, service: tuple[str, str] | None, expected: dict[str, str]
) -> None:
    """`-P . -a .` is well where nobody else reaches it; an account that nobody asks for is not."""
    index = started()
    found = look(configured(index.url, service=service), index.packages.parent)
    assert verdicts(found) == expected
    assert "without a password" in found["index-uploads"].sentence


def test_an_index_with_fallback(configured: Configured, started: Start) -> None:
    """The flag that ends it is named."""
    index = started(fallback=True)
    found = look(configured(index.url), index.packages.parent)
    assert verdicts(found) == {"index-fallback": "warning"}
    assert found["index-fallback"].advice == "start it with --disable-fallback"


def test_the_server_without_threads(configured: Configured, started: Start) -> None:
    """What pypiserver falls back to where waitress is not installed."""
    index = started(server="wsgiref")
    found = look(configured(index.url), index.packages.parent)
    assert verdicts(found) == {"index": "warning"}
    assert "WSGIServer" in found["index"].sentence
    assert "waitress" in str(found["index"].advice)


def test_an_index_that_is_not_there(configured: Configured, tmp_path: Path) -> None:
    """One problem, and nothing else is said of what cannot be seen."""
    found = look(configured(f"http://{LOOPBACK}:{reserved_port()}/"), tmp_path)
    assert verdicts(found) == {"index": "problem"}
    assert "connection refused" in found["index"].sentence
    assert len(found) == 1


@pytest.mark.parametrize("ahead", [3600, -3600, CLOCKS_APART + 30], ids=["an hour ahead", "an hour behind", "a minute"])
def test_clocks_that_are_apart(configured: Configured, started: Start, ahead: int) -> None:
    """Keys end by this machine's clock."""
    index = started()
    found = look(configured(index.url), index.packages.parent, now() + ahead)
    assert verdicts(found) == {"clock": "warning"}
    seconds = int(found["clock"].sentence.partition(" seconds")[0].rpartition(" ")[2])
    assert abs(seconds - abs(ahead)) <= 5


def index_that(**answers: Reply) -> Callable[[Seen], Reply]:
    """An index that is well but for these: `front`, `upload`, `page`."""
    usual = {"front": Reply(200, WELCOME), "upload": Reply(401), "page": Reply(404)}

    def answer(seen: Seen) -> Reply:
        kind = "upload" if seen.method == "POST" else "page" if seen.target.startswith("/simple") else "front"
        if kind == "upload" and "upload" not in answers and seen.header("Authorization") is not None:
            return Reply(400 if "authproxy:" in decoded(seen) else 403)
        return (usual | answers)[kind]

    return answer


def decoded(seen: Seen) -> str:
    from base64 import b64decode

    return b64decode(str(seen.header("Authorization")).partition(" ")[2]).decode()


@pytest.mark.parametrize(
    ("answers", "expected", "words"),
    [
        pytest.param({}, {}, "pypiserver 2.4.2", id="the one that is well"),
        pytest.param(
            {"front": Reply(200, b"ACME's packages")},
            {},
            "version that it does not say",
            id="a welcome page of its own",
        ),
        pytest.param(
            {"front": Reply(301, b"", (("Location", "https://index.test/"),))},
            {"index": "problem"},
            "redirect to https://index.test/",
            id="a redirect to https",
        ),
        pytest.param({"front": Reply(502)}, {"index": "problem"}, "answers 502", id="a web server without its index"),
        pytest.param(
            {"front": Reply(200, b"{}", (("X-Devpi-Server-Version", "6.20.3"),))},
            {"index": "problem"},
            "answers devpi",
            id="the other kind of index",
        ),
        pytest.param({"upload": Reply(404)}, {"index-account": "problem"}, "404 to an upload", id="no upload there"),
        pytest.param({"upload": Reply(500)}, {"index-account": "problem"}, "look at the index's log", id="it fails"),
        pytest.param(
            {"page": Reply(403)}, {"index-account": "problem"}, "does not show", id="an account that may not list"
        ),
        pytest.param(
            {"page": Reply(302, b"", (("Location", "/simple/other/"),))}, {}, "nobody elsewhere", id="a redirect within"
        ),
        pytest.param(
            {"page": Reply(302, b"", (("Location", "https://pypi.acme.test/simple/x/"),))},
            {},
            "nobody elsewhere",
            id="a redirect to the proxy",
        ),
        pytest.param(
            {"page": Reply(302, b"", (("Location", "https://[nowhere"),))},
            {"index-fallback": "warning"},
            "https://[nowhere",
            id="a redirect to no URL",
        ),
        pytest.param(
            {"front": Reply(200, WELCOME, (("Server", "x\x1b[2J" + "y" * 500),))},
            {},
            "\\x1b[2J",
            id="a name that bites",
        ),
        pytest.param({"front": Reply(200, WELCOME, (("Date", "yesterday"),))}, {}, "2.4.2", id="a date that is none"),
    ],
)
def test_other_servers(
    configured: Configured, recording: RecordingIndex, tmp_path: Path, answers: Any, expected: Any, words: str
) -> None:
    """What else may stand behind backend.url."""
    recording.answer = index_that(**answers)
    found: dict[str, list[Any]] = {}
    config = configured(recording.url, service=SERVICE, public_url="https://pypi.acme.test/")
    for each in check_index(config, now=now()):
        found.setdefault(each.name, []).append(each)
    bad = {name: str(each.verdict) for name, several in found.items() for each in several if each.verdict != "ok"}
    assert bad == expected
    assert words in " ".join(f"{each.sentence} {each.advice}" for several in found.values() for each in several)


def test_the_proxys_password_goes_to_the_index_alone_and_only_where_it_is_asked(
    configured: Configured, recording: RecordingIndex
) -> None:
    """The front page, an upload by nobody and one by a stranger are asked without it."""
    recording.answer = index_that()
    list(check_index(configured(recording.url, service=SERVICE), now=now()))
    asked = [
        (seen.method, decoded(seen).partition(":")[0] if seen.header("Authorization") else None)
        for seen in recording.requests
    ]
    assert asked[:4] == [("GET", None), ("POST", "authproxy"), ("GET", "authproxy"), ("POST", None)]
    assert asked[4][1].startswith("authproxy-doctor-")
    assert {name for _, name in asked[5:]} <= {None}


def look_at_devpi(running: Devpi, config: Config) -> Named:
    """All findings; devpi counts every change."""
    before = running.serial()
    found = named(check_index(config, now=now()))
    assert running.serial() == before
    assert not [each for each in found.values() if PASSWORD in repr(each)]
    return found


@pytest.fixture
def before_devpi(configured: Configured, cheap_devpi: Devpi) -> Callable[..., Config]:
    """A configuration before devpi; keywords make the index."""

    def make(password: str = PASSWORD, index: str | None = None, **more: Any) -> Config:
        name = index or cheap_devpi.new_index(**more)
        backend = {
            "flavour": "devpi",
            "url": cheap_devpi.url,
            "indexes": [name],
            "username": USER,
            "password": {"file": "backend-password"},
        }
        return configured(cheap_devpi.url, service=(USER, password), backend=backend)

    return make


@pytest.mark.parametrize(
    ("settings", "expected", "words"),
    [
        pytest.param({}, {}, "devpi 6.", id="one that is well kept"),
        pytest.param({"password": "another"}, {"index-account": "problem"}, "(401)", id="a wrong password"),
        pytest.param({"uploaders": ("team",)}, {"index-account": "problem"}, "acl_upload+=authproxy", id="no right"),
        pytest.param(
            {"index": "team/gone"}, {"index-account": "problem"}, "404 to an upload at team/gone", id="no index"
        ),
        pytest.param(
            {"uploaders": (":ANONYMOUS:",)}, {"index-uploads": "warning"}, "without a password", id="open to everybody"
        ),
        pytest.param(
            {"mirror_whitelist": ["*"]}, {"index-fallback": "warning"}, "mixes releases of its bases", id="a whitelist"
        ),
    ],
)
def test_devpi(
    before_devpi: Callable[..., Config], cheap_devpi: Devpi, settings: Any, expected: dict[str, str], words: str
) -> None:
    """The same questions to devpi, whose serial number does not move."""
    found = look_at_devpi(cheap_devpi, before_devpi(**settings))
    assert verdicts(found) == expected
    assert words in " ".join(f"{each.sentence} {each.advice}" for each in found.values())
    assert "waitress" in found["index"].sentence


def test_pypiserver_where_devpi_is_expected(configured: Configured, started: Start) -> None:
    """backend.flavour is wrong, and that is said."""
    index = started()
    backend = {"flavour": "devpi", "url": index.url, "indexes": ["team/dev"]}
    found = look(configured(index.url, backend=backend), index.packages.parent)
    assert verdicts(found) == {"index": "problem"}
