"""Where parts begin and end: each rule, and that the parser underneath would have let its breach pass."""

import io

import pytest
from multipart import MultipartParser, PushMultipartParser

from authproxy.backend.form import FormLimits
from authproxy.backend.framing import END, PART_LIMIT, Framing
from authproxy.backend.grammar import PartHead
from authproxy.domain.refusal import Code, Refused
from tests.backend.hostile import BROKEN, DASHED, FORGIVEN, WHOLE
from tests.backend.uploads import BOUNDARY, FILE, Upload, decode, honest, refusal
from tests.peers.forms import Part, body_of


def events(body, step=None):
    """All events of a body, bytes joined to one piece for each part."""
    framing, found = Framing(BOUNDARY), []
    for at in range(0, len(body), step or max(len(body), 1)):
        for event in framing.feed(body[at : at + step] if step else body):
            if isinstance(event, bytes) and isinstance(found[-1], bytes):
                found[-1] += event
            else:
                found.append(event)
    framing.finish()
    return found


VALUES = {
    "nothing": b"",
    "a line break": b"\r\n",
    "two line breaks": b"\r\n\r\n",
    "a lone CR": b"\r",
    "a lone LF": b"\n",
    "many CRs": b"\r" * 100,
    "hyphens": b"\r\n--",
    "almost the boundary": b"\r\n" + DASHED[:-1],
    "almost the boundary, and then more": b"\r\n" + DASHED[:-1] + b"x\r\n",
    "almost the boundary, again and again": (b"\r\n" + DASHED[:-1]) * 5,
    "another boundary that begins like ours": b"\r\n" + DASHED[:-1] + b"9\r\nContent-Disposition: form-data\r\n\r\n",
    "what looks like a head": b'Content-Disposition: form-data; name="x"\r\n\r\n',
    "NULs": bytes(100),
}


@pytest.mark.parametrize("step", [None, 1, 2, 7, 1000])
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_whatever_a_part_holds_comes_out_exactly(value, step):
    """Bytes that resemble a boundary are bytes, an empty part is empty, however the body is cut."""
    file = Part("content", value, "a")
    found = events(body_of([file, Part("x", b"y"), file]), step)
    held = [value] if value else []
    assert found == [
        PartHead("content", "a"),
        *held,
        END,
        PartHead("x", None),
        b"y",
        END,
        PartHead("content", "a"),
        *held,
        END,
    ]


@pytest.mark.parametrize("ending", [b"\r\n", b""], ids=["with a line break", "without"])
@pytest.mark.parametrize("step", [None, 1])
def test_one_line_break_may_end_the_body(ending, step):
    """Clients end the last boundary with CRLF or not at all; also where it comes in a piece of its own."""
    whole = WHOLE.removesuffix(b"\r\n")
    assert events(whole + ending, step) == events(whole)
    framing = Framing(BOUNDARY)
    list(framing.feed(whole))
    list(framing.feed(ending))
    framing.finish()


def test_an_empty_piece_says_nothing():
    """An empty piece is not the end of the body, though the library takes it for that."""
    framing = Framing(BOUNDARY)
    for piece in (b"", WHOLE[:50], b"", WHOLE[50:], b""):
        list(framing.feed(piece))
    framing.finish()


def test_pieces_of_the_file_are_handed_on_without_a_copy():
    """A piece that lies within a part as a whole is the very object that was fed."""
    framing, piece = Framing(BOUNDARY), b"x" * 65536
    list(framing.feed(DASHED + b'\r\nContent-Disposition: form-data; name="content"; filename="a"\r\n\r\n'))
    assert next(framing.feed(piece)) is piece


def lenient(upload: Upload) -> None:
    """What a proxy has that trusts the parser: it raises where the parser does."""
    with PushMultipartParser(BOUNDARY) as parser:
        list(parser.parse(upload.body))


@pytest.mark.parametrize("upload", FORGIVEN.values(), ids=FORGIVEN)
def test_the_parser_alone_would_have_let_it_pass(upload):
    """Negative control for every refusal in the table: without our rules this body is a form."""
    lenient(upload)
    assert refusal(upload).code is Code.FORM_INVALID


