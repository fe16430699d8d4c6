"""Upload bodies that no honest client sends: what pypiserver, a proxy and a person could read differently.

The request's head is right in every line. `acme-*` is what the key may upload; `victim` is what the attacker wants.
"""

import io
import tarfile
import zipfile
from collections.abc import Iterable

from tests.e2e.heads import Hostile
from tests.peers.forms import BOUNDARY, Part, body_of, file_part, parts_of, post
from tests.peers.packages import Package, metadata, sdist, tarred, wheel, zipped

WHEEL = wheel("acme_core", "1.0")  # pypiserver deletes by the spelling in the filename, so the attack is written in it
VICTIM = wheel("victim", "1.0")
PARTS = parts_of(WHEEL)
FIELDS, FILE = PARTS[:-1], PARTS[-1]
BODY = body_of(PARTS)
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
STAMP = "acme_core-1.0.dist-info"


def form(case: str, parts: Iterable[Part], *statuses: int) -> Hostile:
    return octets(case, body_of(parts), *statuses)


def octets(case: str, body: bytes, *statuses: int, content_type: str = MULTIPART) -> Hostile:
    return Hostile(case, lambda key: post(body, key=key, content_type=content_type), statuses or (400,))


def changed(case: str, *statuses: int, package: Package = WHEEL, **fields: str | None) -> Hostile:
    return form(case, parts_of(package, **fields), *statuses)


def lying(case: str, package: Package, *statuses: int) -> Hostile:
    return form(case, parts_of(package), *statuses)


def file_as(disposition: str, *more: str) -> list[Part]:
    return [*FIELDS, Part("content", WHEEL.content, disposition=disposition, more=more)]


ACTIONS = (
    changed("remove_pkg", action="remove_pkg"),
    changed("doc_upload", action="doc_upload"),
    changed("submit", action="submit"),
    changed("verify", action="verify"),
    changed("an action that is none", action="file_upload "),
    changed("no action", action=None),
    form("remove_pkg after file_upload", [*FIELDS, Part(":action", b"remove_pkg"), FILE]),
    form("remove_pkg before file_upload", [Part(":action", b"remove_pkg"), *PARTS]),
    form("remove_pkg by a name that closes its quotes", [*FIELDS, Part('x"; name=":action', b"remove_pkg"), FILE]),
    form("remove_pkg by an escaped name", [*FIELDS, Part(":action%22; x=%22", b"remove_pkg"), FILE]),
    form("remove_pkg by name*", [*FIELDS, Part("", b"remove_pkg", disposition="form-data; name=\"x\"; name*=utf-8''%3Aaction"), FILE]),
    form("remove_pkg with nothing to upload", [Part(":action", b"remove_pkg"), Part("name", b"acme_core"), Part("version", b"1.0")], 403),
)  # fmt: skip

TYPES = (
    octets("urlencoded", b":action=remove_pkg&name=acme-core&version=1.0", 400, 415, content_type="application/x-www-form-urlencoded"),
    octets("JSON", b'{":action": "remove_pkg", "name": "acme-core"}', 400, 415, content_type="application/json"),
    octets("plain text", b":action=remove_pkg&name=acme-core&version=1.0", 400, 415, content_type="text/plain"),
    octets("no type", BODY, 400, 415, content_type=""),
    octets("multipart/mixed", BODY, 400, 415, content_type=f"multipart/mixed; boundary={BOUNDARY}"),
    octets("multipart/form-data without a boundary", BODY, 400, 415, content_type="multipart/form-data"),
    octets("an empty boundary", BODY, content_type="multipart/form-data; boundary="),
    octets("two boundaries", BODY, content_type=f"{MULTIPART}; boundary=other"),
    octets("two boundaries, one quoted", BODY, content_type=f'{MULTIPART}; boundary="other"'),
    octets("a boundary and boundary*", BODY, content_type=f"{MULTIPART}; boundary*=utf-8''other"),
    octets("a boundary beyond 70 characters", body_of(PARTS, "b" * 71), content_type=f"multipart/form-data; boundary={'b' * 71}"),
    octets("another parameter", BODY, content_type=f"{MULTIPART}; charset=utf-7"),
    octets("two types in one", BODY, content_type=f"{MULTIPART}, text/plain"),
)  # fmt: skip

