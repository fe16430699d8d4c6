"""What is fuzzed: each target takes any bytes, and only a refusal or a list of problems may come of them.

Where a law is near, it is asked for too: what a parser takes must be what its writer writes.
"""

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from authproxy.authority.credential import credential_of, key_of_login, password_of
from authproxy.backend.devpi import devpi
from authproxy.backend.encoding import encode
from authproxy.backend.flavour import Flavour, agree, match
from authproxy.backend.form import Form, FormDecoder, FormLimits, RemovalForm
from authproxy.backend.grammar import boundary_of
from authproxy.backend.pypiserver import PYPISERVER
from authproxy.config import ConfigProblems, load
from authproxy.domain import keys
from authproxy.domain.names import artifact, project_name, version_text
from authproxy.domain.refusal import Refused

BOUNDARY, OURS = "b", "0123456789abcdef" * 2
LIMITS = FormLimits(max_content=4_000, max_parts=20, max_text=2_000)
FLAVOURS: tuple[Flavour, ...] = (PYPISERVER, devpi(("team/dev",)))


class Spool:
    """The file's bytes."""

    def __init__(self) -> None:
        self.content = b""

    def write(self, piece: bytes) -> None:
        self.content += piece


def decoded(boundary: str, body: bytes, piece: int) -> tuple[Form | RemovalForm, bytes] | str:
    """Decode a body in pieces of this size: the form and its file, or what it is refused with."""
    spool = Spool()
    decoder = FormDecoder(boundary, spool, LIMITS, removals=True)
    try:
        for at in range(0, len(body), piece):
            decoder.feed(body[at : at + piece])
        removal = decoder.removal()
        return (decoder.finish() if removal is None else removal), spool.content
    except Refused as refused:
        return refused.denial.code


def form(octets: bytes) -> None:
    """A body: the same in one piece and in many, and what it holds is what we would write and read again."""
    with suppress(Refused):
        boundary_of(octets[:200].decode("latin-1"))
    whole = decoded(BOUNDARY, octets[1:], len(octets) or 1)
    pieces = decoded(BOUNDARY, octets[1:], octets[0] % 30 + 1 if octets else 1)
    # Of two things that are wrong with a body, pieces may show another first; what is taken does not depend on them.
    assert pieces == whole or (isinstance(pieces, str) and isinstance(whole, str)), (pieces, whole)
    if isinstance(whole, str) or isinstance(whole[0], RemovalForm):
        return
    taken, content = whole
    try:
        written = encode(taken, OURS)
    except ValueError:
        assert OURS.encode() in octets  # only where the boundary, which is random elsewhere, was guessed
        return
    again = decoded(OURS, written.head + content + written.tail, 7)
    assert again == (taken, content), again


def key(octets: bytes) -> None:
    """A credential, and the key in it: one that is read is one that would be written."""
    text = octets.decode("latin-1")
    keys.shows_secret(text, "apx")
    keys.looks_like_key(text, "apx")
    keys.read_key_id(text)
    parsed = keys.parse(text, "apx")
    if parsed is not None:
        body = f"apx_{parsed.unverified_public_id}_{parsed.secret.reveal()}"
        assert text[:-6] == body
        assert parsed.unverified_public_id.startswith(parsed.unverified_id)
    user, _, password = text.partition(":")
    try:
        key_of_login(user, password, "apx")
        credential = credential_of(text.split("\n"), "apx")
    except Refused:
        return
    if credential is not None:
        assert (credential.key_text is None) != (credential.foreign is None)
        if credential.foreign is not None:
            password_of(credential)


def filename(octets: bytes) -> None:
    """A filename and a target, read by the packaging standards and by each index."""
    text = octets.decode("utf-8", "surrogateescape")
    for read in (project_name, version_text):
        with suppress(Refused):
            once = read(text)
            assert read(once) == once
    for flavour in FLAVOURS:
        flavour.reading(text)
        for method in ("GET", "POST"):
            try:
                asked = match(flavour, method, text)
            except Refused:
                continue
            assert asked.target == text
    try:
        file = artifact(text)
    except Refused:
        return
    assert file.filename == text
    assert text.isascii()
    for flavour in FLAVOURS:
        with suppress(Refused):
            agree(flavour, file, file.project, file.version)


_FILE = Path(tempfile.gettempdir()) / f"authproxy-fuzzed-{os.getpid()}.yaml"


def config(octets: bytes) -> None:
    """A configuration file. Secrets are not read: a path in it would be read too."""
    _FILE.write_bytes(octets)
    with suppress(ConfigProblems):
        load(_FILE, {}, secrets=False)


def planted(octets: bytes) -> None:
    """Not one of ours: a fault behind four steps, which only somebody finds who sees how far each came (control)."""
    if octets[:1] != b"a":
        return
    if octets[1:2] != b"p":
        return
    if octets[2:3] != b"x":
        return
    if octets[3:4] == b"!":
        raise ValueError("the planted fault")


Target = Callable[[bytes], None]
TARGETS: dict[str, Target] = {"form": form, "key": key, "filename": filename, "config": config}
