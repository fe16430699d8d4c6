"""The texts for clients: whole, without a key, each purpose with its own lines. tests/e2e runs them."""

import re

import pytest

from authproxy.cli.clientlines import CLIENTS, KEY, Place, Purpose, place

ROWS = [(client, name) for client, forms in CLIENTS.items() for name in forms]
PLACE = place("https://pypi.example.com/", None)
DEVPI = place("https://pypi.example.com/", "team/dev")


@pytest.mark.parametrize(("client", "name"), ROWS)
@pytest.mark.parametrize("at", [PLACE, DEVPI], ids=["pypiserver", "devpi"])
def test_nothing_is_left_to_fill_in(client: str, name: str, at: Place) -> None:
    """Every text has values in all its places, for each purpose that its form serves, and names the variable."""
    form = CLIENTS[client][name]
    for purposes in {frozenset({purpose}) for purpose in form.purposes} | {form.purposes}:
        text = form.written(at, purposes)
        assert not re.search(r"<[a-z ]+>|CLIENT|VARIABLE|COMMAND", text)
        assert f"${KEY}" in text or f"secrets.{KEY}" in text
        assert text.endswith("\n")
        assert "apx_" not in text


@pytest.mark.parametrize(("client", "name"), ROWS)
def test_each_purpose_has_its_own_lines(client: str, name: str) -> None:
    """Who only reads is not told where to upload, and the other way round; what is for both says both."""
    form = CLIENTS[client][name]
    texts = {purpose: form.written(DEVPI, frozenset({purpose})) for purpose in form.purposes}
    whole = form.written(DEVPI, form.purposes)
    for purpose, text in texts.items():
        uploads = re.search(r"team/dev/(?!\+simple)", text) is not None
        assert uploads is (purpose is Purpose.UPLOAD)
        assert set(text.splitlines()) <= set(whole.splitlines())


@pytest.mark.parametrize(
    ("index", "upload", "simple"),
    [
        pytest.param(None, "https://x.test/", "https://x.test/simple/", id="pypiserver uploads to the root"),
        pytest.param("team/dev", "https://x.test/team/dev/", "https://x.test/team/dev/+simple/", id="devpi by index"),
    ],
)
def test_where_clients_go(index: str | None, upload: str, simple: str) -> None:
    """The two URLs of an index, and the host as .netrc has it."""
    at = place("https://x.test/", index)
    assert (at.upload, at.simple, at.machine) == (upload, simple, "x.test")
    assert place("http://[::1]:8080/", None).machine == "::1"
