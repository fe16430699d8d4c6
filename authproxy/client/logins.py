"""Where somebody has logged in: the hosts, and for each the key, in the system's keyring or in a file of mode 0600.

    ~/.config/authproxy/logins.json     the hosts, without any key
    ~/.config/authproxy/keys/           the keys of those logins that are kept in files

A login is of an origin (RFC 6454: scheme, host and port): a key that was given for https:// is not for http://, nor for
another port of the machine. In the keyring it stands under a name of its own and never under the URL, or any program
that asks the keyring for the URL would get the full key.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from authproxy.client.errors import ClientError
from authproxy.client.places import folder, logins_file

USER: Final = "__token__"
_PRIVATE: Final = 0o600
_PRIVATE_FOLDER: Final = 0o700
_PORTS: Final = {"http": 80, "https": 443}

Kept = Literal["keyring", "file"]


@dataclass(frozen=True, slots=True)
class Login:
    """`origin` names it; `url` is where uploads go, as the person gave it, with a final slash."""

    origin: str
    url: str
    kept: Kept

    @property
    def service(self) -> str:
        """Under what name the keyring has the key. No client asks for such a one."""
        return f"authproxy {self.origin}"


def origin_of(url: str) -> str | None:
    """Read the origin of an http URL, `https://pypi.example.com:8443`; None for every other text."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + ("" if port in {None, _PORTS[parts.scheme]} else f":{port}")


def logins() -> dict[str, Login]:
    """Read the logins there are, by their origins. Raises ClientError for a file that cannot be read."""
    path = logins_file()
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return {origin: Login(origin, each["url"], each["kept"]) for origin, each in document.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ClientError(f"{path} is not as `authproxy login` wrote it: remove it and log in again") from None


def login_of(url: str) -> Login | None:
    """Find the login that a URL belongs to."""
    origin = origin_of(url)
    return None if origin is None else logins().get(origin)


def store(login: Login, key: str) -> None:
    """Keep a key, in the place of what was kept for the origin before. Raises ClientError, OSError."""
    known = logins()
    if login.kept == "keyring":
        from authproxy.client.system_keyring import write

        write(login.service, USER, key)
    else:
        _write(_key_file(login), key + "\n")
    _write_list({**known, login.origin: login})
    if (before := known.get(login.origin)) is not None and before.kept != login.kept:
        _erase(before)


def fetch(login: Login) -> str:
    """Read the key of a login. Raises ClientError, OSError."""
    from authproxy.client.keytext import key_text, read_file

    if login.kept == "file":
        return read_file(_key_file(login))
    from authproxy.client.system_keyring import read

    found = read(login.service, USER)
    if found is None:
        raise ClientError(f"the keyring has no key for {login.origin} any more: authproxy login {login.url}")
    return key_text(found)


def forget(origin: str) -> Login | None:
    """Take a login away, with its key; return it, None where there was none. Raises ClientError, OSError."""
    known = logins()
    login = known.pop(origin, None)
    if login is None:
        return None
    _erase(login)
    _write_list(known)
    return login


def _erase(login: Login) -> None:
    if login.kept == "file":
        _key_file(login).unlink(missing_ok=True)
        return
    from authproxy.client.system_keyring import erase

    erase(login.service, USER)


def _key_file(login: Login) -> Path:
    return folder() / "keys" / "".join(_named(login.origin))


def _named(origin: str) -> Iterator[str]:
    """An origin as the name of a file: what no file system minds stays as it is."""
    for character in origin.replace("://", "_"):
        yield character if character.isascii() and (character.isalnum() or character in ".-_") else "_"


def _write_list(known: Mapping[str, Login]) -> None:
    if not known:
        logins_file().unlink(missing_ok=True)  # without it our backend is none of the keyring's
        return
    document = {each.origin: {"url": each.url, "kept": each.kept} for each in known.values()}
    _write(logins_file(), json.dumps(document, indent=2) + "\n")


def _write(path: Path, text: str) -> None:
    """Write a whole file that nobody else may read, in the place of what was there."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=_PRIVATE_FOLDER)
    new = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(descriptor)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
