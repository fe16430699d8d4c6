"""Upload requests as clients write them, and as they should not.

The shape is the one all upload clients share (docs say twine, uv, flit, hatch, poetry and pdm do): one POST, CRLF,
Content-Length, plain quoted names, Basic credentials at once.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.peers.packages import Package
from tests.peers.wire import basic, head

BOUNDARY = "7c1b9d2f0a4e4a6f8f3d"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a form. `disposition` replaces the whole header's value; `more` are headers after it."""

    name: str
    value: bytes
    filename: str | None = None
    disposition: str | None = None
    more: tuple[str, ...] = ()

    def encode(self) -> bytes:
        said = f'form-data; name="{self.name}"' + (f'; filename="{self.filename}"' if self.filename is not None else "")
        lines = [f"Content-Disposition: {self.disposition or said}", *self.more]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.value


def fields_of(package: Package) -> dict[str, str]:
    """The text fields that matter, in twine's spelling."""
    return {
        ":action": "file_upload",
        "protocol_version": "1",
        "name": package.name,
        "version": package.version,
        "filetype": package.filetype,
        "pyversion": "source" if package.filetype == "sdist" else "py3",
        "metadata_version": "2.1",
        "summary": "made by a test",
        "sha256_digest": package.sha256,
    }


def parts_of(package: Package, **changes: str | None) -> list[Part]:
    """The parts of an honest upload; `changes` replaces fields by name (`action` is `:action`), None leaves one out."""
    fields: dict[str, str | None] = {**fields_of(package)}
    fields |= {":action" if name == "action" else name: value for name, value in changes.items()}
    parts = [Part(name, value.encode()) for name, value in fields.items() if value is not None]
    return [*parts, file_part(package)]


def file_part(package: Package) -> Part:
    return Part("content", package.content, package.filename, more=("Content-Type: application/octet-stream",))


def body_of(parts: Iterable[Part], boundary: str = BOUNDARY) -> bytes:
    mark = b"--" + boundary.encode()
    return b"".join(mark + b"\r\n" + part.encode() + b"\r\n" for part in parts) + mark + b"--\r\n"


def post(
    body: bytes,
    *,
    key: str | None,
    target: str = "/",
    content_type: str = f"multipart/form-data; boundary={BOUNDARY}",
    more: Iterable[tuple[str, str]] = (),
) -> bytes:
    """A whole upload request. `key` None sends no credential."""
    credential = [] if key is None else [("Authorization", basic("__token__", key))]
    framing = [("Content-Type", content_type), ("Content-Length", str(len(body)))]
    return head("POST", target, [*credential, *framing, *more]) + body


def upload(package: Package, key: str | None, **changes: str | None) -> bytes:
    """An honest upload of `package`, with form fields changed as in `parts_of`."""
    return post(body_of(parts_of(package, **changes)), key=key)
