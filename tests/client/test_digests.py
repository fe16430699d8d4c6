"""Files by their names on a command line."""

from hashlib import sha256
from pathlib import Path

import pytest

from authproxy.client.digests import digests_of, named, projects_of
from authproxy.client.errors import ClientError


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    for name in ("acme_core-1.0-py3-none-any.whl", "acme_core-1.0.tar.gz", "notes[1].txt"):
        (tmp_path / name).write_text(name)
    return tmp_path


def test_names_and_patterns_are_found(dist: Path) -> None:
    """A shell that finds nothing leaves the pattern; a name that is there is no pattern, whatever is in it."""
    assert [path.name for path in named(["notes[1].txt"], dist)] == ["notes[1].txt"]
    assert {path.name for path in named(["*.whl", "*.tar.gz"], dist)} == {
        "acme_core-1.0-py3-none-any.whl",
        "acme_core-1.0.tar.gz",
    }
    assert named(["*.egg", "missing"], dist) == []


def test_files_are_hashed_and_folders_refused(dist: Path) -> None:
    """Of a folder the sentence says how its files are named."""
    path = dist / "acme_core-1.0.tar.gz"
    assert digests_of([path]) == {sha256(path.read_bytes()).hexdigest()}
    with pytest.raises(ClientError, match=r"is a folder: name the files in it"):
        digests_of([dist])
    with pytest.raises(FileNotFoundError):
        digests_of([dist / "missing"])


def test_projects_are_read_off_filenames(dist: Path) -> None:
    """Normalised; a name that is none of a package says nothing."""
    assert projects_of(sorted(dist.iterdir())) == {"acme-core"}
