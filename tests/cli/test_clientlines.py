"""The texts for clients: whole, without a key, each purpose with its own lines. tests/e2e runs them."""

import re

import pytest
import yaml

from authproxy.cli.clientlines import CLIENTS, KEY, Place, Purpose, place

ROWS = [(client, name) for client, forms in CLIENTS.items() for name in forms]
PLACE = place("https://pypi.example.com/", None)
DEVPI = place("https://pypi.example.com/", "team/dev")


@pytest.mark.parametrize(("client", "name"), ROWS)
@pytest.mark.parametrize("at", [PLACE, DEVPI], ids=["pypiserver", "devpi"])
def test_nothing_is_left_to_fill_in(client: str, name: str, at: Place) -> None:
    """Every text has values in all its places, for each purpose of its form, and names the variable if there is a key."""
    form = CLIENTS[client][name]
    for purposes in {frozenset({purpose}) for purpose in form.purposes} | {form.purposes}:
        text = form.written(at, purposes)
        assert not re.search(r"<[a-z ]+>|CLIENT|VARIABLE|COMMAND", text)
        assert (f"${KEY}" in text or f"secrets.{KEY}" in text) is ("There is no key" not in text)
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


@pytest.mark.parametrize(
    ("url", "audience", "written"),
    [
        pytest.param("https://x.test/", None, ("x.test", "X_TEST_ID_TOKEN"), id="the host"),
        pytest.param("https://x.test:8443/", None, ("x.test:8443", "X_TEST_8443_ID_TOKEN"), id="with its port"),
        pytest.param("https://x.test/", "a#b: c", ("a#b: c", "A_B__C_ID_TOKEN"), id="whatever the configuration says"),
        pytest.param("https://8.8.8.8/", None, ("8.8.8.8", "__8_8_8_ID_TOKEN"), id="a digit in front"),
    ],
)
def test_for_whom_a_token_has_to_be(url: str, audience: str | None, written: tuple[str, str]) -> None:
    """In the job, and in the name of the variable that its client looks into; YAML reads what was meant."""
    at = place(url, None, audience)
    assert (at.audience, at.variable) == written
    for form, variable in (("twine", written[1]), ("trusted", written[1].replace("__8_8_8_", "8_8_8_8_"))):
        job = yaml.safe_load(CLIENTS["gitlab"][form].written(at, frozenset({Purpose.UPLOAD})))["publish"]
        assert job["id_tokens"] == {variable: {"aud": written[0]}}
