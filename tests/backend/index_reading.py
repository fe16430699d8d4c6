"""How the real pypiserver reads an upload form, and what it then does to its files: its own code, called in this process.

`index_reads` is bottle's form reading (`request.forms`, `request.files`, on FieldStorage), `Index` the whole application.
"""

import io
import sys
import warnings
from collections.abc import Mapping
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path

from tests.backend.uploads import Upload

with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
    warnings.simplefilter("ignore")  # pypiserver imports cgi, which Python 3.11 deprecates
    import pypiserver
    from pypiserver.bottle_wrapper.bottle import BaseRequest

# bottle hooks itself into every import, in a way that Python warns of; here warnings are errors, in all tests after it.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != "_ImportRedirect"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What the index finds in a form: for each name, the values in order, and for each file field (filename, bytes)."""

    fields: Mapping[str, tuple[str, ...]]
    files: Mapping[str, tuple[tuple[str, bytes], ...]]


def environ_of(upload: Upload, announced: int | None = None) -> dict[str, object]:
    """The request as a WSGI server hands it to the index; `announced` is the length of a body that broke off."""
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "CONTENT_TYPE": upload.content_type,
        "CONTENT_LENGTH": str(len(upload.body) if announced is None else announced),
        "wsgi.input": io.BytesIO(upload.body),
        "wsgi.errors": io.StringIO(),
    }


def index_reads(upload: Upload) -> Reading:
    """Read a form as pypiserver's `update` does. Raises ValueError where FieldStorage does."""
    request = BaseRequest(environ_of(upload))
    try:
        fields = {name: tuple(request.forms.getall(name)) for name in request.forms}
        files = {
            name: tuple((file.raw_filename, file.file.read()) for file in request.files.getall(name))
            for name in request.files
        }
    finally:
        request.body.close()
    return Reading(fields, files)


class Index:
    """A pypiserver without passwords over a folder, as it stands behind the proxy."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._app = pypiserver.app(
            roots=[folder], authenticate=[], password_file=".", overwrite=True, backend_arg="simple-dir", verbosity=0
        )

    def start_over(self, files: Mapping[str, bytes]) -> None:
        """Hold these files and no others."""
        for path in self._folder.iterdir():
            path.unlink()
        for filename, content in files.items():
            (self._folder / filename).write_bytes(content)

    def post(self, upload: Upload, announced: int | None = None) -> str:
        """Send an upload; the status line of the answer."""
        said: list[str] = []
        environ = environ_of(upload, announced)
        answer = self._app(environ, lambda status, *_: said.append(status))
        list(answer)
        for stream in {environ["wsgi.input"], environ.get("bottle.request.body")} - {None}:
            stream.close()
        return said[0]

    def files(self) -> dict[str, bytes]:
        """All that the index holds."""
        return {path.name: path.read_bytes() for path in self._folder.iterdir()}
