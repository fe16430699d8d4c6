"""The system's keyring, which is never our own backend: what that answers is made of what stands here.

The `keyring` package loads every backend that is installed, ours too, and puts them into a chain. Here the one is
looked for that would be there without us. A plain file that keyrings.alt offers counts as one: somebody installed it.
"""

from typing import TYPE_CHECKING, Final

from authproxy.client.errors import ClientError

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

_OURS: Final = "authproxy."
_CHAIN: Final = "keyring.backends.chainer"
_EMPTY: Final = ("keyring.backends.fail", "keyring.backends.null")

NO_PACKAGE: Final = "the package `keyring` is not installed beside authproxy (pip install keyring)"
NO_KEYRING: Final = "this machine has no keyring that could keep a key"


def read(service: str, user: str) -> str | None:
    """Read what is kept. Raises ClientError where there is no keyring or it is locked."""
    from keyring.errors import KeyringError

    keyring = found()
    try:
        return keyring.get_password(service, user)
    except KeyringError as error:
        raise ClientError(f"the keyring says no: {error}") from None


def write(service: str, user: str, text: str) -> None:
    """Keep a text. Raises ClientError."""
    keyring = found()
    from keyring.errors import KeyringError

    try:
        keyring.set_password(service, user, text)
    except KeyringError as error:
        raise ClientError(f"the keyring says no: {error}") from None


def erase(service: str, user: str) -> None:
    """Take away what is kept; what is not there is gone already. Raises ClientError where there is no keyring."""
    keyring = found()
    from keyring.errors import KeyringError, PasswordDeleteError

    try:
        keyring.delete_password(service, user)
    except PasswordDeleteError:
        return
    except KeyringError as error:
        raise ClientError(f"the keyring says no: {error}") from None


def found() -> "KeyringBackend":
    """Find the keyring: the one that the person has set (PYTHON_KEYRING_BACKEND, keyringrc.cfg), or the best there is.

    Raises ClientError where there is none, or where somebody has switched it off.
    """
    try:
        from keyring import get_keyring
        from keyring.backend import get_all_keyring
    except ImportError:
        raise ClientError(NO_PACKAGE) from None
    chosen = get_keyring()
    if _module(chosen).startswith((_OURS, _CHAIN)):
        others = (each for each in get_all_keyring() if not _module(each).startswith((_OURS, _CHAIN)))
        chosen = max(others, key=lambda each: each.priority, default=chosen)
    if _module(chosen).startswith((_OURS, _CHAIN, *_EMPTY)):
        raise ClientError(NO_KEYRING)
    return chosen


def _module(keyring: "KeyringBackend") -> str:
    return type(keyring).__module__
