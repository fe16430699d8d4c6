"""The lines of a form: what is plain passes, whatever is not is refused, and what passes is read by all readers alike."""

import email
import re
from email import policy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multipart import parse_content_disposition, parse_options_header

from authproxy.backend.grammar import FIELD_NAME, FILENAME, PartHead, boundary_of, part_head
from authproxy.domain.refusal import Code, Refused

BOUNDARIES = {
    "as twine writes it": ("multipart/form-data; boundary=7c1b9d2f", "7c1b9d2f"),
    "as uv writes it": (
        "multipart/form-data; boundary=f4b9758c8fdab3fb-37c90e8863e7886c",
        "f4b9758c8fdab3fb-37c90e8863e7886c",
    ),
    "as a browser writes it": (
        "multipart/form-data; boundary=----WebKitFormBoundary7MA4",
        "----WebKitFormBoundary7MA4",
    ),
    "without a space": ("multipart/form-data;boundary=x", "x"),
    "in capitals": ("Multipart/Form-Data; Boundary=X", "X"),
    "in quotes": ('multipart/form-data; boundary="==(7)=="', "==(7)=="),
    "of 70 characters": (f"multipart/form-data; boundary={'a' * 70}", "a" * 70),
}
NO_BOUNDARIES = {
    "nothing": "",
    "no boundary": "multipart/form-data",
    "an empty boundary": "multipart/form-data; boundary=",
    "an empty boundary in quotes": 'multipart/form-data; boundary=""',
    "71 characters": f"multipart/form-data; boundary={'a' * 71}",
    "two boundaries": "multipart/form-data; boundary=a; boundary=b",
    "the same boundary twice": "multipart/form-data; boundary=a; boundary=a",
    "a charset besides": "multipart/form-data; boundary=a; charset=utf-8",
    "a charset before": "multipart/form-data; charset=utf-8; boundary=a",
    "a semicolon behind": "multipart/form-data; boundary=a;",
    "a space behind": "multipart/form-data; boundary=a ",
    "a space before the value": "multipart/form-data; boundary= a",
    "a space in quotes": 'multipart/form-data; boundary="a b"',
    "an escape in quotes": r'multipart/form-data; boundary="a\b"',
    "a quote that does not end": 'multipart/form-data; boundary="a',
    "quotes around a part": 'multipart/form-data; boundary="a"b',
    "boundary*": "multipart/form-data; boundary*=utf-8''a",
    "a comma, as of two headers joined": "multipart/form-data; boundary=a, multipart/form-data; boundary=b",
    "a line break": "multipart/form-data; boundary=a\r\n",
    "a line feed behind": "multipart/form-data; boundary=a\n",
    "a letter outside ASCII": "multipart/form-data; boundary=é",
    "the Kelvin sign for a K": "multipart/form-data; boundary=\u212a",
    "the long s in form": "multipart/form-data; boundary=\u017f",
    "multipart/mixed": "multipart/mixed; boundary=a",
    "multipart/form-data-x": "multipart/form-data-x; boundary=a",
    "urlencoded": "application/x-www-form-urlencoded",
    "text": "text/plain; boundary=a",
    "json": "application/json",
}


@pytest.mark.parametrize(("header", "boundary"), BOUNDARIES.values(), ids=BOUNDARIES)
def test_a_plain_content_type_names_its_boundary(header, boundary):
    """Every way in which a client writes its Content-Type gives the boundary it means."""
    assert boundary_of(header) == boundary


@pytest.mark.parametrize("header", NO_BOUNDARIES.values(), ids=NO_BOUNDARIES)
def test_another_content_type_is_refused_in_one_sentence(header):
    """A Content-Type that could be read otherwise, or is no form, is refused in printable ASCII."""
    with pytest.raises(Refused) as caught:
        boundary_of(header)
    assert caught.value.denial.code is Code.FORM_INVALID
    assert re.fullmatch(r"[ -~]{1,400}", caught.value.denial.reason)


HEADS = {
    "a field": ([b'Content-Disposition: form-data; name="summary"'], PartHead("summary", None)),
    "the action": ([b'Content-Disposition: form-data; name=":action"'], PartHead(":action", None)),
    "a file": (
        [b'Content-Disposition: form-data; name="content"; filename="a-1.0+x.whl"'],
        PartHead("content", "a-1.0+x.whl"),
    ),
    "header names in small letters": ([b'content-disposition: form-data; name="x"'], PartHead("x", None)),
    "a type behind": (
        [b'Content-Disposition: form-data; name="content"; filename="a"', b"Content-Type: application/octet-stream"],
        PartHead("content", "a"),
    ),
    "a type before": ([b"Content-Type: text/plain", b'Content-Disposition: form-data; name="x"'], PartHead("x", None)),
    "a charset": (
        [b'Content-Disposition: form-data; name="x"', b'Content-Type: text/plain; charset="UTF-8"'],
        PartHead("x", None),
    ),
    "the longest of everything": (
        [b'Content-Disposition: form-data; name="%s"; filename="%s"' % (b"a" * 64, b"~" * 255)],
        PartHead("a" * 64, "~" * 255),
    ),
}


@pytest.mark.parametrize(("lines", "head"), HEADS.values(), ids=HEADS)
def test_plain_header_lines_are_read(lines, head):
    """What clients write is understood as they mean it."""
    assert part_head(lines, 1) == head


plain_heads = st.builds(
    PartHead, st.from_regex(FIELD_NAME, fullmatch=True), st.none() | st.from_regex(FILENAME, fullmatch=True)
)


def other_readers(line: str) -> set[tuple[str | None, str | None]]:
    """What multipart (two ways) and the standard library's email make of a Content-Disposition line."""
    value = line.partition(": ")[2]
    _, name, filename = parse_content_disposition(value)
    _, options = parse_options_header(value)
    message = email.message_from_string(line + "\n\n", policy=policy.compat32)
    by_email = dict(message.get_params(header="content-disposition"))
    return {
        (name, filename),
        (options.get("name"), options.get("filename")),
        (by_email.get("name"), by_email.get("filename")),
    }


def line_of(head: PartHead) -> str:
    """The head, written without any quoting."""
    filename = "" if head.filename is None else f'; filename="{head.filename}"'
    return f'Content-Disposition: form-data; name="{head.name}"{filename}'


@given(plain_heads)
def test_what_the_grammar_takes_all_readers_read_alike(head):
    """The grammar needs no quoting: written plainly, a name is the same to us and to three other readers."""
    line = line_of(head)
    assert part_head([line.encode()], 1) == head
    assert other_readers(line) == {(head.name, head.filename)}


@pytest.mark.parametrize("wider", ['a"b', "C:\\b", "a\\\\b", "a%22b"], ids=["quote", "backslash", "two", "percent"])
def test_a_wider_grammar_would_be_read_in_two_ways(wider):
    """Negative control: each character that the grammar leaves out makes two of those readers differ."""
    line = line_of(PartHead("content", wider))
    assert other_readers(line) != {("content", wider)}
    with pytest.raises(Refused):
        part_head([line.encode()], 1)


@given(st.binary(max_size=80))
def test_no_bytes_make_the_grammar_stumble(line):
    """Any line is either plain or refused, and a refusal is printable whatever stood in the line."""
    for lines in ([line], [b'Content-Disposition: form-data; name="x"', line]):
        try:
            head = part_head(lines, 4096)
        except Refused as refused:
            reason = refused.denial.reason
        else:
            reason = head.name
        assert re.fullmatch(r"[ -~]{1,400}", reason)
