"""The form that deletes: three fields, no file, and only where the index deletes by form."""

import pytest

from authproxy.backend.form import FormDecoder, FormLimits, RemovalForm
from authproxy.domain.refusal import Code, Refused
from tests.peers.forms import BOUNDARY, Part, body_of, file_part, parts_of
from tests.peers.packages import wheel

ACTION, NAME, VERSION = Part(":action", b"remove_pkg"), Part("name", b"acme-core"), Part("version", b"1.0")
WHEEL = wheel("acme-core")


class Nowhere:
    """A spool for forms without a file."""

    def write(self, piece: bytes) -> None:
        """Forget it."""


def read(parts: list[Part], *, removals: bool = True, step: int = 1 << 20) -> object:
    """What a body of these parts is, fed in pieces."""
    decoder = FormDecoder(BOUNDARY, Nowhere(), FormLimits(1 << 20), removals=removals)
    body = body_of(parts)
    for at in range(0, len(body), step):
        decoder.feed(body[at : at + step])
    return decoder.removal() or decoder.finish()


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_a_delete_is_read(step: int) -> None:
    """In any order of its fields, and however the body is cut."""
    for parts in ([ACTION, NAME, VERSION], [VERSION, NAME, ACTION]):
        assert read(parts, step=step) == RemovalForm("acme-core", "1.0")


REFUSED = {
    "with a file": [ACTION, NAME, VERSION, file_part(WHEEL)],
    "with a whole upload": parts_of(WHEEL, action="remove_pkg"),
    "with a field more": [ACTION, NAME, VERSION, Part("summary", b"x")],
    "with a name of its own": [ACTION, NAME, VERSION, Part("Name", b"victim")],
    "without a version": [ACTION, NAME],
    "without a name": [ACTION, VERSION],
    "alone": [ACTION],
    "with two names": [ACTION, NAME, NAME, VERSION],
    "with two versions": [ACTION, NAME, VERSION, VERSION],
    "twice over": [ACTION, ACTION, NAME, VERSION],
    "after an upload": [*parts_of(WHEEL), ACTION],
    "before an upload": [ACTION, *parts_of(WHEEL)],
    "doc_upload": [Part(":action", b"doc_upload"), NAME, VERSION],
    "in capitals": [Part(":action", b"REMOVE_PKG"), NAME, VERSION],
    "with a NUL": [ACTION, Part("name", b"acme\0"), VERSION],
}


@pytest.mark.parametrize("parts", REFUSED.values(), ids=REFUSED.keys())
def test_what_asks_for_more_is_refused(parts: list[Part]) -> None:
    """A delete that could be read as something else, or an upload that could be read as a delete, is neither."""
    with pytest.raises(Refused) as caught:
        read(parts)
    assert caught.value.denial.code is Code.FORM_INVALID


def test_a_delete_is_never_finished_as_an_upload() -> None:
    """Whoever forgets to ask for the delete gets a refusal, not a form whose action we would write anew."""
    decoder = FormDecoder(BOUNDARY, Nowhere(), FormLimits(1 << 20), removals=True)
    decoder.feed(body_of(parts_of(WHEEL, action="remove_pkg")))
    with pytest.raises(Refused):
        decoder.finish()


def test_half_a_delete_is_none() -> None:
    """A body that ends early deletes nothing, wherever it ends."""
    body = body_of([ACTION, NAME, VERSION])
    for end in range(len(body) - 2):
        decoder = FormDecoder(BOUNDARY, Nowhere(), FormLimits(1 << 20), removals=True)
        with pytest.raises(Refused):  # noqa: PT012 - where it is noticed depends on where it ends
            decoder.feed(body[:end])
            assert decoder.removal() is None
            decoder.finish()


def test_where_no_form_deletes_none_does() -> None:
    """The default: an index that deletes otherwise, or not at all."""
    with pytest.raises(Refused) as caught:
        read([ACTION, NAME, VERSION], removals=False)
    assert "takes file_upload only" in caught.value.denial.reason


def test_uploads_are_read_as_before() -> None:
    """The control of the refusals: with deletes opened, an upload is an upload."""
    assert not isinstance(read(parts_of(WHEEL)), RemovalForm)
