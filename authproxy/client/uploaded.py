"""What an upload client is about to upload: these files, or whatever it builds first. One function for each client.

Each finds what its client finds, from the client's own defaults and options (read in the sources of twine 7.0, uv 0.13,
poetry 2.5, flit 4.2, hatch 1.18, pdm 2.29, devpi-client 7.3). A file too few is an upload that the proxy refuses, a
file too many is one more that the key is good for; neither is another key.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from authproxy.client.digests import named
from authproxy.client.words import Line
from authproxy.domain.names import SDIST_SUFFIXES, WHEEL_SUFFIX, Artifact, artifact
from authproxy.domain.refusal import Refused

# The files; None: the command builds them, and nobody has seen them yet.
Found = tuple[Path, ...] | None
Finder = Callable[[Line, Path], Found]

# They travel with the file that they belong to.
_BESIDE: Final = (".asc", ".attestation")
_DEVPI: Final = (".egg", ".tar", ".tar.bz2", ".tar.gz", ".tgz", ".whl", ".zip")
PROJECT_FILE: Final = "pyproject.toml"


def above(folder: Path, *names: str) -> Path:
    """Find the nearest folder, from this one upwards, that has one of these files; this one where none has."""
    for each in (folder, *folder.parents):
        if any((each / name).is_file() for name in names):
            return each
    return folder


def _files(paths: Iterable[Path], *suffixes: str) -> tuple[Path, ...]:
    return tuple(path for path in paths if path.is_file() and (not suffixes or path.name.endswith(suffixes)))


def twine(line: Line, folder: Path) -> Found:
    """`twine upload dist/*`."""
    return tuple(path for path in named(line.words[1:], folder) if not path.name.endswith(_BESIDE))


def uv(line: Line, folder: Path) -> Found:
    """`uv publish`, of dist/* where it is told of no files."""
    words = line.words[1:] or ("dist/*",)
    return tuple(path for path in _files(named(words, folder)) if not path.name.endswith(_BESIDE))


def flit(line: Line, folder: Path) -> Found:  # noqa: ARG001 - the signature of a Finder
    """`flit publish` always builds."""
    return None


def hatch(line: Line, folder: Path) -> Found:
    """`hatch publish`, of dist where it is told of no files; a folder stands for what lies in it."""
    places = [folder / word for word in line.words[1:] or ("dist",)]
    inside = [each for place in places for each in (sorted(place.iterdir()) if place.is_dir() else [place])]
    return _files(inside, WHEEL_SUFFIX, ".tar.gz")


def pdm(line: Line, folder: Path) -> Found:
    """`pdm publish --no-build`: all that lies in dist, older releases too."""
    if "--no-build" not in line.options:
        return None
    place = folder / (line.first("-d", "--dest") or "dist")
    return tuple(path for path in _files(sorted(place.glob("*"))) if not path.name.endswith(".asc"))


def poetry(line: Line, folder: Path) -> Found:
    """`poetry publish`: of what lies in dist the highest version of the project."""
    if "--build" in line.options:
        return None
    from packaging.version import Version

    place = folder / (line.first("--dist-dir") or "dist")
    project = project_of(folder)
    read = dict(_read(_files(sorted(place.glob("*")), WHEEL_SUFFIX, *SDIST_SUFFIXES)))
    ours = {path: each for path, each in read.items() if project in {None, str(each.project)}}
    latest = max((Version(each.version) for each in ours.values()), default=None)
    return tuple(path for path, each in ours.items() if Version(each.version) == latest)


def _read(paths: Iterable[Path]) -> Iterator[tuple[Path, Artifact]]:
    for path in paths:
        try:
            yield path, artifact(path.name)
        except Refused:
            continue


def devpi(line: Line, folder: Path) -> Found:
    """`devpi upload dist/*`, with folders where --from-dir says so; without files it builds."""
    if not line.words[1:]:
        return None
    found: list[Path] = []
    for word in line.words[1:]:
        place = folder / Path(word).expanduser()
        found += _files(sorted(place.rglob("*")), *_DEVPI) if place.is_dir() else _files([place])
    return tuple(found)


def project_of(folder: Path) -> str | None:
    """Read the name of the project in a folder, normalised; None where it is not written down."""
    import tomllib

    from authproxy.domain.names import project_name

    try:
        document = tomllib.loads((folder / PROJECT_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        document = {}
    tool = document.get("tool", {})
    flit_metadata = tool.get("flit", {}).get("metadata", {})
    names = (
        document.get("project", {}).get("name"),
        tool.get("poetry", {}).get("name"),
        flit_metadata.get("dist-name") or flit_metadata.get("module"),
        _setup_name(folder / "setup.cfg"),
    )
    try:
        return next((str(project_name(name)) for name in names if isinstance(name, str)), None)
    except Refused:
        return None


def _setup_name(path: Path) -> str | None:
    from configparser import ConfigParser
    from configparser import Error as ConfigError

    parser = ConfigParser(interpolation=None)
    try:
        parser.read(os.fspath(path), encoding="utf-8")
        return parser.get("metadata", "name", fallback=None)
    except (ConfigError, ValueError):
        return None
