"""How the real devpi reads an upload form and a filename, and what it then holds: its own code, called in this process.

`index_reads` is its form reading (WebOb's `request.POST`, on FieldStorage), `lands` its checks of name, version and
filename in the order of its view, `Stage` the whole application over one index.
"""

import io
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tests.backend.uploads import Upload

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # WebOb imports cgi, which Python 3.11 deprecates
    from devpi_common.metadata import splitbasename
    from devpi_common.validation import validate_metadata
    from devpi_server.config import get_pluginmanager, parseoptions
    from devpi_server.filestore import get_hashes
    from devpi_server.main import xom_from_config
    from devpi_server.normalized import normalize_name
    from devpi_server.views import abort_if_invalid_filename, version_in_filename
    from pyramid.httpexceptions import HTTPException
    from pyramid.interfaces import IRoutesMapper
    from pyramid.request import Request

from tests.backend.index_reading import Reading

INDEX = "team/dev"
TARGET = f"/{INDEX}/"
# Project, release and filename to the bytes; under no filename, the summary of the release.
Held = Mapping[tuple[str, str, str], bytes]

__all__ = ["INDEX", "TARGET", "Held", "Stage", "index_reads", "lands", "splitbasename", "stage"]


def environ_of(upload: Upload, target: str = TARGET, announced: int | None = None) -> dict[str, Any]:
    """The request as waitress hands it to devpi; `announced` is the length of a body that broke off."""
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": target,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "HTTP_HOST": "localhost",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "CONTENT_TYPE": upload.content_type,
        "CONTENT_LENGTH": str(len(upload.body) if announced is None else announced),
        "wsgi.input": io.BytesIO(upload.body),
        "wsgi.errors": io.StringIO(),
    }


def index_reads(upload: Upload) -> Reading:
    """Read a form as devpi's `submit` does. Raises ValueError where FieldStorage does."""
    fields: dict[str, tuple[str, ...]] = {}
    files: dict[str, tuple[tuple[str, bytes], ...]] = {}
    posted = Request(environ_of(upload)).POST
    for name in posted:
        values = posted.getall(name)
        fields |= {name: tuple(value for value in values if isinstance(value, str))}
        files |= {name: tuple((value.filename, value.file.read()) for value in values if not isinstance(value, str))}
    return Reading({k: v for k, v in fields.items() if v}, {k: v for k, v in files.items() if v})


def lands(name: str, version: str, filename: str) -> tuple[str, str] | None:
    """Where devpi puts an upload, by the checks of its own view; None where it refuses one."""
    try:
        if not version_in_filename(version, filename):
            return None
        abort_if_invalid_filename(Request(environ_of(Upload(b""))), name, filename)
        validate_metadata({"name": name, "version": version})
    except (HTTPException, ValueError):
        return None
    return str(normalize_name(name)), version


@dataclass(frozen=True)
class Stage:
    """One volatile index that takes uploads from everybody, as it stands behind the proxy, which asks for a key."""

    xom: Any
    app: Any

    def post(self, upload: Upload, target: str = TARGET, announced: int | None = None) -> str:
        """Send an upload; the status line of the answer."""
        said: list[str] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its own, of its own libraries
            try:
                list(self.app(environ_of(upload, target, announced), lambda status, *_: said.append(status)))
            except Exception as exc:  # noqa: BLE001 - waitress makes a 500 of whatever it is
                return f"500 {exc}"
        return said[0]

    def route(self, method: str, target: str) -> tuple[str, dict[str, str]]:
        """The route that devpi takes for a raw target, as waitress hands it over, and what it finds in it."""
        path, _, query = target.partition("?")
        environ = {"REQUEST_METHOD": method, "PATH_INFO": unquote(path, "latin-1"), "QUERY_STRING": query}
        environ |= {"HTTP_HOST": "localhost", "wsgi.url_scheme": "http", "HTTP_ACCEPT": "application/json"}
        found = self.app.app.registry.queryUtility(IRoutesMapper)(Request(environ))
        return (found["route"].name, found["match"]) if found["route"] else ("", {})

    def start_over(self, held: Held) -> None:
        """Hold these releases and no others; each comes with its summary first."""
        with self.xom.keyfs.write_transaction():
            here = self.xom.model.getstage(INDEX)
            for project in list(here.list_projects_perstage()):
                here.del_project(project)
            for (project, version, filename), content in held.items():
                if filename:
                    here.store_releasefile(project, version, filename, content, hashes=get_hashes(content))
                else:
                    here.set_versiondata({"name": project, "version": version, "summary": content.decode()})

    def held(self) -> Held:
        """All that the index holds."""
        with self.xom.keyfs.read_transaction():
            here = self.xom.model.getstage(INDEX)
            found: dict[tuple[str, str, str], bytes] = {}
            for project in here.list_projects_perstage():
                for version in here.list_versions_perstage(project):
                    links = here.get_linkstore_perstage(project, version).get_links()
                    found |= {(project, version, link.basename): link.entry.file_get_content() for link in links}
                    summary = here.get_versiondata_perstage(project, version).get("summary", "")
                    found[project, version, ""] = summary.encode()
            return found


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """A devpi in this process."""
    init = [Path(sys.executable).parent / "devpi-init", "--serverdir", folder, "--no-root-pypi"]
    subprocess.run(init, check=True, capture_output=True, timeout=60)
    # The secret of its session tokens is hashed at the start; nobody logs in here.
    cheap = ["--argon2-memory-cost", "8", "--argon2-time-cost", "1", "--argon2-parallelism", "1"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = ["devpi-server", "--serverdir", str(folder), "--offline-mode", "--requests-only", *cheap]
        config = parseoptions(get_pluginmanager(), options)
        config.init_nodeinfo()
        xom = xom_from_config(config)
        made = Stage(xom, xom.create_app())
        with xom.keyfs.write_transaction():
            user = xom.model.create_user("team", password=None)
            user.create_stage("dev", type="stage", bases=(), volatile=True, acl_upload=[":ANONYMOUS:"])
    yield made
