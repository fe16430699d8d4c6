"""What a form may hold: real uploads decode, every limit holds at its very byte, and half a form is never a form."""

import io

import pytest

from authproxy.backend.form import (
    FIELD,
    LONG,
    LONG_FIELDS,
    ONCE,
    PARTS,
    SHORT,
    SIGNATURE_SIZE,
    TEXT,
    FilePart,
    Form,
    FormDecoder,
    FormLimits,
)
from authproxy.backend.grammar import boundary_of
from authproxy.domain.refusal import Code, Refused
from tests.backend.hostile import HOSTILE, WHOLE
from tests.backend.uploads import ACTION, CAPTURES, FILE, NAME, captured, decode, honest, of, pieces, refusal
from tests.peers.forms import BOUNDARY, Part


def test_the_least_form():
    """Fields in their order with :action last, the file's name and size, its bytes in the spool."""
    form, content = decode(of(ACTION, FILE, NAME))
    fields = (("name", "evil"), (":action", "file_upload"))
    assert form == Form(fields, FilePart("evil-1.0.tar.gz", len(FILE.value)), signature=None)
    assert content == FILE.value


@captured
def test_every_captured_upload_decodes(upload):
    """What the clients really sent says file_upload of Vector.Pkg 1.0, with a digest and a README outside ASCII."""
    form, content = decode(upload)
    assert form.one(":action") == "file_upload"
    assert form.one("name") in {"Vector.Pkg", "vector.pkg", "vector-pkg", "vector_pkg"}
    assert form.one("version") == "1.0"
    assert form.content.filename.startswith("vector_pkg-1.0")
    assert form.content.size == len(content) > 800
    assert "naïve façade" in form.one("summary")
    assert "日本語, 🐍" in form.one("description")
    assert len(form.digests()["sha256"]) == 64


def test_there_are_captures_of_every_client():
    """The table above is not empty by accident."""
    assert {stem.split("-")[0] for stem in CAPTURES} == {"flit", "hatch", "pdm", "poetry", "twine", "uv"}
    assert len(CAPTURES) >= 16


def test_a_captured_signature_and_captured_attestations_pass():
    """twine's .asc is kept with its filename; attestations are a text field like any other."""
    form, _ = decode(CAPTURES["twine-7.0.0-wheel-signed"])
    assert form.signature is not None
    assert form.signature[0] == f"{form.content.filename}.asc"
    assert form.signature[1].startswith(b"-----BEGIN PGP SIGNATURE-----")
    for capture in ("twine-7.0.0-wheel-signed", "uv-0.13.9-wheel-signed"):
        assert decode(CAPTURES[capture])[0].one("attestations").startswith('[{"')


