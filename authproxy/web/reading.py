"""The form becomes an Access: whatever names the project or the version, all say the same, or it is refused.

An index files an upload by one of these names; which one differs from index to index (pypiserver reads the filename
alone, devpi goes by `name` and `version`; measured). So none is trusted alone.
"""

from typing import Final

from authproxy.backend.flavour import Flavour, agree
from authproxy.backend.form import Form
from authproxy.domain.access import Access
from authproxy.domain.grants import Action
from authproxy.domain.names import Filetype, artifact, project_name, same_version, version_text
from authproxy.domain.refusal import Code, quoted, refuse

# What the legacy upload API calls the two filetypes that we take.
FILETYPES: Final = {Filetype.WHEEL: "bdist_wheel", Filetype.SDIST: "sdist"}


def access_of(form: Form, sha256: str, flavour: Flavour, index: str) -> Access:
    """Read the one project, version and file that this form is about. Raises Refused (name-invalid, mismatch)."""
    file = artifact(form.content.filename)
    name, version, filetype = _field(form, "name"), _field(form, "version"), _field(form, "filetype")
    if project_name(name) != file.project:
        raise refuse(
            Code.MISMATCH,
            f"the form's name {quoted(name)} is not the project {quoted(file.project)} of the file "
            f"{quoted(file.filename)}",
        )
    if not same_version(version_text(version), file.version):
        raise refuse(
            Code.MISMATCH,
            f"the form's version {quoted(version)} is not the version {quoted(file.version)} of the file "
            f"{quoted(file.filename)}",
        )
    if filetype != FILETYPES[file.filetype]:
        raise refuse(
            Code.MISMATCH,
            f"the form's filetype {quoted(filetype)} does not fit {quoted(file.filename)}, "
            f"send {FILETYPES[file.filetype]}",
        )
    agree(flavour, file, name, version)
    return Access(Action.UPLOAD, index, file.project, file, form.content.size, sha256)


def _field(form: Form, name: str) -> str:
    value = form.one(name)
    if value is None:
        raise refuse(Code.FORM_INVALID, f"the form has no field {name!r}, every upload client sends one")
    return value
