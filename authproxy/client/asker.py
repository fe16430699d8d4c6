"""Which program asks the keyring, what it is about to do, and the key that is enough for that.

pip and uv run the program `keyring`, so it is the parent that counts; twine, pip and others ask within themselves.
Where that cannot be told (no /proc, a program that we do not know), a derived key may both read and upload.
"""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from authproxy.client.errors import ClientError
from authproxy.client.signing import HOUR, MINUTE, Narrowing, signed
from authproxy.client.words import called
from authproxy.domain.caveats import NONCE_BYTES
from authproxy.domain.grants import Action
from authproxy.domain.names import project_name
from authproxy.domain.refusal import Refused

READ: Final = frozenset({Action.READ})
UPLOAD: Final = frozenset({Action.UPLOAD})
BOTH: Final = READ | UPLOAD

# pip asks once and then installs for as long as it takes; it never asks again after a 403.
READING: Final = HOUR
# twine asks once, before the first of its files.
WRITING: Final = 10 * MINUTE

_ALWAYS: Final[Mapping[str, frozenset[Action]]] = {
    "pip": READ,
    "__pip-runner__": READ,  # pip, for what a build needs
    "twine": UPLOAD,
    "flit": UPLOAD,
}
# They do both, and the word `publish` says which.
_PUBLISHING: Final = frozenset({"uv", "hatch", "pdm", "poetry"})


def fresh(text: str, project: str | None) -> str:
    """Derive a key for whoever asks; for uploads of one project, where it is known. Raises ClientError."""
    try:
        projects = frozenset({project_name(project)} if project else ())
    except Refused as refused:
        raise ClientError(refused.denial.reason) from None
    actions = UPLOAD if projects else actions_of(asking())
    narrowing = Narrowing(READING if actions == READ else WRITING, packages=projects, actions=actions)
    return signed(text, narrowing, now=int(time.time()), nonce=os.urandom(NONCE_BYTES))


def asking() -> Sequence[str]:
    """Read the command line of the program that asks; empty where it cannot be told."""
    own = sys.orig_argv
    if called(own)[:1] != ("keyring",):
        return own
    try:
        raw = Path(f"/proc/{os.getppid()}/cmdline").read_bytes()
    except OSError:
        return ()
    return [os.fsdecode(word) for word in raw.removesuffix(b"\0").split(b"\0")]


def actions_of(argv: Sequence[str]) -> frozenset[Action]:
    """Say what a program is about to do, from its command line."""
    name, *words = called(argv) or ("",)
    if name in _PUBLISHING:
        return UPLOAD if "publish" in words else READ
    return _ALWAYS.get(name, BOTH)
