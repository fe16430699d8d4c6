"""From a command to what is run: where to, with which key, bound to what; and the full key is in none of it."""

import json
import shlex
from pathlib import Path

import pytest

from authproxy.client.devpi_login import state_of
from authproxy.client.errors import ClientError
from authproxy.client.logins import Login, store
from authproxy.client.preparing import Place, login_for, narrowing_of, place_of, prepared, without
from authproxy.client.uploaders import Call, read_call
from tests.client.conftest import InMemory
from tests.peers.packages import sdist, wheel

URL = "https://pypi.example.com/"
OTHER = "https://other.example.com/"


def call_of(command: str) -> Call:
    call = read_call(tuple(shlex.split(command)))
    assert call is not None
    return call


@pytest.mark.parametrize(
    ("command", "url", "environ", "place"),
    [
        pytest.param("twine upload a", None, {}, Place(None, told=False), id="nobody says"),
        pytest.param("twine upload a", URL, {}, Place(URL, told=False), id="we are told"),
        pytest.param(f"twine upload --repository-url {URL} a", None, {}, Place(URL, told=True), id="an option"),
        pytest.param(f"twine upload --repository-url {URL} a", URL, {}, Place(URL, told=True), id="both, the same"),
        pytest.param("twine upload -r team a", None, {}, Place(None, told=True), id="a name"),
        pytest.param("twine upload -r team a", URL, {}, Place(URL, told=True), id="a name, and its URL"),
        pytest.param("twine upload a", None, {"TWINE_REPOSITORY_URL": URL}, Place(URL, told=True), id="a variable"),
        pytest.param("twine upload a", OTHER, {"TWINE_REPOSITORY_URL": URL}, Place(OTHER, told=False), id="we first"),
        pytest.param("twine upload a", None, {"TWINE_REPOSITORY_URL": ""}, Place(None, told=False), id="an empty one"),
        pytest.param("uv publish", None, {"UV_PUBLISH_INDEX": "team"}, Place(None, told=True), id="uv, a name"),
        pytest.param(f"hatch publish -r {URL}", None, {}, Place(URL, told=True), id="hatch, a URL"),
        pytest.param("poetry publish -r team", None, {}, Place(None, told=True), id="poetry, a name"),
        pytest.param("devpi upload a", None, {}, Place(None, told=False), id="devpi uses nothing"),
    ],
)
def test_where_a_command_goes(command: str, url: str | None, environ: dict[str, str], place: Place) -> None:
    """Its options, then --url, then its variables."""
    assert place_of(call_of(command), url, environ) == place


def test_devpi_goes_where_it_is_in_use(home: Path) -> None:
    """`devpi use` has said it."""
    folder = home / ".devpi" / "client"
    folder.mkdir(parents=True)
    (folder / "current.json").write_text(json.dumps(dict(state_of(f"{URL}team/dev").document)))
    assert place_of(call_of("devpi upload a"), None, {}) == Place(f"{URL}team/dev/", told=True)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("twine upload -u me a", "leave -u out: twine gets its credentials here"),
        ("twine upload --passw x a", "leave --password out"),
        ("uv publish --token x", "leave --token out"),
        ("pdm publish -P x", "leave -P out"),
        ("devpi upload --clientdir x a", "leave --clientdir out"),
        (f"twine upload --repository-url {OTHER} a", "two places"),
        (f"uv publish --publish-url {OTHER} a", "two places"),
    ],
)
def test_a_command_that_would_not_listen_is_refused(command: str, words: str) -> None:
    """Credentials of its own, or another place than --url."""
    with pytest.raises(ClientError, match=words):
        place_of(call_of(command), URL, {})


def test_which_login_is_meant(key: str, system: InMemory) -> None:
    """That of the URL, or the only one; never a guess."""
    with pytest.raises(ClientError, match="nobody has logged in here"):
        login_for(Place(None, told=True))
    one = Login("https://pypi.example.com", URL, "keyring")
    store(one, key)
    assert login_for(Place(None, told=True)) == login_for(Place(f"{URL}team/dev/", told=True)) == one
    with pytest.raises(ClientError, match=f"authproxy login {OTHER}"):
        login_for(Place(OTHER, told=True))
    store(Login("https://other.example.com", OTHER, "keyring"), key)
    with pytest.raises(ClientError, match=r"there are logins for .* and .*: say which key by --url"):
        login_for(Place(None, told=True))


def test_files_are_bound_by_what_is_in_them(tmp_path: Path) -> None:
    """Digests, the project that the filenames say, uploads, and the seconds that were asked for."""
    packages = [wheel("acme-core"), sdist("acme-core")]
    for each in packages:
        each.write(tmp_path / "dist")
    found = narrowing_of(call_of("twine upload dist/*"), 300, frozenset(), tmp_path)
    assert found.sha256 == {each.sha256 for each in packages}
    assert (found.seconds, found.packages, found.actions) == (300, {"acme-core"}, {"upload"})
    (tmp_path / "dist" / packages[0].filename).write_bytes(b"changed")
    assert packages[0].sha256 not in narrowing_of(call_of("twine upload dist/*"), 300, frozenset(), tmp_path).sha256


