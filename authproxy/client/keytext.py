"""The text of a key: where it is read, and what makes it one.

Knows files and streams; the system's keyring is `logins`'s. A key in an argument or in an environment variable can be
read by others, so there is no way to hand one in there.
"""

import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

from authproxy.client.errors import ClientError
from authproxy.domain.chain import DERIVED_LIMIT
from authproxy.domain.derived import parse_derived
from authproxy.domain.keys import is_prefix, parse

# A key and white space around it. Whoever names a whole log file gets a sentence and not a wait.
READ_LIMIT: Final = 2 * DERIVED_LIMIT
OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def key_text(raw: str) -> str:
    """Take the white space off a key, which secrets of CI systems end in. Raises ClientError where it is no key."""
    text = raw.strip()
    prefix = prefix_of(text)
    if is_prefix(prefix) and (parse(text, prefix) or parse_derived(text, prefix)):
        return text
    # None of it is shown: it may be most of a key.
    what = f"{len(text)} characters are" if text else "nothing is"
    raise ClientError(f"{what} no key: it begins with apx_ (or your house's prefix), and comes whole or not at all")


def prefix_of(text: str) -> str:
    """Return what a key begins with: the configuration that says it is on another machine."""
    return text.partition("_")[0]


def is_derived(text: str) -> bool:
    """Whether a key, read by `key_text`, is a derived one."""
    return "." in text


def read_stream(stream: BinaryIO) -> str:
    """Read a key from a stream that ends. Raises ClientError."""
    return decoded(stream.read(READ_LIMIT + 1))


def read_file(path: Path) -> str:
    """Read a key from a file that nobody else may read; a pipe is one as well. Raises ClientError, OSError."""
    with path.open("rb") as stream:
        found = os.fstat(stream.fileno())
        if stat.S_ISREG(found.st_mode) and found.st_mode & OTHERS:
            mode = stat.S_IMODE(found.st_mode)
            raise ClientError(f"{path} can be read by others (mode {mode:04o}): chmod 600 {path}, and it is taken")
        return read_stream(stream)


def decoded(raw: bytes) -> str:
    """Read a key that came as bytes. Raises ClientError."""
    if len(raw) > READ_LIMIT:
        raise ClientError(f"more than {READ_LIMIT} bytes are no key: name the file that holds the key and nothing else")
    return key_text(raw.decode("ascii", "replace"))
