"""A wheel and an sdist, written by the standard library alone: what the demo uploads, and the tests.

The sdist carries this very file as its build backend (PEP 517, `backend-path`), with no build requirements: pip and
uv can build and install it on a machine that reaches no package index. So nothing but the standard library may be
imported here. The same arguments always give the same bytes.
"""

import base64
import gzip
import hashlib
import io
import re
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# The first moment that a zip archive can express.
_EPOCH = (1980, 1, 1, 0, 0, 0)

_PYPROJECT = """\
[build-system]
requires = []
build-backend = "packages"
backend-path = ["."]
"""


@dataclass(frozen=True)
class Distribution:
    """One file as a client would upload it."""

    filename: str
    content: bytes

    @property
    def sha256(self) -> str:
        """The digest, as lower-case hex."""
        return hashlib.sha256(self.content).hexdigest()

    def write(self, directory: Path) -> Path:
        """Write the file and return its path."""
        path = directory / self.filename
        path.write_bytes(self.content)
        return path


def _escaped(name: str) -> str:
    """The name as the filename of a wheel or sdist has it (PEP 427, PEP 625)."""
    return re.sub(r"[-_.]+", "_", name).lower()


def _metadata(name: str, version: str) -> bytes:
    return (
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        f"Summary: An example package of authproxy\nRequires-Python: >=3.8\n"
    ).encode()


def _module(name: str, version: str) -> bytes:
    return f'"""{name}, an example package of authproxy."""\n\n__version__ = "{version}"\n'.encode()


def wheel(name: str, version: str, *, payload: Mapping[str, bytes] | None = None) -> Distribution:
    """Write `<name>-<version>-py3-none-any.whl`; `payload` adds files inside the package, by path."""
    base = f"{_escaped(name)}-{version}"
    members = {
        f"{_escaped(name)}/__init__.py": _module(name, version),
        **{f"{_escaped(name)}/{path}": content for path, content in (payload or {}).items()},
        f"{base}.dist-info/METADATA": _metadata(name, version),
        f"{base}.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: authproxy\n"
        b"Root-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{base}.dist-info/RECORD"
    lines = [f"{path},sha256={_record_digest(content)},{len(content)}\n" for path, content in members.items()]
    members[record] = ("".join(lines) + f"{record},,\n").encode()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
        for path, content in members.items():
            entry = zipfile.ZipInfo(path, _EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            writer.writestr(entry, content)
    return Distribution(f"{base}-py3-none-any.whl", archive.getvalue())


def _record_digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def sdist(name: str, version: str, *, payload: Mapping[str, bytes] | None = None) -> Distribution:
    """Write `<name>-<version>.tar.gz`; `payload` adds files, by path. It builds a wheel without any requirement."""
    base = f"{_escaped(name)}-{version}"
    members = {
        "PKG-INFO": _metadata(name, version),
        "pyproject.toml": _PYPROJECT.encode(),
        "packages.py": Path(__file__).read_bytes(),
        **(payload or {}),
    }
    archive = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=archive, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as writer,
    ):
        for path, content in members.items():
            entry = tarfile.TarInfo(f"{base}/{path}")
            entry.size = len(content)
            entry.mode = 0o644
            writer.addfile(entry, io.BytesIO(content))
    return Distribution(f"{base}.tar.gz", archive.getvalue())


# The two hooks that PEP 517 asks of a build backend; an installer calls them inside the unpacked sdist.


def build_wheel(
    wheel_directory: str,
    config_settings: object = None,  # noqa: ARG001 - PEP 517 names the arguments
    metadata_directory: object = None,  # noqa: ARG001
) -> str:
    """Build the wheel of the sdist in the working directory and return its filename."""
    return wheel(*_unpacked()).write(Path(wheel_directory)).name


def build_sdist(sdist_directory: str, config_settings: object = None) -> str:  # noqa: ARG001
    """Build the sdist of the sdist in the working directory and return its filename."""
    return sdist(*_unpacked()).write(Path(sdist_directory)).name


def _unpacked() -> tuple[str, str]:
    lines = dict(line.split(": ", 1) for line in Path("PKG-INFO").read_text(encoding="utf-8").splitlines())
    return lines["Name"], lines["Version"]
