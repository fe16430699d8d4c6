"""The keyring backend itself: a URL of a host that somebody logged in to gets a derived key, all else nothing."""

from typing import Final

from keyring.backend import KeyringBackend
from keyring.credentials import SimpleCredential
from keyring.errors import KeyringError

from authproxy.client.errors import ClientError
from authproxy.client.logins import USER, fetch, login_of

# flit looks for a token of the project under this name before it looks for the user's password.
FLIT: Final = "pypi_token:project:"


class KeepsNothing(NotImplementedError, KeyringError):
    """We keep no passwords. A chain of backends goes on to the next one at NotImplementedError."""


class DerivedKeys(KeyringBackend):
    """Makes what it answers. Before the system's keyring (5) and every other that answers for hosts of its own (9)."""

    priority = 9.5

    def get_password(self, service: str, username: str | None) -> str | None:
        """Derive a key for the host of a URL. Raises KeyringError where the key that was logged in with is away."""
        project = (username or "").removeprefix(FLIT) if (username or "").startswith(FLIT) else None
        if project is None and username not in {None, "", USER}:
            return None
        try:
            login = login_of(service)
            if login is None:
                return None
            # Most of what a keyring is asked for is not ours; only here is anything of the domain loaded.
            from authproxy.client.asker import fresh

            return fresh(fetch(login), project)
        except (ClientError, OSError) as error:
            raise KeyringError(str(error)) from None

    def get_credential(self, service: str, username: str | None) -> SimpleCredential | None:
        """Do the same for programs that leave the user name to us."""
        key = self.get_password(service, username)
        return None if key is None else SimpleCredential(USER, key)

    def set_password(self, service: str, username: str, password: str) -> None:  # noqa: ARG002 - keyring's signature
        """Leave it to the system's keyring."""
        raise KeepsNothing("authproxy keeps no passwords; a key is kept by `authproxy login`")

    def delete_password(self, service: str, username: str) -> None:  # noqa: ARG002
        """Leave it to the system's keyring."""
        raise KeepsNothing("authproxy keeps no passwords; `authproxy logout` forgets a key")
