"""The system's keyring, which is never ours: no answer of our backend is ever made of an answer of our backend."""

import sys

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import chainer, fail, null
from keyring.errors import KeyringLocked

from authproxy.client import system_keyring
from authproxy.client.errors import ClientError
from authproxy.client.keyring_answers import DerivedKeys
from tests.client.conftest import InMemory


@pytest.fixture(autouse=True)
def restored() -> None:
    """The keyring of this process is what it was."""
    before = keyring.get_keyring()
    yield
    keyring.set_keyring(before)


def test_what_is_set_is_taken(system: InMemory) -> None:
    """The person's choice, as PYTHON_KEYRING_BACKEND and keyringrc.cfg make it."""
    system_keyring.write("service", "user", "text")
    assert system_keyring.read("service", "user") == "text"
    system_keyring.erase("service", "user")
    system_keyring.erase("service", "user")
    assert system_keyring.read("service", "user") is None


@pytest.mark.parametrize("chosen", [DerivedKeys, chainer.ChainerBackend])
def test_ours_and_a_chain_with_ours_are_passed_over(
    chosen: type[KeyringBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the keyring would ask us first, the best of the others is taken; where there is none, there is none."""
    best = InMemory()
    keyring.set_keyring(chosen())
    monkeypatch.setattr(keyring.backend, "get_all_keyring", lambda: [DerivedKeys(), fail.Keyring(), best])
    assert system_keyring.found() is best
    monkeypatch.setattr(keyring.backend, "get_all_keyring", lambda: [DerivedKeys(), fail.Keyring()])
    with pytest.raises(ClientError, match="no keyring that could keep a key"):
        system_keyring.found()


@pytest.mark.parametrize("chosen", [fail.Keyring, null.Keyring])
def test_a_keyring_that_is_switched_off_stays_so(chosen: type[KeyringBackend]) -> None:
    """`keyring --disable` is a wish: nothing is put into another one."""
    keyring.set_keyring(chosen())
    with pytest.raises(ClientError, match="no keyring that could keep a key"):
        system_keyring.found()


def test_a_locked_keyring_is_said(system: InMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own words, in our sentence."""

    def locked(*_: str) -> str:
        raise KeyringLocked("not unlocked")

    for name in ("get_password", "set_password", "delete_password"):
        monkeypatch.setattr(InMemory, name, locked)
    for call in (
        lambda: system_keyring.read("a", "b"),
        lambda: system_keyring.write("a", "b", "c"),
        lambda: system_keyring.erase("a", "b"),
    ):
        with pytest.raises(ClientError, match="the keyring says no: not unlocked"):
            call()


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """authproxy works without it."""
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ClientError, match=r"\(pip install keyring\)"):
        system_keyring.found()
