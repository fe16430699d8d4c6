"""What our backend answers: derived keys for hosts with a login, nothing else, and what cannot be told is an error."""

import keyring
import pytest
from keyring.backends.chainer import ChainerBackend
from keyring.errors import KeyringError

from authproxy.client.keyring_answers import FLIT, DerivedKeys
from authproxy.client.logins import Login, store
from authproxy.domain.caveats import Projects
from tests.client.conftest import InMemory
from tests.peers.derived import caveats_of

ORIGIN = "https://pypi.example.com"


@pytest.fixture
def ours(key: str, system: InMemory) -> DerivedKeys:
    store(Login(ORIGIN, f"{ORIGIN}/", "keyring"), key)
    return DerivedKeys()


@pytest.mark.parametrize("username", [None, "", "__token__"])
def test_a_url_of_the_host_gets_a_derived_key(ours: DerivedKeys, key: str, username: str | None) -> None:
    """Whatever path, with and without a name; the answer comes with the name that goes with keys."""
    given = ours.get_credential(f"{ORIGIN}/simple/acme/", username)
    assert given is not None
    assert given.username == "__token__"
    assert {type(each).__name__ for each in caveats_of(given.password, key)} == {"Lifetime", "Actions"}


def test_flit_gets_a_key_for_its_project(ours: DerivedKeys, key: str) -> None:
    """It asks for one by the project's name."""
    given = ours.get_password(f"{ORIGIN}/", f"{FLIT}acme-core")
    assert given is not None
    assert Projects(frozenset({"acme-core"})) in caveats_of(given, key)


@pytest.mark.parametrize(
    ("service", "username"),
    [
        ("https://other.example.com/", None),
        ("http://pypi.example.com/", None),
        ("pypi.example.com", "__token__"),
        ("poetry-repository-x", "__token__"),
        (f"authproxy {ORIGIN}", "__token__"),
        (f"{ORIGIN}/", "alice"),
        (f"{ORIGIN}/", "pypi_token:user:__token__"),
    ],
)
def test_everything_else_gets_nothing(ours: DerivedKeys, service: str, username: str | None) -> None:
    """Other hosts, other schemes, other users, and the name under which the key itself is kept."""
    assert ours.get_credential(service, username) is None


def test_in_a_chain_nothing_is_kept_by_us(ours: DerivedKeys, system: InMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords of others go to the keyring that is next, and come from it."""
    monkeypatch.setattr(keyring.backend, "get_all_keyring", lambda: [ours, system])
    chain = ChainerBackend()
    assert chain.backends == [ours, system]
    chain.set_password(f"{ORIGIN}/", "alice", "s3cret")
    assert chain.get_password(f"{ORIGIN}/", "alice") == "s3cret"
    chain.delete_password(f"{ORIGIN}/", "alice")
    assert chain.get_password(f"{ORIGIN}/", "alice") is None


def test_a_key_that_is_away_is_an_error_of_the_keyring(ours: DerivedKeys, system: InMemory) -> None:
    """twine and pip show its sentence, and go on without."""
    system.kept.clear()
    with pytest.raises(KeyringError, match="authproxy login"):
        ours.get_password(f"{ORIGIN}/", "__token__")
