"""Wheels and sdists of any name, version and size, honest ones and lying ones, made without a build tool."""

import base64
import gzip
import hashlib
import io
import re
import tarfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

_EPOCH = 1_577_836_800  # 2020-01-01: the same bytes from every run, and a time that zip can write

_PYPROJECT = b'[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
_BACKEND = """import pathlib, zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    filename = "{stem}-{version}-py3-none-any.whl"
    inside = "{stem}-{version}.dist-info"
    with zipfile.ZipFile(pathlib.Path(folder) / filename, "w") as archive:
        archive.write("{stem}/__init__.py")
        archive.write("{stem}/payload.bin")
        archive.write("PKG-INFO", inside + "/METADATA")
        archive.writestr(inside + "/WHEEL", "Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr(inside + "/RECORD", "")
    return filename
"""


@dataclass(frozen=True, slots=True)
class Package:
    """A file that could be uploaded: what a client would say of it, and its bytes."""

    filename: str
    name: str
    version: str
    filetype: str  # as upload forms write it: bdist_wheel or sdist
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / self.filename
        path.write_bytes(self.content)
        return path


def metadata(name: str, version: str) -> bytes:
    """METADATA and PKG-INFO as PyPI's core metadata 2.1 wants them at least."""
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", "Summary: made by a test", "", ""]
    return "\n".join(lines).encode()


def wheel(
    name: str,
    version: str = "1.0",
    *,
    filename: str | None = None,
    claims: tuple[str, str] | None = None,
    payload: bytes = b"",
) -> Package:
    """A wheel that installs. `claims`: the name and version that METADATA says instead; `payload` goes into a module."""
    stem = re.sub(r"[-_.]+", "_", name)
    inside = f"{stem}-{version}.dist-info"
    members = {
        f"{stem}/__init__.py": f"__version__ = {version!r}\n".encode(),
        f"{stem}/payload.bin": payload,
        f"{inside}/METADATA": metadata(*(claims or (name, version))),
        f"{inside}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    members[f"{inside}/RECORD"] = _record(members, f"{inside}/RECORD")
    called = f"{stem}-{version}-py3-none-any.whl" if filename is None else filename
    return Package(called, name, version, "bdist_wheel", zipped(members))


def sdist(
    name: str,
    version: str = "1.0",
    *,
    filename: str | None = None,
    claims: tuple[str, str] | None = None,
    payload: bytes = b"",
) -> Package:
    """A source distribution that pip and uv can build without a network: it brings its own build backend (PEP 517)."""
    stem = re.sub(r"[-_.]+", "_", name)
    top = f"{stem}-{version}"
    members = {
        f"{top}/PKG-INFO": metadata(*(claims or (name, version))),
        f"{top}/pyproject.toml": _PYPROJECT,
        f"{top}/backend.py": _BACKEND.format(name=name, version=version, stem=stem).encode(),
        f"{top}/{stem}/__init__.py": f"__version__ = {version!r}\n".encode(),
        f"{top}/{stem}/payload.bin": payload,
    }
    return Package(f"{top}.tar.gz" if filename is None else filename, name, version, "sdist", tarred(members))


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, content in members.items():
            archive.writestr(zipfile.ZipInfo(path, time.gmtime(_EPOCH)[:6]), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def tarred(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        for path, content in members.items():
            member = tarfile.TarInfo(path)
            member.size, member.mtime = len(content), _EPOCH
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def _record(members: dict[str, bytes], own: str) -> bytes:
    rows = []
    for path, content in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(content)}")
    return "\n".join([*rows, f"{own},,", ""]).encode()
