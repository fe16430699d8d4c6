"""Record what real clients send when they upload: `python -m tests.vectors.capture_uploads OUT BIN...`.

Each BIN is a folder of executables, of one virtual environment; every client found there uploads one small project to a
server on loopback. OUT receives one JSON document per request: the client, the Content-Type, the body. Credentials
travel in a header and are not recorded. A new version of a client adds files; files that are there are never replaced,
because they are what the form's tests promise to read.
"""

import base64
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.peers.packages import tarred, zipped
from tests.peers.programs import clean_environment
from tests.peers.recording import Reply, Seen, recording_index

PATIENCE = 120.0  # seconds for one client; poetry and pdm take about two
USAGE = 2  # the exit code of a client that does not know an option
USER, PASSWORD = "__token__", "not-a-password"

DESCRIPTION = "# A vector\n\nNaïve façade: ünïcödé, 日本語, 🐍.\n\n--not-a-boundary\n\n" + "A line of a README.\n" * 40
PYPROJECT = """
[build-system]
requires = ["flit_core >=3.11"]
build-backend = "flit_core.buildapi"

[project]
name = "Vector.Pkg"
version = "1.0"
description = "A vector: naïve façade"
readme = "README.md"
requires-python = ">=3.9"
license = "MIT"
authors = [{name = "Zoë Ünïcode", email = "zoe@example.com"}]
keywords = ["one", "two"]
classifiers = ["Programming Language :: Python :: 3", "Topic :: System :: Software Distribution"]
dependencies = ["packaging>=24", "click; python_version >= '3.9'"]

[project.optional-dependencies]
more = ["rich"]

[project.urls]
Homepage = "https://example.com/vector?a=1&b=2"
Changelog = "https://example.com/changes"

[tool.flit.module]
name = "vector_pkg"
"""
METADATA = f"""\
Metadata-Version: 2.1
Name: Vector.Pkg
Version: 1.0
Summary: A vector: naïve façade
Author-email: Zoë Ünïcode <zoe@example.com>
License: MIT
Keywords: one,two
Classifier: Programming Language :: Python :: 3
Classifier: Topic :: System :: Software Distribution
Requires-Python: >=3.9
Requires-Dist: packaging>=24
Requires-Dist: click; python_version >= '3.9'
Requires-Dist: rich; extra == 'more'
Provides-Extra: more
Project-URL: Homepage, https://example.com/vector?a=1&b=2
Project-URL: Changelog, https://example.com/changes
Description-Content-Type: text/markdown

{DESCRIPTION}"""
WHEEL = "vector_pkg-1.0-py3-none-any.whl"
SDIST = "vector_pkg-1.0.tar.gz"
SIGNED = b"-----BEGIN PGP SIGNATURE-----\n\nbm90IGEgc2lnbmF0dXJl\n=abcd\n-----END PGP SIGNATURE-----\n"
ATTESTED = b'{"version": 1, "verification_material": {}, "envelope": {"statement": "e30=", "signature": "e30="}}'