def test_what_is_built_is_bound_by_its_project(tmp_path: Path) -> None:
    """Its name is in pyproject.toml, or is said; without a name nothing is signed."""
    call = call_of("pdm publish")
    with pytest.raises(ClientError, match="say it by --package NAME"):
        narrowing_of(call, 300, frozenset(), tmp_path)
    assert narrowing_of(call, 300, frozenset({"acme-web"}), tmp_path).packages == {"acme-web"}
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "acme-core"\n')
    found = narrowing_of(call, 300, frozenset(), tmp_path)
    assert (found.packages, found.sha256) == ({"acme-core"}, frozenset())


@pytest.mark.parametrize("command", ["twine upload dist/*", "uv publish", "hatch publish", "pdm publish --no-build"])
def test_nothing_to_upload_is_said(tmp_path: Path, command: str) -> None:
    """No key is made for nothing: one without digests would be good for every file."""
    with pytest.raises(ClientError, match=r"no files for .* to upload"):
        narrowing_of(call_of(command), 300, frozenset(), tmp_path)


@pytest.mark.parametrize(
    ("command", "place", "settings"),
    [
        pytest.param(
            "twine upload a",
            Place(URL, told=False),
            {"TWINE_USERNAME": "__token__", "TWINE_PASSWORD": "KEY", "TWINE_REPOSITORY_URL": URL},
            id="twine",
        ),
        pytest.param(
            "twine upload -r x a",
            Place(None, told=True),
            {"TWINE_USERNAME": "__token__", "TWINE_PASSWORD": "KEY", "TWINE_REPOSITORY": "of the caller"},
            id="twine, which says where",
        ),
        pytest.param("uv publish", Place(URL, told=False), {"UV_PUBLISH_TOKEN": "KEY", "UV_PUBLISH_URL": URL}, id="uv"),
        pytest.param(
            "poetry publish -r team.index-1",
            Place(None, told=True),
            {"POETRY_PYPI_TOKEN_TEAM_INDEX_1": "KEY"},
            id="poetry, a name",
        ),
        pytest.param(
            "poetry publish",
            Place(URL, told=False),
            {"POETRY_PYPI_TOKEN_AUTHPROXY": "KEY", "POETRY_REPOSITORIES_AUTHPROXY_URL": URL},
            id="poetry",
        ),
    ],
)
def test_what_a_client_is_told(command: str, place: Place, settings: dict[str, str]) -> None:
    """The derived key, the URL where it says none, and no variable that would contradict."""
    environ = {
        "HOME": "/",
        "TWINE_REPOSITORY": "of the caller",
        "UV_PUBLISH_INDEX": "of the caller",
        "UV_PUBLISH_PASSWORD": "of the caller",
    }
    ready = prepared(tuple(command.split()), call_of(command), place, "KEY", environ)
    said = {name: value for name, value in ready.environ.items() if name.partition("_")[0] in {"TWINE", "POETRY", "UV"}}
    unrelated = {name for name in environ if not name.lower().startswith(command.split(maxsplit=1)[0])}
    assert {name: value for name, value in said.items() if name not in unrelated} == settings
    extra = ("--repository", "authproxy") if command == "poetry publish" else ()
    assert ready.argv == (*command.split(), *extra)
    assert "KEY" not in repr(ready)


def test_devpi_is_given_a_state_and_no_variable(home: Path) -> None:
    """Neither the login nor the index of the caller is looked at, where --url says another one."""
    environ = {"DEVPI_USER": "alice", "DEVPI_INDEX": "root/pypi", "VIRTUAL_ENV": str(home)}
    (home / "devpi.json").write_text("{}")
    call = call_of("devpi upload a")
    ready = prepared(("devpi", "upload", "a"), call, Place(f"{URL}team/dev", told=False), "KEY", environ)
    assert ready.environ == {}
    assert ready.state is not None
    assert ready.state.index == f"{URL}team/dev/"
    with pytest.raises(ClientError, match="devpi uses no index"):
        prepared(("devpi", "upload", "a"), call, Place(None, told=True), "KEY", {})


def test_the_full_key_is_taken_out_of_the_environment(key: str) -> None:
    """Wherever it stands: by itself, or within a URL."""
    environ = {"AUTHPROXY_KEY": key, "PIP_INDEX_URL": f"https://__token__:{key}@x.test/", "HOME": "/", "EMPTY": ""}
    assert without(environ, key) == {"HOME": "/", "EMPTY": ""}
