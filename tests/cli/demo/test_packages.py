"""The wheel and the sdist that the demo and the tests upload: valid, always the same, installable without a network."""

import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.metadata import Metadata
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from authproxy.cli.demo.packages import sdist, wheel

NAMES = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,10}[A-Za-z0-9])?", fullmatch=True)
VERSIONS = st.sampled_from(["1.0", "2.3.4", "1.0a1", "1.0.post2", "1!2.0", "0.1.dev3", "1.0+local.1"])


@given(NAMES, VERSIONS)
def test_the_filenames_and_the_metadata_name_one_project_and_version(name: str, version: str) -> None:
    """By the standards' own parsers both files are of the project and version that were asked for."""
    built_wheel, built_sdist = wheel(name, version), sdist(name, version)
    expected = (canonicalize_name(name), Version(version))
    assert parse_wheel_filename(built_wheel.filename)[:2] == expected
    assert parse_sdist_filename(built_sdist.filename) == expected
    base = built_sdist.filename.removesuffix(".tar.gz")
    with zipfile.ZipFile(io.BytesIO(built_wheel.content)) as archive:
        inner = [archive.read(f"{base}.dist-info/METADATA")]
    with tarfile.open(fileobj=io.BytesIO(built_sdist.content)) as archive:
        member = archive.extractfile(f"{base}/PKG-INFO")
        assert member is not None
        inner.append(member.read())
    for raw in inner:
        metadata = Metadata.from_email(raw)
        assert (canonicalize_name(metadata.name), metadata.version) == expected


def test_the_same_arguments_give_the_same_bytes() -> None:
    """Nothing of the clock, the machine or a random source is in them; a payload is."""
    for write in (wheel, sdist):
        plain = write("acme-core", "1.0")
        assert plain == write("acme-core", "1.0")
        assert plain.content != write("acme-core", "1.0", payload={"extra.bin": b"x"}).content
        assert len(plain.sha256) == 64


@pytest.mark.parametrize("write", [wheel, sdist], ids=["wheel", "sdist"])
def test_pip_installs_it_without_a_network(write: type, tmp_path: Path) -> None:
    """pip accepts the wheel, and builds the sdist with the backend that the sdist brings along."""
    path = write("Acme.Core", "1.0").write(tmp_path)
    target = tmp_path / "target"
    argv = ["install", "--isolated", "--no-index", "--no-deps", "--no-cache-dir", "--target", str(target), str(path)]
    ended = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *argv],
        capture_output=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
    )
    assert ended.returncode == 0, ended.stderr.decode()
    with zipfile.ZipFile(io.BytesIO(wheel("Acme.Core", "1.0").content)) as sent:
        assert (target / "acme_core/__init__.py").read_bytes() == sent.read("acme_core/__init__.py")