@pytest.mark.parametrize("upload", BROKEN.values(), ids=BROKEN)
def test_what_is_no_form_is_refused(upload):
    """A body that no reader should take is refused in one sentence, not in the library's words."""
    denial = refusal(upload)
    assert denial.code is Code.FORM_INVALID
    assert len(denial.reason) <= 400
    assert denial.reason.isascii()
    assert denial.reason.isprintable()


def test_a_body_cut_short_is_refused():
    """No beginning of a body is a form, but for the one that lacks only the last line break."""
    for length in range(len(WHOLE) - 2):
        reason = refusal(Upload(WHOLE[:length])).reason
        assert reason == "the upload's body ended before its last boundary: send it again", length


@pytest.mark.parametrize("begins", [b"\r\n", b"\n", b"x", b" ", b"--x"])
def test_a_body_that_begins_otherwise_is_refused_at_its_first_bytes(begins):
    """Nobody waits for a boundary that may come later: one wrong byte of the first line is enough."""
    framing = Framing(BOUNDARY)
    with pytest.raises(Refused, match="must begin with its boundary"):
        list(framing.feed(begins))


HEAD_LIMITS = {
    "three lines": b"Content-Type: a/b\r\n" * 3,
    "a line too long": b"x" * 513 + b"\r\n",
    "an endless line": b"x" * 514,
}


@pytest.mark.parametrize("head", HEAD_LIMITS.values(), ids=HEAD_LIMITS)
def test_a_head_is_refused_at_its_limits(head):
    """Header lines are bounded in number and length before the head has ended, with the bounds in the sentence."""
    framing = Framing(BOUNDARY)
    with pytest.raises(Refused, match=r"header line.* 512 bytes"):
        list(framing.feed(DASHED + b"\r\n" + head))


def test_a_body_that_never_ends_is_refused_while_it_comes():
    """What follows the last boundary is not read forever: the piece that goes too far is refused at once."""
    framing = Framing(BOUNDARY)
    list(framing.feed(WHOLE))
    with pytest.raises(Refused, match="goes on after its last boundary"):
        list(framing.feed(b"x" * 2000))


def test_nothing_more_is_read_after_the_end_was_said():
    """A finished body takes no further piece."""
    framing = Framing(BOUNDARY)
    list(framing.feed(WHOLE))
    framing.finish()
    with pytest.raises(Refused):
        list(framing.feed(b"x"))


class _OfAnotherVersion(PushMultipartParser):
    """The library, should a later version not call what we override any more."""

    lines: tuple[bytes, ...] = ()


def test_a_library_that_hides_header_lines_ends_in_refusals():
    """Our reading of heads hangs on two methods of the library: were they gone, no upload would pass unread."""
    framing = Framing(BOUNDARY)
    framing._parser = _OfAnotherVersion(BOUNDARY)
    with pytest.raises(Refused, match="has no Content-Disposition header"):
        list(framing.feed(WHOLE))


WIDEST = Part("a" * 64, b"", "f" * 255, more=(f'Content-Type: {"m" * 127}/{"n" * 127}; charset="us-ascii"',))


def test_the_widest_head_passes_at_every_cut():
    """The longest header lines that the grammar allows fit into the limits, also where the body is cut among them."""
    body = body_of([WIDEST])
    for cut in range(len(body) + 1):
        framing = Framing(BOUNDARY)
        found = [event for piece in (body[:cut], body[cut:]) for event in framing.feed(piece)]
        framing.finish()
        assert found == [PartHead("a" * 64, "f" * 255), END]


def test_a_part_is_no_larger_than_it_says():
    """PART_LIMIT, from which the longest body follows, covers what a part can have beside its value."""
    boundary = "b" * 70
    assert len(body_of([WIDEST], boundary)) <= 2 * PART_LIMIT
    assert len(body_of([WIDEST] * 10, boundary)) <= 11 * PART_LIMIT
    limits = FormLimits(max_content=len(FILE.value), max_parts=3, max_text=len(b"evilfile_upload"))
    decode(honest(), limits=limits)
    assert len(honest().body) <= limits.max_body


def test_the_reference_bodies_are_forms():
    """The tables change an honest body: the honest one passes here and in the library's own high-level parser."""
    assert events(WHOLE)[-1] is END
    assert len(list(MultipartParser(io.BytesIO(WHOLE), BOUNDARY))) == 3
