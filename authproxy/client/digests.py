"""Files as a command line names them: which they are, and their SHA-256."""

import hashlib
from collections.abc import Iterable
from glob import glob
from pathlib import Path

from authproxy.client.errors import ClientError
from authproxy.domain.names import SDIST_SUFFIXES, WHEEL_SUFFIX, ProjectName, project_name
from authproxy.domain.refusal import Refused


def named(words: Iterable[str], folder: Path) -> list[Path]:
    """Find the files that the words name, seen from `folder`; a word that names none may be a pattern, as for twine."""
    found: list[Path] = []
    for word in words:
        path = folder / word
        found += [path] if path.exists() else sorted(Path(each) for each in glob(str(path)))  # noqa: PTH207 - the words of twine
    return found


def sha256_of(path: Path) -> str:
    """Hash a file. Raises OSError."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digests_of(paths: Iterable[Path]) -> frozenset[str]:
    """Hash files. Raises ClientError for a folder, OSError for what cannot be read."""
    found = set()
    for path in paths:
        if path.is_dir():
            raise ClientError(f"{path} is a folder: name the files in it, as in {path}/*")
        found.add(sha256_of(path))
    return frozenset(found)


def projects_of(paths: Iterable[Path]) -> frozenset[ProjectName]:
    """Read the projects off the names of files; a name that cannot be read says nothing, and the proxy refuses it."""
    found = set()
    for path in paths:
        try:
            found.add(project_name(_project_in(path.name)))
        except Refused:
            continue
    return frozenset(found)


def _project_in(filename: str) -> str:
    """Where a project's name stands in a filename. Whether the rest is right takes packaging, and is the proxy's."""
    if filename.endswith(WHEEL_SUFFIX):
        return filename.partition("-")[0]
    suffix = next((each for each in SDIST_SUFFIXES if filename.endswith(each)), None)
    return "" if suffix is None else filename.removesuffix(suffix).rpartition("-")[0]