@pytest.mark.parametrize("upload", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_form_is_refused_and_stays_refused(upload):
    """A refusal is one printable sentence, and nothing fed afterwards turns it into a form."""
    decoder = FormDecoder(boundary_of(upload.content_type), io.BytesIO(), FormLimits(1000))
    with pytest.raises(Refused) as first:
        _all_of(decoder, upload.body)
    assert first.value.denial.code is Code.FORM_INVALID
    assert first.value.denial.reason.isprintable()
    assert len(first.value.denial.reason) <= 400
    with pytest.raises(Refused):
        _all_of(decoder, WHOLE)


def _all_of(decoder, *fed):
    for piece in fed:
        decoder.feed(piece)
    return decoder.finish()


class _Full(io.BytesIO):
    """A spool on a disk that is full for a moment."""

    failing = True

    def write(self, piece):
        if self.failing:
            raise OSError(28, "No space left on device")
        return super().write(piece)


def test_a_fault_of_the_spool_leaves_no_form():
    """A spool that fails in the middle of a piece loses bytes: a caller that goes on regardless is refused."""
    spool = _Full()
    decoder = FormDecoder(BOUNDARY, spool, FormLimits(1000))
    with pytest.raises(OSError, match="No space"):
        decoder.feed(WHOLE)
    spool.failing = False
    with pytest.raises(Refused, match="not read to its end"):
        decoder.feed(WHOLE)
    with pytest.raises(Refused, match="not read to its end"):
        decoder.finish()


TEXTS = {
    "nothing": b"",
    "line breaks of all kinds": b"\r\n\n\r\r\n",
    "spaces at both ends": b"  x\t ",
    "a byte order mark": "\ufeffx".encode(),
    "characters of four bytes": "🐍🐍".encode(),
    "controls": bytes(range(1, 32)) + b"\x7f",
    "Unicode's line separators": "a\u2028b\u2029c\x85d".encode(),
    "what looks like a form": b'--x\r\nContent-Disposition: form-data; name=":action"\r\n\r\nremove_pkg\r\n--x--',
    "almost the boundary": b"\r\n--" + BOUNDARY[:-1].encode() + b"\r\n",
    "the boundary without its hyphens": BOUNDARY.encode(),
}


@pytest.mark.parametrize("value", TEXTS.values(), ids=TEXTS)
def test_text_comes_out_exactly(value):
    """A field's value is its bytes as UTF-8, nothing stripped and no line break translated."""
    assert decode(honest(Part("description", value)))[0].one("description") == value.decode()


LISTS = [
    Part("classifiers", b"one"),
    Part("classifiers", b"two"),
    Part("classifiers", b"one"),
    Part("a_new_field", b""),
]


def test_lists_keep_their_order_and_their_repetitions():
    """Fields of no consequence repeat, and names that core metadata may add one day pass."""
    form, _ = decode(honest(*LISTS))
    assert form.all("classifiers") == ("one", "two", "one")
    assert form.one("a_new_field") == ""
    assert (form.all("keywords"), form.one("keywords")) == ((), None)
    with pytest.raises(Refused, match="classifiers comes more than once"):
        form.one("classifiers")


@pytest.mark.parametrize("name", sorted(ONCE))
def test_a_field_of_consequence_comes_once(name):
    """Once it passes, twice it does not, wherever the second one stands."""
    once = {":action": ACTION, "name": NAME, "content": FILE, "gpg_signature": Part(name, b"x", "evil-1.0.tar.gz.asc")}
    part = once.get(name, Part(name, b"0" * (32 if name == "md5_digest" else 64)))
    others = [other for other in (NAME, ACTION, FILE) if other.name != name]
    decode(of(part, *others))
    assert refusal(of(part, *others, part)).reason.startswith(f"the field {name} comes more than once")


ACTIONS = [
    "submit",
    "verify",
    "remove_pkg",
    "doc_upload",
    "list_classifiers",
    "FILE_UPLOAD",
    " file_upload",
    "file_upload\0",
]


@pytest.mark.parametrize("action", ACTIONS)
def test_every_other_action_is_refused_by_name(action):
    """What else an index would do on the same path is not done here, and the sentence says what is."""
    denial = refusal(of(NAME, Part(":action", action.encode()), FILE))
    assert denial.code is Code.FORM_INVALID
    assert "file_upload only" in denial.reason or "NUL" in denial.reason


def at_the_limit(part_of, limit):
    """Bodies with a value of exactly `limit` bytes and of one more."""
    return honest(part_of(b"x" * limit)), honest(part_of(b"x" * (limit + 1)))


TEXT_LIMITS = {
    "any field": (lambda value: Part("description", value), FIELD),
    "a field that adds to a list": (lambda value: Part("keywords", value), FIELD),
    "a field of consequence": (lambda value: Part("version", value), SHORT),
    "attestations": (lambda value: Part("attestations", value), FIELD),
    "a signature": (lambda value: Part("gpg_signature", value, "evil-1.0.tar.gz.asc"), SIGNATURE_SIZE),
}


@pytest.mark.parametrize(("part_of", "limit"), TEXT_LIMITS.values(), ids=TEXT_LIMITS)
def test_a_value_may_fill_its_limit_and_no_more(part_of, limit):
    """The last byte allowed passes, the next one is refused as too large, with the limit in the sentence."""
    fits, too_large = at_the_limit(part_of, limit)
    decode(fits)
    denial = refusal(too_large)
    assert denial.code is Code.TOO_LARGE
    assert str(limit) in denial.reason


def test_all_text_together_may_fill_its_limit_and_no_more():
    """Many fields of allowed size are bounded together."""
    spent = len(NAME.value) + len(ACTION.value)
    full = [Part("description", b"x" * FIELD), Part("keywords", b"x" * (TEXT - FIELD - spent))]
    decode(honest(*full))
    assert refusal(honest(*full, Part("summary", b"x"))).code is Code.TOO_LARGE


def test_the_file_may_fill_its_limit_and_no_more():
    """A file of one byte too many is refused, and the spool has not been given that byte."""
    size = len(FILE.value)
    decode(honest(), limits=FormLimits(size))
    spool = io.BytesIO()
    decoder = FormDecoder(BOUNDARY, spool, FormLimits(size - 1))
    with pytest.raises(Refused) as caught:
        _all_of(decoder, *pieces(WHOLE, range(1, len(WHOLE))))
    assert caught.value.denial.code is Code.TOO_LARGE
    assert str(size - 1) in caught.value.denial.reason
    assert len(spool.getvalue()) == size - 1


def test_an_empty_file_is_a_file():
    """What is too small to be a package is for others to say."""
    form, content = decode(of(NAME, ACTION, Part("content", b"", "evil-1.0.tar.gz")))
    assert (form.content, content) == (FilePart("evil-1.0.tar.gz", 0), b"")


@pytest.mark.parametrize(("count", "passes"), [(PARTS, True), (PARTS + 1, False), (10_000, False)])
def test_parts_are_counted(count, passes):
    """A form may have so many parts and not one more; ten thousand are refused."""
    upload = honest(*[Part("classifiers", b"x")] * (count - 3))
    if passes:
        assert len(decode(upload)[0].all("classifiers")) == count - 3
    else:
        assert refusal(upload).reason == f"the upload form has more than {PARTS} parts"


DIGEST = "0123456789abcdef" * 4
CLAIMS = {
    "sha256": ("sha256_digest", DIGEST, {"sha256": DIGEST}),
    "md5": ("md5_digest", DIGEST[:32], {"md5": DIGEST[:32]}),
    "blake2b": ("blake2_256_digest", DIGEST, {"blake2b": DIGEST}),
    "sha256 in capitals": ("sha256_digest", DIGEST.upper(), {"sha256": DIGEST}),
}


@pytest.mark.parametrize(("field", "value", "claims"), CLAIMS.values(), ids=CLAIMS)
def test_digests_are_told_as_hashlib_names_them(field, value, claims):
    """What a client claims of its file is there to be compared, in one spelling."""
    assert decode(honest(Part(field, value.encode())))[0].digests() == claims


def test_no_claim_is_no_digest():
    """devpi's client sends no digests; a form without them is one."""
    assert decode(honest())[0].digests() == {}


@pytest.mark.parametrize("field", ["sha256_digest", "md5_digest", "blake2_256_digest"])
@pytest.mark.parametrize("value", ["", "0", DIGEST + "0", DIGEST[:-1] + "g", DIGEST[:-2] + "\n0", DIGEST[:32] + " "])
def test_what_is_no_digest_is_refused(field, value):
    """A claim that no file could meet is refused as such, before it is compared."""
    assert refusal(honest(Part(field, value.encode()))).code is Code.DIGEST


def test_finishing_twice_is_finishing_once():
    """A form is there as long as its decoder is; nothing can be added to it."""
    decoder = FormDecoder(BOUNDARY, io.BytesIO(), FormLimits(1000))
    form = _all_of(decoder, WHOLE)
    assert decoder.finish() == form
    with pytest.raises(Refused):
        decoder.feed(b"\r\n")


def test_a_refusal_names_the_part_it_is_about():
    """Somebody who writes a client finds the place."""
    reason = refusal(honest(Part("", b"", disposition="form-data; name=x"))).reason
    assert reason.startswith("part 3 of the upload form has the header 'Content-Disposition: form-data; name=x'")


def test_many_long_fields_are_refused() -> None:
    """Each costs pypiserver a temporary file; without descriptors its project pages are empty (measured)."""

    def fed(count: int, size: int) -> None:
        parts = [(":action", b"file_upload"), *[("classifiers", b"x" * size)] * count]
        body = b"".join(
            b'--%b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (b"b" * 32, name.encode(), value)
            for name, value in parts
        )
        decoder = FormDecoder("b" * 32, io.BytesIO(), FormLimits(1000))
        for at in range(0, len(body), 700):
            decoder.feed(body[at : at + 700])

    fed(LONG_FIELDS, LONG + 1)
    fed(1000, LONG)
    with pytest.raises(Refused, match="fields over"):
        fed(LONG_FIELDS + 1, LONG + 1)
