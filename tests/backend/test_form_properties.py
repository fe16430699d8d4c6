"""Two laws about every form: no cut of a body changes what it says, and writing it anew changes nothing either."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from authproxy.backend.encoding import encode
from authproxy.backend.form import ONCE, FilePart, Form
from authproxy.backend.framing import Framing
from authproxy.backend.grammar import FIELD_NAME, FILENAME
from authproxy.domain.refusal import Code, Refused, refuse
from tests.backend.hostile import HOSTILE
from tests.backend.test_encoding import OURS, whole
from tests.backend.uploads import CAPTURES, captured, decode, honest, pieces, refusal
from tests.peers.forms import BOUNDARY, Part

# One upload of every client, a signed or attested one where there is one, and the newest.
OF_EACH = {stem.split("-")[0]: stem for stem in sorted(CAPTURES, key=lambda stem: ("signed" in stem, stem))}
ONE_EACH = {stem: CAPTURES[stem] for stem in OF_EACH.values()}
DELIMITERS = b"\r\n--" + BOUNDARY.encode()
TRICKY = {
    "plain": honest(),
    "an empty field": honest(Part("summary", b"")),
    "nothing but line breaks": honest(Part("summary", b"\r\n" * 5)),
    "almost boundaries": honest(Part("summary", (DELIMITERS[:-1] + b"\r\n") * 3)),
    "CRs": honest(Part("summary", b"\r" * 40)),
    "an empty file": honest(Part("gpg_signature", b"", "evil-1.0.tar.gz.asc")),
    "characters of many bytes": honest(Part("summary", "é日🐍".encode() * 4)),
}


@pytest.mark.parametrize("upload", {**ONE_EACH, **TRICKY}.values(), ids={**ONE_EACH, **TRICKY})
def test_every_cut_in_two_gives_the_same_form(upload):
    """At every single offset: the pieces before and after say what the whole says."""
    form = decode(upload)
    for cut in range(len(upload.body) + 1):
        assert decode(upload, [cut]) == form, f"cut at {cut}"


@captured
def test_byte_by_byte_gives_the_same_form(upload):
    """As many pieces as there are bytes."""
    assert decode(upload, range(1, len(upload.body))) == decode(upload)


@pytest.mark.parametrize("upload", ONE_EACH.values(), ids=ONE_EACH)
@given(cuts=st.data())
def test_any_cuts_give_the_same_form(upload, cuts):
    """Pieces of any number and length, empty ones included."""
    offsets = cuts.draw(st.lists(st.integers(0, len(upload.body)), max_size=40))
    assert decode(upload, offsets) == decode(upload)


@pytest.mark.parametrize("upload", HOSTILE.values(), ids=HOSTILE)
def test_no_cut_makes_a_hostile_form_pass(upload):
    """What is refused whole is refused for the same code in any two pieces, and byte by byte."""
    code = refusal(upload).code
    for cut in range(len(upload.body) + 1):
        assert refusal(upload, [cut]).code is code, f"cut at {cut}"
    assert refusal(upload, range(1, len(upload.body))).code is code


class _Seamless(Framing):
    """A deliberately broken variant: it looks for the boundary in each piece and forgets that pieces have seams."""

    def _search(self, piece: bytes) -> None:
        if self._dashed in piece:
            raise refuse(Code.FORM_INVALID, "found")


def test_a_reader_that_forgets_the_seams_is_caught():
    """Negative control for the cuts above: a boundary that two pieces share would get past it."""
    upload, passed = HOSTILE["the boundary in the middle of a field"], []
    for cut in range(len(upload.body)):
        framing = _Seamless(BOUNDARY)
        try:
            for piece in pieces(upload.body, [cut]):
                list(framing.feed(piece))
            framing.finish()
            passed.append(cut)
        except Refused:
            pass
    assert len(passed) == len(BOUNDARY) + 1


names = st.from_regex(FIELD_NAME, fullmatch=True).filter(lambda name: name not in ONCE)
# Whatever readers of lines, of text and of boundaries might treat in a way of their own.
bits = st.sampled_from(
    [
        "\r",
        "\n",
        "\r\n",
        "--",
        OURS[:-1],
        "\r\n--" + OURS[:-1],
        " ",
        "\t",
        "\x1a",
        "\x85",
        "\u2028",
        "\ufeff",
        "é",
        "🐍",
    ]
)
texts = st.lists(bits | st.text(st.characters(codec="utf-8", exclude_characters="\0")), max_size=8).map("".join)
contents = st.lists(texts.map(str.encode) | st.binary(max_size=50), max_size=8).map(b"".join)
filenames = st.from_regex(FILENAME, fullmatch=True)


@st.composite
def forms(draw: st.DrawFn) -> tuple[Form, bytes]:
    """A form that the decoder could have made, and its file."""
    filename, content = draw(filenames), draw(contents)
    singles = draw(st.dictionaries(st.sampled_from(["name", "version", "filetype", "description"]), texts, max_size=4))
    fields = draw(st.permutations([*singles.items(), *draw(st.lists(st.tuples(names, texts), max_size=6))]))
    signature = draw(st.none() | st.just((f"{filename}.asc", draw(contents)))) if len(filename) <= 251 else None
    form = Form((*fields, (":action", "file_upload")), FilePart(filename, len(content)), signature)
    # The pieces above can add up to the very boundary; a boundary is drawn anew for each body, and this one is fixed.
    assume(OURS not in repr(form) and OURS.encode() not in content)
    return form, content


@given(forms())
def test_encoding_and_decoding_give_the_same_form(made):
    """decode(encode(form)) == form, fields in their order and every byte of the file."""
    form, content = made
    assert decode(whole(form, content)) == (form, content)


@given(forms(), st.data())
def test_an_encoded_form_may_be_cut_anywhere(made, data):
    """The first law holds for forms that nobody has captured."""
    upload = whole(*made)
    cuts = data.draw(st.lists(st.integers(0, len(upload.body)), max_size=10))
    assert decode(upload, cuts) == made


@given(forms())
def test_the_announced_length_is_the_length(made):
    """An index that trusts Content-Length reads to the last byte and not beyond."""
    form, content = made
    assert encode(form, OURS).length == len(whole(form, content).body)
