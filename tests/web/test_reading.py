"""Every reading of an upload's names agrees, or it is refused."""

import pytest

from authproxy.backend.form import FilePart, Form
from authproxy.backend.pypiserver import PYPISERVER
from authproxy.domain.access import Access
from authproxy.domain.grants import Action
from authproxy.domain.refusal import Code, Refused
from authproxy.web.reading import access_of

WHEEL = "acme_core-1.0-py3-none-any.whl"


def form(filename: str = WHEEL, **changes: str | None) -> Form:
    """An honest form with some fields changed or, by None, left out."""
    fields = {"name": "Acme.Core", "version": "1.0", "filetype": "bdist_wheel", ":action": "file_upload"} | changes
    return Form(tuple((name, value) for name, value in fields.items() if value is not None), FilePart(filename, 5))


def test_a_form_becomes_an_access() -> None:
    """Names are normalised, the version is canonical, size and hash are those of the file."""
    access = access_of(form(), "0" * 64, PYPISERVER, "default")
    assert (access.action, access.index, access.project) == (Action.UPLOAD, "default", "acme-core")
    assert access.artifact is not None
    assert (access.artifact.filename, access.artifact.version) == (WHEEL, "1.0")
    assert (access.size, access.sha256) == (5, "0" * 64)


SAME: dict[str, dict[str, str]] = {
    "a name in any spelling": {"name": "ACME__core"},
    "a version in any spelling": {"version": "v1.0.0"},
    "an sdist": {"filename": "acme_core-1.0.tar.gz", "filetype": "sdist"},
}


@pytest.mark.parametrize("changes", SAME.values(), ids=SAME.keys())
def test_spellings_are_no_disagreement(changes: dict[str, str]) -> None:
    """The same wheel is called differently by each client (measured)."""
    assert isinstance(access_of(form(**changes), "0" * 64, PYPISERVER, "default"), Access)


DIFFERENT: dict[str, tuple[dict[str, str | None], Code]] = {
    "another name in the form": ({"name": "victim"}, Code.MISMATCH),
    "a name that only begins like the file's": ({"name": "acme"}, Code.MISMATCH),
    "no name": ({"name": None}, Code.FORM_INVALID),
    "a name in another script": ({"name": "acme-\u212aore"}, Code.NAME_INVALID),
    "another version in the form": ({"version": "1.1"}, Code.MISMATCH),
    "a version with a local part": ({"version": "1.0+local"}, Code.MISMATCH),
    "no version": ({"version": None}, Code.FORM_INVALID),
    "a version that is none": ({"version": "latest"}, Code.NAME_INVALID),
    "an sdist that says wheel": ({"filename": "acme_core-1.0.tar.gz"}, Code.MISMATCH),
    "a wheel that says sdist": ({"filetype": "sdist"}, Code.MISMATCH),
    "a wheel that says egg": ({"filetype": "bdist_egg"}, Code.MISMATCH),
    "no filetype": ({"filetype": None}, Code.FORM_INVALID),
    "a file of another project": ({"filename": "victim-1.0-py3-none-any.whl"}, Code.MISMATCH),
    "a file that pypiserver files elsewhere": (
        {"filename": "foo-bar-2x-1.0.tar.gz", "name": "foo-bar-2x", "filetype": "sdist"},
        Code.MISMATCH,
    ),
}


@pytest.mark.parametrize(("changes", "code"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_a_disagreement_is_refused(changes: dict[str, str | None], code: Code) -> None:
    """Whichever of the names an index goes by, the key was checked for that one."""
    changed = dict(changes)
    filename = changed.pop("filename", None) or WHEEL
    with pytest.raises(Refused) as caught:
        access_of(form(filename, **changed), "0" * 64, PYPISERVER, "default")
    assert caught.value.denial.code is code