SHAPES = (
    octets("nothing", b""),
    octets("no part at all", f"--{BOUNDARY}--\r\n".encode()),
    octets("no last boundary", BODY.replace(f"--{BOUNDARY}--".encode(), b"")),
    octets("a preamble", b"hello\r\n" + BODY),
    octets("an epilogue", BODY + b"hello"),
    octets("a second form behind the first", BODY + BODY),
    octets("lines that end in LF alone", BODY.replace(b"\r\n", b"\n")),
    octets("white space after a boundary", BODY.replace(BOUNDARY.encode() + b"\r\n", BOUNDARY.encode() + b" \r\n")),
    form("a part without a name", [*PARTS, Part("", b"x", disposition="form-data")]),
    form("a part without a disposition", [*FIELDS, Part("", b"x", disposition="attachment"), FILE]),
    form("two files", [*PARTS, file_part(VICTIM)]),
    form("two files, the wrong one first", [*FIELDS, file_part(VICTIM), FILE]),
    form("a file under another name", [*PARTS, Part("other", b"x", "x.whl")]),
    form("no file", FIELDS),
    form("the file as a text field", [*FIELDS, Part("content", WHEEL.content)]),
    form("a name with a filename", [*FIELDS[:2], Part("name", b"acme-core", "x.txt"), *FIELDS[3:], FILE]),
    form("two names that differ", [*FIELDS, Part("name", b"victim"), FILE]),
    form("two versions that differ", [*FIELDS, Part("version", b"2.0"), FILE]),
    form("two filenames", file_as(f'form-data; name="content"; filename="{WHEEL.filename}"; filename="{VICTIM.filename}"')),
    form("filename and filename*", file_as(f"form-data; name=\"content\"; filename=\"{WHEEL.filename}\"; filename*=utf-8''{VICTIM.filename}")),
    form("filename* alone", file_as(f"form-data; name=\"content\"; filename*=utf-8''{WHEEL.filename}")),
    form("a filename without quotes", file_as(f"form-data; name=content; filename={WHEEL.filename}")),
    form("a broken parameter", file_as(f'form-data; name="content"; filename="{WHEEL.filename}"; x')),
    form("two dispositions", file_as(f'form-data; name="content"; filename="{WHEEL.filename}"', 'Content-Disposition: form-data; name="x"')),
    form("a part with a length", file_as(f'form-data; name="content"; filename="{WHEEL.filename}"', "Content-Length: 3")),
    form("a part in base64", file_as(f'form-data; name="content"; filename="{WHEEL.filename}"', "Content-Transfer-Encoding: base64")),
    form("a part of parts", [*FIELDS, Part("content", BODY, WHEEL.filename, more=(f"Content-Type: {MULTIPART}",))]),
    form("a urlencoded part", [*FIELDS, Part("x", b"a=b", more=("Content-Type: application/x-www-form-urlencoded",)), FILE]),
    form("ten thousand parts", [*FIELDS, *[Part("classifiers", b"x")] * 10_000, FILE], 400, 413),
    form("a field of eight MiB", [*FIELDS, Part("x-odd", b"a" * (8 << 20)), FILE], 400, 413),
    form("a part head of one MiB", file_as(f'form-data; name="content"; filename="{WHEEL.filename}"', "X-Odd: " + "a" * (1 << 20)), 400, 413),
)  # fmt: skip

