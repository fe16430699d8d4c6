"""Upload bodies that must be refused, by what is wrong with them; `FORGIVEN` are those that the parser alone lets pass.

Each is small, so that it can be fed at every cut.
"""

from collections.abc import Mapping

from tests.backend.uploads import ACTION, CONTENT_TYPE, FILE, NAME, Upload, honest, of
from tests.peers.forms import BOUNDARY, Part

DASHED = b"--" + BOUNDARY.encode()
WHOLE = honest().body
LAST = DASHED + b"--\r\n"
assert WHOLE.endswith(LAST)


def said(disposition: str, value: bytes = b"x") -> Upload:
    """An honest form with one more part whose Content-Disposition is this."""
    return honest(Part("", value, disposition=disposition))


def headed(*more: str) -> Upload:
    """An honest form with one more part that has these headers besides."""
    return honest(Part("summary", b"x", more=more))


def raw_head(head: bytes) -> Upload:
    """An honest form with one more part whose head is these bytes, up to and with the empty line."""
    return Upload(WHOLE.replace(LAST, DASHED + b"\r\n" + head + b"x\r\n" + LAST))


def between(value: bytes) -> Upload:
    """An honest form with a text field of this value."""
    return honest(Part("summary", value))


PLAIN = b'Content-Disposition: form-data; name="summary"'

# What multipart's lenient mode takes without a word, so that only our rules stand in its way.
FORGIVEN: Mapping[str, Upload] = {
    "an empty line before the first boundary": Upload(b"\r\n" + WHOLE),
    "a preamble": Upload(b"This is a multi-part message.\r\n" + WHOLE),
    "text behind the last boundary": Upload(WHOLE + b"epilogue"),
    "one more byte behind the last line break": Upload(WHOLE + b"\n"),
    "a second line break at the end": Upload(WHOLE + b"\r\n"),
    "a lone CR at the end": Upload(WHOLE[:-1]),
    "a lone LF at the end": Upload(WHOLE[:-2] + b"\n"),
    "two other bytes for the last line break": Upload(WHOLE[:-2] + b"\r\r"),
    "a space behind the last boundary": Upload(WHOLE[:-2] + b" \r\n"),
    "a whole second form behind the first": Upload(WHOLE + WHOLE),
    "a long epilogue": Upload(WHOLE + b"x" * 2000),
    "a last boundary that goes on": Upload(WHOLE[:-2] + b"x\r\n" + WHOLE),
    "a folded header": raw_head(b'Content-Disposition: form-data;\r\n name="summary"\r\n\r\n'),
    "a header folded with a tab": raw_head(b'Content-Disposition:\r\n\tform-data; name="summary"\r\n\r\n'),
    "no space behind the header's colon": raw_head(b'Content-Disposition:form-data; name="summary"\r\n\r\n'),
    "two spaces behind the header's colon": raw_head(b'Content-Disposition:  form-data; name="summary"\r\n\r\n'),
    "a tab behind the header's colon": raw_head(b'Content-Disposition:\tform-data; name="summary"\r\n\r\n'),
    "a space before the header's colon": raw_head(b'Content-Disposition : form-data; name="summary"\r\n\r\n'),
    "a space behind the header": raw_head(PLAIN + b" \r\n\r\n"),
    "a semicolon behind the header": raw_head(PLAIN + b";\r\n\r\n"),
    "filename* beside filename": said('form-data; name="x"; filename="a"; filename*=UTF-8\'\'b'),
    "filename* alone": said("form-data; name=\"x\"; filename*=UTF-8''b"),
    "name* beside name": said("form-data; name*=UTF-8''x; name=\"x\""),
    "two names": said('form-data; name="x"; name="y"'),
    "two filenames": said('form-data; name="x"; filename="a"; filename="b"'),
    "the filename before the name": said('form-data; filename="a"; name="x"'),
    "an unknown parameter": said('form-data; name="x"; size="1"'),
    "a broken parameter": said('form-data; name="x"; =; filename="a'),
    "a name without quotes": said("form-data; name=x"),
    "a name in single quotes": said("form-data; name='x'"),
    "no name at all": said("form-data"),
    "an empty name": said('form-data; name=""'),
    "an escaped quote in a name": said(r'form-data; name="x\"y"'),
    "a percent sign in a name": said('form-data; name=":action%22; x=%22"'),
    "a name in capitals": said('form-data; name="Summary"'),
    "a name with a space": said('form-data; name="summary "'),
    "another name with a colon": said('form-data; name=":actions"'),
    "a name outside ASCII": said('form-data; name="\xc3\xa9"'),
    "a name of 65 letters": said(f'form-data; name="{"a" * 65}"'),
    "a backslash in a filename": said(r'form-data; name="content"; filename="a\b"'),
    "a percent sign in a filename": said('form-data; name="content"; filename="a%22"'),
    "a NUL in a filename": said('form-data; name="content"; filename="a\0"'),
    "an empty filename": said('form-data; name="content"; filename=""'),
    "a filename of 256 bytes": said(f'form-data; name="content"; filename="{"a" * 256}"'),
    "form-data in capitals": said('FORM-DATA; name="x"'),
    "a part Content-Length": headed("Content-Length: 1"),
    "a part Content-Transfer-Encoding": headed("Content-Transfer-Encoding: base64"),
    "an unknown part header": headed("X-Anything: 1"),
    "two Content-Disposition headers": headed('Content-Disposition: form-data; name="other"'),
    "two Content-Type headers": headed("Content-Type: text/plain", "Content-Type: text/plain"),
    "a part that is a form itself": headed("Content-Type: multipart/mixed"),
    "a part that is a form itself, by its charset": headed("Content-Type: multipart/mixed; charset=utf-8"),
    "a urlencoded part": headed("Content-Type: application/x-www-form-urlencoded"),
    "a urlencoded part in capitals": headed("Content-Type: Application/X-WWW-Form-URLencoded"),
    "a part that is a message": headed("Content-Type: message/rfc822"),
    "a part with a boundary of its own": headed("Content-Type: text/plain; boundary=x"),
    "a field in another charset": headed("Content-Type: text/plain; charset=utf-7"),
    "a field in a charset with a broken quote": headed('Content-Type: text/plain; charset="utf-8'),
    "a part type that is no type": headed("Content-Type: text"),
    "an LF-only delimiter in a field": between(b"x\n" + DASHED + b'\nContent-Disposition: form-data; name="y"\n\ny'),
    "a CR-only delimiter in a field": between(b"x\r" + DASHED + b'\rContent-Disposition: form-data; name="y"\r\ry'),
    "a delimiter where a field should begin": between(
        DASHED + b'\r\nContent-Disposition: form-data; name="y"\r\n\r\ny'
    ),
    "the boundary in the middle of a field": between(b"say " + DASHED + b" aloud"),
    "the boundary in the file": of(NAME, ACTION, Part("content", b"\n" + DASHED + b"\n", "evil-1.0.tar.gz")),
    "a second :action": honest(Part(":action", b"remove_pkg")),
    "a second :action that says the same": honest(ACTION),
    "a second name": honest(Part("name", b"evil")),
    "a second content": honest(Part("content", b"y", "victim-1.0.tar.gz")),
    "content without a filename": of(NAME, ACTION, Part("content", b"x")),
    "content as a file and as a field": honest(Part("content", b"x")),
    "a signature without a filename": honest(Part("gpg_signature", b"x")),
    "a signature of another file": honest(Part("gpg_signature", b"x", "victim-1.0.tar.gz.asc")),
    "two signatures": honest(*[Part("gpg_signature", b"x", "evil-1.0.tar.gz.asc")] * 2),
    "a filename on a text field": honest(Part("name", b"evil", "x")),
    "a file that no index asks for": honest(Part("other", b"x", "x")),
    "another file called like a signature": honest(Part("other", b"x", "evil-1.0.tar.gz.asc")),
    "no :action": of(NAME, FILE),
    "no file": of(NAME, ACTION),
    "an :action with a line break": of(NAME, Part(":action", b"file_upload\n"), FILE),
    "an empty :action": of(NAME, Part(":action", b""), FILE),
    "the action remove_pkg": of(NAME, Part(":action", b"remove_pkg"), FILE),
    "the action submit": of(NAME, Part(":action", b"submit"), FILE),
    "the action doc_upload": of(NAME, Part(":action", b"doc_upload"), FILE),
    "a NUL in a field": between(b"a\0b"),
    "a field that is not UTF-8": between(b"\xff"),
    "a field with half a character": between("é".encode()[:1]),
    "a field with a surrogate": between(b"\xed\xa0\x80"),
}

