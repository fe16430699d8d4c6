"""Logins: one for an origin, its key in the keyring or in a file, and nothing anywhere else."""

from pathlib import Path

import pytest

from authproxy.client.errors import ClientError
from authproxy.client.logins import USER, Login, fetch, forget, login_of, logins, origin_of, store
from authproxy.client.places import folder, logins_file
from tests.client.conftest import InMemory

URL = "https://pypi.example.com:8443/team/dev/"
ORIGIN = "https://pypi.example.com:8443"


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://pypi.example.com/simple/", "https://pypi.example.com"),
        ("https://PyPI.example.com:443", "https://pypi.example.com"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("https://[2001:DB8::1]:8443/x", "https://[2001:db8::1]:8443"),
        ("https://__token__@pypi.example.com/", "https://pypi.example.com"),
        ("pypi.example.com", None),
        ("ftp://pypi.example.com/", None),
        ("https:///simple", None),
        ("https://x:port/", None),
        ("https://[::1/", None),
        ("poetry-repository-x", None),
        ("", None),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, origin: str | None) -> None:
    """As RFC 6454 has it; what is no http URL has none."""
    assert origin_of(url) == origin


@pytest.mark.parametrize("kept", ["keyring", "file"])
def test_a_key_is_stored_found_and_forgotten(kept: str, key: str, system: InMemory, home: Path) -> None:
    """It stands in one place; the list of logins, and all else in the home, has nothing of it."""
    made = Login(ORIGIN, URL, kept)
    store(made, key)
    assert login_of(f"{ORIGIN}/simple/acme/") == made
    assert fetch(made) == key
    holding = [path for path in home.rglob("*") if path.is_file() and key in path.read_text()]
    assert (len(holding), len(system.kept)) == ((0, 1) if kept == "keyring" else (1, 0))
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in home.rglob("*") if path.is_file())
    assert forget(ORIGIN) == made
    assert (system.kept, logins(), forget(ORIGIN)) == ({}, {}, None)
    assert [path for path in home.rglob("*") if path.is_file()] == []


def test_the_keyring_has_it_under_no_url(key: str, system: InMemory) -> None:
    """A client that asks the system's keyring for the URL, past our backend, must not find the full key."""
    store(Login(ORIGIN, URL, "keyring"), key)
    [(service, user)] = system.kept
    assert user == USER
    assert origin_of(service) is None


@pytest.mark.parametrize(
    "url", ["http://pypi.example.com:8443/", "https://pypi.example.com/", "https://example.com:8443/"]
)
def test_another_origin_is_another_login(url: str, key: str, system: InMemory) -> None:
    """Neither another scheme nor another port nor another host gets the key."""
    store(Login(ORIGIN, URL, "keyring"), key)
    assert login_of(url) is None
    assert login_of("poetry-repository-x") is None


def test_a_second_login_takes_the_place_of_the_first(key: str, system: InMemory) -> None:
    """From the keyring into the file: the keyring forgets, the list says where the key is now."""
    store(Login(ORIGIN, URL, "keyring"), key)
    store(Login(ORIGIN, URL, "file"), key)
    assert system.kept == {}
    assert [each.kept for each in logins().values()] == ["file"]
    store(Login("http://127.0.0.1:1", "http://127.0.0.1:1/", "keyring"), key)
    assert set(logins()) == {ORIGIN, "http://127.0.0.1:1"}


def test_a_key_that_is_away_is_said(key: str, system: InMemory) -> None:
    """Somebody has cleaned up the keyring: the sentence has the line that helps."""
    made = Login(ORIGIN, URL, "keyring")
    store(made, key)
    system.kept.clear()
    with pytest.raises(ClientError, match=f"has no key for {ORIGIN} any more: authproxy login {URL}"):
        fetch(made)
    assert forget(ORIGIN) == made


@pytest.mark.parametrize("text", ["", "[]", "{", '{"https://x": {}}', '{"https://x": 1}'])
def test_a_list_that_cannot_be_read_is_said(text: str) -> None:
    """It names the file and what to do."""
    folder().mkdir(parents=True)
    logins_file().write_text(text)
    with pytest.raises(ClientError, match="remove it and log in again"):
        logins()
