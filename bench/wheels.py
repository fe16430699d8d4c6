"""Wheels to upload, and the request that twine makes of one: its fields, its three digests, its part headers.

Every wheel is a valid one of its own version, since authproxy reads the metadata inside and the record knows a file by
(project, version, tags); its payload is random, so that nothing on the way can compress it.
"""

import hashlib
import io
import os
import zipfile
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import IO

BOUNDARY = "b3f2c1d09e8f4a6bb7c5d4e3f2a1b0c9"
PROJECT = "bench-wheel"
SMALL_WHEEL = 20 * 1024  # bytes: source and metadata, no binary, as most wheels of a private index are
LARGE_WHEEL = 1 << 30
OVERHEAD = 700  # bytes of zip and metadata around the payload
PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Upload:
    """A form in three pieces: what stands before the file, the file, what stands after it."""

    head: bytes
    file: bytes | Path
    tail: bytes

    @property
    def length(self) -> int:
        """Content-Length of the whole form, in bytes."""
        size = self.file.stat().st_size if isinstance(self.file, Path) else len(self.file)
        return len(self.head) + size + len(self.tail)

    def request_head(self, credential: str | None, target: str = "/") -> bytes:
        """The request line and the header fields; `credential` is user:password."""
        return (
            f"POST {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: twine/7.0.0\r\n"
            "Accept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\n"
            f"{authorization(credential)}Content-Length: {self.length}\r\n"
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
        ).encode()

    def request(self, credential: str | None, target: str = "/") -> bytes:
        """The whole request, for a small file."""
        file = self.file.read_bytes() if isinstance(self.file, Path) else self.file
        return b"".join((self.request_head(credential, target), self.head, file, self.tail))


def authorization(credential: str | None) -> str:
    """The Authorization line of user:password, or nothing."""
    return f"Authorization: Basic {b64encode(credential.encode()).decode()}\r\n" if credential else ""


def small(number: int, project: str = PROJECT) -> Upload:
    """A 20 KB wheel; another `number` is another version."""
    raw = io.BytesIO()
    write(raw, version(number), SMALL_WHEEL - OVERHEAD, project)
    return _form(number, raw.getvalue(), _digests(raw), project)


def large(number: int, path: Path) -> Upload:
    """A wheel of 1 GiB, written to `path`."""
    with path.open("w+b") as raw:
        write(raw, version(number), LARGE_WHEEL - OVERHEAD)
        return _form(number, path, _digests(raw))


def version(number: int) -> str:
    """The version that stands for a number."""
    return f"1.0.{number}"


def filename(number: int, project: str = PROJECT) -> str:
    """The wheel's filename for a number."""
    return f"{project.replace('-', '_')}-{version(number)}-py3-none-any.whl"


def write(raw: IO[bytes], written: str, payload: int, project: str = PROJECT) -> None:
    """Write a wheel of version `written` with one member of `payload` random bytes, stored and not compressed."""
    package = project.replace("-", "_")
    inside = f"{package}-{written}.dist-info"
    # one piece over and over: a stored member does not notice, and 1 GiB of urandom would take seconds
    piece = os.urandom(min(payload, PIECE))
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_STORED) as archive:
        with archive.open(f"{package}/blob.bin", "w") as member:
            for start in range(0, payload, PIECE):
                member.write(piece[: min(PIECE, payload - start)])
        archive.writestr(f"{inside}/METADATA", f"Metadata-Version: 2.1\nName: {project}\nVersion: {written}\n")
        archive.writestr(
            f"{inside}/WHEEL", "Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{inside}/RECORD", f"{package}/blob.bin,,\n")


def _digests(raw: IO[bytes]) -> dict[str, str]:
    md5, sha256, blake2 = hashlib.md5(), hashlib.sha256(), hashlib.blake2b(digest_size=32)
    raw.seek(0)
    while piece := raw.read(PIECE):
        md5.update(piece)
        sha256.update(piece)
        blake2.update(piece)
    return {
        "md5_digest": md5.hexdigest(),
        "sha256_digest": sha256.hexdigest(),
        "blake2_256_digest": blake2.hexdigest(),
    }


def _form(number: int, file: bytes | Path, digests: dict[str, str], project: str = PROJECT) -> Upload:
    fields = {
        "metadata_version": "2.1",
        "name": project,
        "version": version(number),
        "filetype": "bdist_wheel",
        "pyversion": "py3",
        **digests,
        ":action": "file_upload",
        "protocol_version": "1",
    }
    disposition = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name="
    parts = [f'{disposition}"{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
    named = f'{disposition}"content"; filename="{filename(number, project)}"'
    parts.append(f"{named}\r\nContent-Type: application/octet-stream\r\n\r\n")
    return Upload("".join(parts).encode(), file, f"\r\n--{BOUNDARY}--\r\n".encode())
