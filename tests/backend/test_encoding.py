"""Our own form: frozen byte for byte, `:action` last, and refused by the encoder where it could be read otherwise."""

import pytest

from authproxy.backend.encoding import encode
from authproxy.backend.form import FilePart, Form
from tests.backend.uploads import ACTION, FILE, NAME, Upload, captured, decode, honest, of
from tests.peers.forms import Part

OURS = "0123456789abcdef0123456789abcdef"
FROZEN_HEAD = (
    b"--0123456789abcdef0123456789abcdef\r\n"
    b'Content-Disposition: form-data; name="name"\r\n\r\nevil\r\n'
    b"--0123456789abcdef0123456789abcdef\r\n"
    b'Content-Disposition: form-data; name="summary"\r\n\r\nna\xc3\xafve\r\n'
    b"--0123456789abcdef0123456789abcdef\r\n"
    b'Content-Disposition: form-data; name="gpg_signature"; filename="evil-1.0.tar.gz.asc"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\nsigned\r\n"
    b"--0123456789abcdef0123456789abcdef\r\n"
    b'Content-Disposition: form-data; name="content"; filename="evil-1.0.tar.gz"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n"
)
FROZEN_TAIL = (
    b"\r\n--0123456789abcdef0123456789abcdef\r\n"
    b'Content-Disposition: form-data; name=":action"\r\n\r\nfile_upload\r\n'
    b"--0123456789abcdef0123456789abcdef--\r\n"
)


def whole(form: Form, content: bytes, boundary: str = OURS) -> Upload:
    """The encoded form with its file in the gap."""
    encoded = encode(form, boundary)
    return Upload(encoded.head + content + encoded.tail, encoded.content_type)


def test_the_encoding_is_frozen():
    """What the index sees is this, and a change of it is a change of what it was tested with."""
    summary, signature = Part("summary", "naïve".encode()), Part("gpg_signature", b"signed", "evil-1.0.tar.gz.asc")
    form, _ = decode(of(signature, FILE, ACTION, NAME, summary))
    encoded = encode(form, OURS)
    assert (encoded.head, encoded.tail) == (FROZEN_HEAD, FROZEN_TAIL)
    assert encoded.content_type == f"multipart/form-data; boundary={OURS}"
    assert encoded.length == len(FROZEN_HEAD) + len(FILE.value) + len(FROZEN_TAIL)


@captured
def test_what_was_captured_survives_the_round(upload):
    """decode(encode(form)) == form for every real upload, its file included."""
    form, content = decode(upload)
    assert decode(whole(form, content)) == (form, content)


@captured
def test_the_action_comes_last_whatever_the_client_did(upload):
    """No byte of ours but the end of the body follows :action."""
    form, content = decode(upload)
    action, _, rest = whole(form, content).body.rpartition(b'name=":action"')
    assert rest == f"\r\n\r\nfile_upload\r\n--{OURS}--\r\n".encode()
    assert b"file_upload" not in action.replace(content, b"")


BOUNDARIES = [
    "",
    "x" * 31,
    "x" * 71,
    "x" * 31 + "-",
    "x" * 31 + " ",
    "x" * 31 + "é",
    "x" * 32 + "\n",
    '"' + "x" * 32 + '"',
]


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_a_boundary_that_could_be_guessed_or_misread_is_a_fault(boundary):
    """Ours is long, and of letters and digits alone."""
    with pytest.raises(ValueError, match="32 to 70 letters and digits"):
        encode(decode(honest())[0], boundary)


FILENAME = "evil-1.0.tar.gz"
CARRIERS = {
    "in a value": honest(Part("summary", f"\r\n--{OURS}--\r\n".encode())),
    "in a value, without hyphens": honest(Part("summary", OURS.encode())),
    "at the end of a value": honest(Part("summary", b"x" + OURS.encode())),
    "in a name": honest(Part("a" + OURS, b"")),
    "in a signature": honest(Part("gpg_signature", OURS.encode(), f"{FILENAME}.asc")),
    "in the filename": of(NAME, ACTION, Part("content", b"x", f"evil-1.0+{OURS}.tar.gz")),
}


@pytest.mark.parametrize("upload", CARRIERS.values(), ids=CARRIERS)
def test_a_boundary_that_occurs_in_the_form_is_a_fault(upload):
    """The encoder would rather stop than write a form with a second meaning; another boundary does."""
    form, content = decode(upload)
    with pytest.raises(ValueError, match="draw another"):
        encode(form, OURS)
    other = "f" * 32
    assert decode(whole(form, content, other)) == (form, content)


FORMS = {
    "a quote in a name": Form((('x"; y="', "v"), (":action", "file_upload")), FilePart(FILENAME, 0)),
    "a line break in a name": Form((("x\r\n\r\n", "v"), (":action", "file_upload")), FilePart(FILENAME, 0)),
    "a quote in the filename": Form(((":action", "file_upload"),), FilePart('a"; filename="b', 0)),
    "a percent sign in the filename": Form(((":action", "file_upload"),), FilePart("a%22", 0)),
    "a line break in the signature's name": Form(((":action", "file_upload"),), FilePart("a", 0), ("a\r\n", b"")),
    "an empty filename": Form(((":action", "file_upload"),), FilePart("", 0)),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_name_that_would_need_quoting_is_a_fault(form):
    """No form of the decoder has such names; one made by hand is not written into something else."""
    with pytest.raises(ValueError, match="grammar"):
        encode(form, OURS)


def test_the_length_is_that_of_head_file_and_tail():
    """An index never waits for a byte that does not come."""
    form, content = decode(honest())
    assert encode(form, OURS).length == len(whole(form, content).body)