NAMES = (
    changed("the form names another project", name="victim"),
    changed("the form names a sibling", name="acme-core2"),
    changed("the form has another version", version="1.1"),
    changed("the form has no name", name=None),
    changed("the form has another filetype", filetype="sdist"),
    changed("a digest that is wrong", sha256_digest="0" * 64),
    changed("a digest that is none", sha256_digest="c0ffee"),
    changed("an MD5 that is wrong", md5_digest="0" * 32),
    changed("a name that is two", name="acme-core victim"),
    changed("a KELVIN SIGN", name="acme-\u212a"),
    *(
        lying(f"the file is called {filename!a}", wheel("acme-core", filename=filename))
        for filename in (
            "../acme_core-1.0-py3-none-any.whl", "/etc/acme_core-1.0-py3-none-any.whl", "acme_core-1.0-py3-none-any.whl/",
            "a\\acme_core-1.0-py3-none-any.whl", "acme_core-1.0.egg", "acme_core-1.0.exe", "acme_core-1.0-py3-none-any.WHL",
            "acme_core-1.0.TAR.GZ", "acme_core.whl", "acme_core-1.0", ".whl", "acme_core-1.0-py3-none-any.whl.asc", "",
            "acme_core-1.0-py3-none-any.whl\x00.zip", "acme_core-1.0-py3-none-any.whl ", "acme_core-1.0-1-1-py3-none-any.whl",
            "acme_core-one-py3-none-any.whl", "victim-1.0-py3-none-any.whl", "a" * 300 + "-1.0-py3-none-any.whl",
        )
    ),
    *(
        lying(f"the sdist is called {filename!a}", sdist("acme-core", filename=filename))
        for filename in ("acme-core-2x-1.0.tar.gz", "acme_core-1.0-2.tar.gz", "acme-core-1.0.tgz", "victim-1.0.tar.gz", "acme_core-1.0.tar.bz2")
    ),
)  # fmt: skip


def _sdist_of(content: bytes) -> Package:
    return Package("acme_core-1.0.tar.gz", "acme-core", "1.0", "sdist", content)


def _wheel_of(content: bytes) -> Package:
    return Package(WHEEL.filename, "acme-core", "1.0", "bdist_wheel", content)


def _zip_bomb() -> bytes:
    return zipped({f"{STAMP}/METADATA": metadata("acme-core", "1.0") + bytes(200_000_000)})


def _tar_bomb() -> bytes:
    return tarred({"acme_core-1.0/zeros": bytes(300_000_000)})


def _twice_in_zip() -> bytes:
    out = io.BytesIO(WHEEL.content)
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr(f"{STAMP.replace('acme', 'ACME')}/METADATA", metadata("victim", "1.0"))
    return out.getvalue()


def _link_for_metadata() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        member = tarfile.TarInfo("acme_core-1.0/PKG-INFO")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(member)
    return out.getvalue()


ARCHIVES = (
    lying("an empty file", _wheel_of(b"")),
    lying("a wheel that is no zip", _wheel_of(b"c4n4ry" * 100)),
    lying("a wheel cut in half", _wheel_of(WHEEL.content[: len(WHEEL.content) // 2])),
    lying("a wheel without METADATA", _wheel_of(zipped({"acme_core/__init__.py": b""}))),
    lying("a wheel with the METADATA of another name", wheel("acme-core", claims=("victim", "1.0"))),
    lying("a wheel with the METADATA of another version", wheel("acme-core", claims=("acme-core", "2.0"))),
    lying("a wheel with METADATA twice", _wheel_of(_twice_in_zip())),
    lying("a wheel that is an sdist", _wheel_of(sdist("acme-core").content)),
    lying("a wheel whose METADATA unpacks to 200 MB", _wheel_of(_zip_bomb())),
    lying("an sdist that is no gzip", _sdist_of(b"c4n4ry" * 100)),
    lying("an sdist that is a gzip of nothing", _sdist_of(tarred({}))),
    lying("an sdist without PKG-INFO", _sdist_of(tarred({"acme_core-1.0/setup.py": b""}))),
    lying("an sdist with the PKG-INFO of another name", sdist("acme-core", claims=("victim", "1.0"))),
    lying("an sdist whose PKG-INFO is a link", _sdist_of(_link_for_metadata())),
    lying("an sdist that unpacks to 300 MB", _sdist_of(_tar_bomb())),
    lying("an sdist that climbs out", _sdist_of(tarred({"../acme_core-1.0/PKG-INFO": metadata("acme-core", "1.0")}))),
)

BODIES = (*ACTIONS, *TYPES, *SHAPES, *NAMES, *ARCHIVES)
