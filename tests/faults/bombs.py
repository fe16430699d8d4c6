"""Requests that are small and would cost much: each is made for a key that may upload, and has its bytes and no more."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.peers.forms import BOUNDARY, Part, body_of, file_part, parts_of, post
from tests.peers.packages import Package, sdist, wheel
from tests.peers.wire import basic, get, head

LARGE = 400_000_000  # bytes that a bomb would become


@dataclass(frozen=True, slots=True)
class Bomb:
    case: str
    request: Callable[[str], bytes]


def _uploaded(package: Package) -> Callable[[str], bytes]:
    return lambda key: post(body_of(parts_of(package)), key=key)


def _with(*parts: Part) -> Callable[[str], bytes]:
    return lambda key: post(body_of([*parts, *parts_of(wheel("acme-core"))]), key=key)


def _body(body: bytes, content_type: str | None = None) -> Callable[[str], bytes]:
    usual = f"multipart/form-data; boundary={BOUNDARY}"
    return lambda key: post(body, key=key, content_type=content_type or usual)


def _zipped(members: dict[str, int]) -> bytes:
    """Zeros, as many as each member says."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, size in members.items():
            with archive.open(name, "w", force_zip64=True) as member:
                for at in range(0, size, 1 << 20):
                    member.write(bytes(min(1 << 20, size - at)))
    return out.getvalue()


def _tarred(count: int, size: int, name: str = "acme_core-1.0/{}") -> bytes:
    """Members of zeros, then PKG-INFO."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9) as packed:
        for number in range(count):
            member = tarfile.TarInfo(name.format(number))
            member.size = size
            packed.write(member.tobuf(tarfile.USTAR_FORMAT))
            for at in range(0, size, 1 << 20):
                packed.write(bytes(min(1 << 20, size - at)))
    return out.getvalue()


def _wheel_of(content: bytes) -> Package:
    return replace(wheel("acme-core"), content=content)


def _sdist_of(content: bytes) -> Package:
    return replace(sdist("acme-core"), content=content)


def _twice(raw: bytes) -> bytes:
    return gzip.compress(gzip.compress(raw, 9), 9)


def _chunked(key: str) -> bytes:
    credential = ("Authorization", basic("__token__", key))
    framing = [credential, ("Content-Type", "multipart/form-data; boundary=a"), ("Transfer-Encoding", "chunked")]
    return head("POST", "/", framing) + b"1\r\na\r\n" * 200_000 + b"0\r\n\r\n"


def _pipelined(key: str) -> bytes:
    credential = ("Authorization", basic("__token__", key))
    return head("GET", "/-/whoami", [credential]) * 2_000 + get("/-/healthz")


def _search(_: str) -> bytes:
    body = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;'
    return head("POST", "/RPC2", [("Content-Length", "60000"), ("Content-Type", "text/xml")]) + body.ljust(60_000, b"&")


def bombs() -> list[Bomb]:
    """All of them; some take a second to make."""
    dist = "acme_core-1.0.dist-info"
    return [
        Bomb("METADATA of 400 MB in a wheel", _uploaded(_wheel_of(_zipped({f"{dist}/METADATA": LARGE})))),
        Bomb("another member of 400 MB", _uploaded(_wheel_of(_zipped({"acme_core/a": LARGE, f"{dist}/METADATA": 10})))),
        Bomb("a wheel of 20,000 members", _uploaded(_wheel_of(_zipped({f"a{n}": 0 for n in range(20_000)})))),
        Bomb("an sdist with PKG-INFO of 400 MB", _uploaded(_sdist_of(_tarred(1, LARGE, "acme_core-1.0/PKG-INFO")))),
        Bomb("an sdist of 400 MB before its PKG-INFO", _uploaded(_sdist_of(_tarred(4, LARGE // 4)))),
        Bomb("an sdist of 300,000 members", _uploaded(_sdist_of(_tarred(300_000, 0)))),
        Bomb("an sdist that is packed twice", _uploaded(_sdist_of(_twice(bytes(LARGE))))),
        Bomb("a body that is packed", lambda key: post(gzip.compress(bytes(50_000_000), 9), key=key, more=[("Content-Encoding", "gzip")])),
        Bomb("100,000 parts", _with(*[Part("classifiers", b"")] * 100_000)),
        Bomb("a field of 2 MB", _with(Part("description", b"a" * 2_000_000))),
        Bomb("a name of 1 MB", _with(Part("name", b"a-" * 500_000))),
        Bomb("a version of 1 MB", _with(Part("version", b"1." * 500_000))),
        Bomb("a filename of 1 MB", _with(replace(file_part(wheel("acme-core")), filename="a-" * 500_000 + ".whl"))),
        Bomb("a part's head of 1 MB", _body(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="'.encode() + b"a" * 1_000_000)),
        Bomb("a part with 100,000 headers", _body(f"--{BOUNDARY}\r\n".encode() + b"X: a\r\n" * 100_000 + b"\r\n")),
        Bomb("line ends", _body(b"\r\n" * 500_000)),
        Bomb("what is nearly a boundary", _body(f"--{BOUNDARY}\r\n".encode() + f"\r\n--{BOUNDARY[:-1]}".encode() * 40_000)),
        Bomb("boundaries", _body(f"\r\n--{BOUNDARY}".encode() * 40_000)),
        Bomb("a boundary of 8 KB", _body(b"a" * 1_000_000, f"multipart/form-data; boundary={'a' * 8_000}")),
        Bomb("200,000 chunks of one byte", _chunked),
        Bomb("63 headers of 9 KB", lambda _: get("/simple/", [(f"X-{n}", "a" * 9_000) for n in range(58)])),
        Bomb("2,000 requests at once", _pipelined),
        Bomb("a search of 64 KB that doubles itself", _search),
        Bomb("ranges", lambda _: get("/simple/", [("Range", "bytes=" + "0-,1-," * 1_400)])),
    ]  # fmt: skip
