"""The secrets that the file refers to: read from a file, the environment or systemd's credentials directory.

A file that everybody on the machine may read is a warning, no error: container engines mount secrets world-readable
(Docker 0444, Kubernetes 0644 by default), and a proxy that would not start there teaches people to put the password
into the environment instead. One that everybody may write is an error: whoever can change it can choose it.
"""

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from authproxy.config.settings import SecretReference, SecretSource

# Passwords and tokens have tens of characters; a larger file is a wrong path.
SECRET_LIMIT: Final = 4096

# systemd names the directory of LoadCredential= so (systemd.exec(5), "Credentials").
CREDENTIALS_DIRECTORY: Final = "CREDENTIALS_DIRECTORY"


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that was read, and a sentence about how it is kept."""

    text: str = field(repr=False)
    warning: str | None = None


def secret(reference: SecretReference, base: Path, env: Mapping[str, str]) -> Secret:
    """Read the secret. Relative paths start at `base`. Raises ValueError with one sentence that does not hold it."""
    return _SOURCES[reference.source](reference.name, base, env)


def at_once(path: str, flags: int) -> int:
    """Open without waiting: a FIFO that nobody writes to would hold up the start for ever."""
    return os.open(path, flags | os.O_NONBLOCK)


def _from_file(name: str, base: Path, _env: Mapping[str, str]) -> Secret:
    path = base / name
    shown = f"'{path}'"
    try:
        with open(path, "rb", opener=at_once) as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise ValueError(f"{shown} is no regular file, and the secret has to stand in one")
            raw = file.read(SECRET_LIMIT + 1)
    except FileNotFoundError:
        raise ValueError(f"there is no file {shown}: write the secret into it, and nothing else") from None
    except OSError as exc:
        raise ValueError(f"{shown} cannot be read: {(exc.strerror or 'it fails').lower()}") from None
    if mode & stat.S_IWOTH:
        raise ValueError(f"everybody may write {shown}: chmod 600 it, and change the secret")
    if len(raw) > SECRET_LIMIT:
        raise ValueError(f"{shown} has more than {SECRET_LIMIT} bytes: it holds the secret and nothing else")
    warning = f"everybody on this machine may read {shown}: chmod 600 it" if mode & stat.S_IROTH else None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{shown} is not UTF-8: it holds the secret as text") from None
    return Secret(_one_line(text, shown), warning)


def _from_env(name: str, _base: Path, env: Mapping[str, str]) -> Secret:
    if name not in env:
        raise ValueError(f"the environment variable '{name}' is not set, and the secret has to stand in it")
    return Secret(_one_line(env[name], f"the environment variable '{name}'"))


def _from_credential(name: str, _base: Path, env: Mapping[str, str]) -> Secret:
    if "/" in name or name in {".", ".."}:
        raise ValueError(f"'{name}' is no credential: write its name in LoadCredential=, without a path")
    directory = env.get(CREDENTIALS_DIRECTORY)
    if not directory:
        raise ValueError(f"{CREDENTIALS_DIRECTORY} is not set: systemd sets it for units with LoadCredential=")
    return _from_file(name, Path(directory), env)


def _one_line(text: str, shown: str) -> str:
    """Strip the final newline that editors and `echo` write; the rest is the secret, to the letter."""
    line = text.removesuffix("\n").removesuffix("\r")
    if not line:
        raise ValueError(f"{shown} is empty, and the secret has to stand in it")
    if not line.isprintable():
        raise ValueError(f"{shown} holds more than one line, or control characters: it holds the secret alone")
    return line


_SOURCES: Final[Mapping[SecretSource, Callable[[str, Path, Mapping[str, str]], Secret]]] = {
    SecretSource.FILE: _from_file,
    SecretSource.ENV: _from_env,
    SecretSource.CREDENTIAL: _from_credential,
}
