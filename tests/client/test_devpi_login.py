"""The login of one command: the two files as devpi-client writes them, and the person's own left alone."""

import json
from pathlib import Path

import pytest

from authproxy.client.devpi_login import state_in_use, state_of
from authproxy.client.errors import ClientError

URL = "https://pypi.example.com/proxy/team/dev"


def test_the_state_is_that_of_devpi_use(tmp_path: Path) -> None:
    """The endpoints that devpi says of an index, and a login that is found under the server's root."""
    state_of(URL).write(tmp_path, "apx_x")
    shown = json.loads((tmp_path / "current.json").read_text())
    assert {name: shown[name] for name in ("index", "login", "pypisubmit", "simpleindex", "username")} == {
        "index": f"{URL}/",
        "login": "https://pypi.example.com/proxy/+login",
        "pypisubmit": f"{URL}/",
        "simpleindex": f"{URL}/+simple/",
        "username": "__token__",
    }
    login = {"auth": {"https://pypi.example.com/proxy/": [["__token__", "apx_x"]]}}
    assert json.loads((tmp_path / "auth.json").read_text()) == login


@pytest.mark.parametrize(
    "url", ["https://pypi.example.com", "https://pypi.example.com/", "https://pypi.example.com/team/"]
)
def test_a_url_without_an_index_is_refused(url: str) -> None:
    """devpi has no index at its root."""
    with pytest.raises(ClientError, match="names the index too"):
        state_of(url)


def test_the_index_in_use_is_found_where_devpi_client_looks(home: Path, tmp_path: Path) -> None:
    """In the home, in DEVPI_CLIENTDIR, and first in the virtual environment; a file that is none says nothing."""
    document = {**state_of(URL).document, "username": "alice"}
    assert state_in_use({}) is None
    for place, environ in (
        (home / ".devpi" / "client" / "current.json", {}),
        (tmp_path / "other" / "current.json", {"DEVPI_CLIENTDIR": str(tmp_path / "other")}),
        (tmp_path / "venv" / "devpi.json", {"VIRTUAL_ENV": str(tmp_path / "venv")}),
    ):
        place.parent.mkdir(parents=True)
        place.write_text(json.dumps({**document, "index": f"{place}/"}))
        found = state_in_use(environ)
        assert found is not None
        assert (found.index, found.root) == (f"{place}/", "https://pypi.example.com/proxy/")
        assert json.loads(place.read_text())["username"] == "alice"
    place.write_text("{}")
    assert state_in_use(environ) is None