def project(folder: Path, *, extras: bool) -> Path:
    """One project that every client understands, with its two files in dist/, signed and attested if `extras`."""
    (folder / "vector_pkg").mkdir(parents=True)
    (folder / "vector_pkg" / "__init__.py").write_text('"""A vector."""\n', encoding="utf-8")
    (folder / "README.md").write_text(DESCRIPTION, encoding="utf-8")
    (folder / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    inside = "vector_pkg-1.0.dist-info"
    members = {
        "vector_pkg/__init__.py": b'"""A vector."""\n',
        f"{inside}/METADATA": METADATA.encode(),
        f"{inside}/WHEEL": b"Wheel-Version: 1.0\nGenerator: vector\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{inside}/RECORD": b"",
    }
    sources = {"vector_pkg-1.0/PKG-INFO": METADATA.encode(), "vector_pkg-1.0/pyproject.toml": PYPROJECT.encode()}
    dist = folder / "dist"
    dist.mkdir()
    for filename, content in ((WHEEL, zipped(members)), (SDIST, tarred(sources))):
        (dist / filename).write_bytes(content)
        if extras:
            (dist / f"{filename}.asc").write_bytes(SIGNED)
            (dist / f"{filename}.publish.attestation").write_bytes(ATTESTED)
    return folder


def commands(url: str) -> Mapping[str, Callable[[str], list[list[str]]]]:
    """How each client is asked to upload what lies in dist/; the argument is the client's executable."""
    files = [f"dist/{WHEEL}", f"dist/{SDIST}"]
    login = ["-u", USER, "-p", PASSWORD]
    return {
        "twine": lambda exe: [[exe, "upload", "--non-interactive", "--repository-url", url, *login, *files]],
        "uv": lambda exe: [[exe, "publish", "--trusted-publishing", "never", "--publish-url", url, *login, *files]],
        "poetry": lambda exe: [[exe, "config", "repositories.here", url], [exe, "publish", "-n", "-r", "here", *login]],
        "flit": lambda exe: [[exe, "publish"]],
        "hatch": lambda exe: [[exe, "publish", "-n", "-r", url, "-u", USER, "-a", PASSWORD, *files]],
        "pdm": lambda exe: [[exe, "publish", "--no-build", "-r", url, "-u", USER, "-P", PASSWORD]],
    }


def signed_commands(url: str) -> Mapping[str, Callable[[str], list[list[str]]]]:
    """The same for a file that brings a signature or attestations."""
    login = ["-u", USER, "-p", PASSWORD]
    all_of = [f"dist/{WHEEL}{ending}" for ending in ("", ".asc", ".publish.attestation")]
    twine = ["upload", "--attestations", "--non-interactive", "--repository-url", url, *login, *all_of]
    uv = ["publish", "--trusted-publishing", "never", "--publish-url", url, *login, *all_of]
    return {"twine": lambda exe: [[exe, *twine]], "uv": lambda exe: [[exe, *uv]]}


def uploads_of(exe: Path, *, extras: bool) -> Iterator[Seen]:
    """The requests that one client makes to upload the project."""
    with tempfile.TemporaryDirectory() as folder, recording_index() as index:
        index.answer = lambda seen: Reply(200) if seen.method == "POST" else Reply(404)
        there = project(Path(folder) / "project", extras=extras)
        table = (signed_commands if extras else commands)(index.url)
        flit = {"FLIT_INDEX_URL": index.url, "FLIT_USERNAME": USER, "FLIT_PASSWORD": PASSWORD}
        path = f"{exe.parent}:/usr/bin:/bin"
        env = clean_environment(Path(folder), PATH=path, PYTHON_KEYRING_BACKEND="keyring.backends.null.Keyring", **flit)
        for argv in table[exe.name](str(exe)) if exe.name in table else ():
            ran = subprocess.run(argv, cwd=there, env=env, capture_output=True, timeout=PATIENCE, check=False)
            if ran.returncode == USAGE and extras:
                return  # an older client that knows no attestations
            if ran.returncode:
                sys.exit(f"{argv[0]}: {ran.stdout.decode()}{ran.stderr.decode()}")
        yield from index.uploads


def version_of(exe: Path) -> str:
    """The version that a client says it has."""
    said = subprocess.run([exe, "--version"], capture_output=True, timeout=PATIENCE, check=True).stdout.decode()
    found = re.search(r"\d+\.\d+(?:\.\d+)*", said)
    assert found is not None, said
    return found[0]


def main(out: Path, bins: list[Path]) -> None:
    """Ask every client of every folder."""
    for exe in (folder / name for folder in bins for name in commands("") if (folder / name).exists()):
        for extras in (False, True):
            for seen in uploads_of(exe, extras=extras):
                kind = "wheel" if WHEEL.encode() in seen.body else "sdist"
                client = f"{exe.name}-{version_of(exe)}"
                path = out / f"{client}-{kind}{'-signed' if extras else ''}.json"
                body = base64.encodebytes(seen.body).decode("ascii").splitlines()
                document = {"client": client, "content_type": seen.header("Content-Type"), "body": body}
                if not path.exists():
                    path.write_text(json.dumps(document, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(folder).resolve() for folder in sys.argv[2:]])