# What every parser refuses.
BROKEN: Mapping[str, Upload] = {
    "nothing": Upload(b""),
    "the first byte alone": Upload(b"-"),
    "the boundary's line alone": Upload(DASHED + b"\r\n"),
    "a form without parts": Upload(LAST),
    "a body without a boundary": Upload(b"hello"),
    "a first boundary with LF": Upload(WHOLE.replace(DASHED + b"\r\n", DASHED + b"\n", 1)),
    "a first boundary with a space behind it": Upload(WHOLE.replace(DASHED, DASHED + b" ", 1)),
    "a boundary in the middle with a space behind it": Upload(
        WHOLE.replace(b"evil\r\n" + DASHED, b"evil\r\n" + DASHED + b" ")
    ),
    "a boundary in the middle that goes on": Upload(WHOLE.replace(b"evil\r\n" + DASHED, b"evil\r\n" + DASHED + b"1")),
    "a boundary in the middle with LF": Upload(
        WHOLE.replace(b"evil\r\n" + DASHED + b"\r\n", b"evil\r\n" + DASHED + b"\n")
    ),
    "no last boundary": Upload(WHOLE.removesuffix(LAST)),
    "half a last boundary": Upload(WHOLE[:-3]),
    "another boundary than announced": Upload(WHOLE, CONTENT_TYPE + "x"),
    "the announced boundary's beginning": Upload(WHOLE, CONTENT_TYPE[:-1]),
    "line feeds for line ends": Upload(WHOLE.replace(b"\r\n", b"\n")),
    "a head with LF": raw_head(PLAIN + b"\n\n"),
    "a head without an end": raw_head(PLAIN + b"\r\n"),
    "a head of one endless line": raw_head(PLAIN + b"x" * 600),
    "a header line of 600 bytes": raw_head(PLAIN + b"x" * 600 + b"\r\n\r\n"),
    "a header line without a colon": raw_head(b"hello\r\n\r\n"),
    "three header lines": raw_head(PLAIN + b"\r\n" + PLAIN + b"\r\n" + PLAIN + b"\r\n\r\n"),
    "no header at all": raw_head(b"\r\n"),
    "a type and no disposition": raw_head(b"Content-Type: text/plain\r\n\r\n"),
    "another disposition": said('attachment; name="x"'),
    "a form in a part's header": raw_head(b"\r\n" + WHOLE),
}

HOSTILE = {**FORGIVEN, **BROKEN}
