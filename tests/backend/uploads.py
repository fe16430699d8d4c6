"""Upload bodies for the tests of the form room: frozen captures of real clients, honest forms, and ways to cut a body."""

import base64
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from authproxy.backend.form import Form, FormDecoder, FormLimits
from authproxy.backend.grammar import boundary_of
from authproxy.domain.refusal import Denial, Refused
from tests.peers.forms import BOUNDARY, Part, body_of

LIMITS = FormLimits(max_content=1 << 20)
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"
FILE = Part("content", b"the bytes\r\n--of\x00a file", "evil-1.0.tar.gz")
ACTION = Part(":action", b"file_upload")
NAME = Part("name", b"evil")


@dataclass(frozen=True, slots=True)
class Upload:
    """A request's Content-Type and body."""

    body: bytes
    content_type: str = CONTENT_TYPE


def honest(*more: Part) -> Upload:
    """The least that is an upload, with more parts between its fields and its file."""
    return Upload(body_of([NAME, ACTION, *more, FILE]))


def of(*parts: Part) -> Upload:
    """A form of these parts and no others."""
    return Upload(body_of(parts))


CAPTURES = {
    path.stem: Upload(base64.b64decode("".join(document["body"])), document["content_type"])
    for path in sorted((Path(__file__).parent.parent / "vectors" / "uploads").glob("*.json"))
    for document in [json.loads(path.read_text(encoding="utf-8"))]
}
captured = pytest.mark.parametrize("upload", CAPTURES.values(), ids=CAPTURES)


def pieces(body: bytes, cuts: Iterable[int]) -> Iterator[bytes]:
    """The body, cut at these offsets."""
    edges = [0, *sorted(cuts), len(body)]
    return (body[start:end] for start, end in pairwise(edges))


def decode(upload: Upload, cuts: Iterable[int] = (), limits: FormLimits = LIMITS) -> tuple[Form, bytes]:
    """The form and the bytes of its file."""
    spool = io.BytesIO()
    decoder = FormDecoder(boundary_of(upload.content_type), spool, limits)
    for piece in pieces(upload.body, cuts):
        decoder.feed(piece)
    return decoder.finish(), spool.getvalue()


def refusal(upload: Upload, cuts: Iterable[int] = (), limits: FormLimits = LIMITS) -> Denial:
    """Why the upload is refused; a test fails where it is not."""
    with pytest.raises(Refused) as caught:
        decode(upload, cuts, limits)
    return caught.value.denial
