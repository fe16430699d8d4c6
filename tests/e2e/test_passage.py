"""What goes through: the bytes that the index sees of an upload, and what readers get of the index."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.scene import Scene, project_of, recorded
from tests.peers import wire
from tests.peers.forms import BOUNDARY, Part, body_of, file_part, parts_of, post
from tests.peers.packages import Package, sdist, wheel
from tests.peers.proxy import Proxy
from tests.peers.pypiserver import PypiServer

SERVICE = ("authproxy", "s3rvice-passw0rd")

# All that an upload may say to the index besides the form itself.
OUTGOING = {
    "host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "authorization", "user-agent", "accept",
    "content-type", "content-length", "connection",
}  # fmt: skip

# What clients may send and the index must not hear from them.
RUDE = [
    ("X-Forwarded-Host", "evil.test"), ("X-Forwarded-Proto", "gopher"), ("X-Forwarded-For", "203.0.113.9"),
    ("X-Forwarded-Prefix", "/evil"), ("X-Real-IP", "203.0.113.9"), ("Forwarded", "for=203.0.113.9;host=evil.test"),
    ("X-Outside-URL", "http://evil.test/"), ("X-Devpi-Auth", "ZXZpbDpldmls"), ("X-Original-URL", "/evil"),
    ("X-Rewrite-URL", "/evil"), ("X-HTTP-Method-Override", "DELETE"), ("Cookie", "evil=1"), ("Proxy-Authorization", "Basic ZXZpbA=="),
    ("Te", "trailers"), ("Upgrade", "h2c"), ("X-Script-Name", "/evil"), ("Via", "1.1 evil"), ("Origin", "http://evil.test"),
]  # fmt: skip


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with recorded(tmp_path_factory.mktemp("passage"), service=SERVICE) as made:
        yield made


@pytest.fixture(autouse=True)
def _forget(scene: Scene) -> None:
    scene.index.forget()


@pytest.fixture
def package(request: pytest.FixtureRequest) -> Package:
    """A file that no other test has uploaded: the same bytes again would not reach the index."""
    return wheel(project_of(request))


def test_nothing_of_the_clients_headers_reaches_the_index(scene: Scene, package: Package) -> None:
    """The outgoing head is built from nothing: our names, our credentials, what the socket says of the client."""
    body = body_of(parts_of(package))
    assert scene.exchange(post(body, key=scene.key.text, more=RUDE)).status == 200
    [seen] = scene.index.uploads
    assert {name.lower() for name, _ in seen.headers} <= OUTGOING
    assert seen.header("Authorization") == wire.basic(*SERVICE)
    assert seen.header("X-Forwarded-For") == "127.0.0.1"
    assert seen.header("X-Forwarded-Host") == f"127.0.0.1:{scene.proxy.address[1]}"
    assert seen.header("Content-Length") == str(len(seen.body))
    assert b"evil" not in scene.index.octets
    assert scene.key.text.encode() not in scene.index.octets


def test_the_form_is_written_anew(scene: Scene, package: Package) -> None:
    """A boundary of ours, `:action` as the last part, the fields as they were, signature and attestations included."""
    attestation = Part("attestations", b'[{"version": 1}]')
    signature = Part("gpg_signature", b"-----BEGIN PGP SIGNATURE-----\n", f"{package.filename}.asc")
    repeated = [Part("classifiers", b"Programming Language :: Python"), Part("classifiers", b"Typing :: Typed")]
    odd = Part("description", "-- \r\n--\u00fc\r\n".encode() + b"--" + BOUNDARY[:8].encode())
    parts = [*parts_of(package), *repeated, odd, signature, attestation]
    told = scene.exchange(post(body_of(parts), key=scene.key.text))
    assert told.status == 200, told
    [seen] = scene.index.uploads
    assert BOUNDARY.encode() not in seen.body
    names = [
        line.split(b'name="')[1].split(b'"')[0] for line in seen.body.split(b"\r\n") if line.startswith(b"Content-Disp")
    ]
    assert names[-1] == b":action"
    assert names.count(b":action") == 1
    for part in parts:
        assert part.value in seen.body


@pytest.mark.parametrize("first", ["content", "attestations"])
def test_the_order_of_the_fields_is_no_contract(scene: Scene, package: Package, first: str) -> None:
    """twine shuffles its fields; uv sends attestations behind the file."""
    fields = parts_of(package)[:-1]
    parts = (
        [file_part(package), *reversed(fields)]
        if first == "content"
        else [Part("attestations", b"[]"), *parts_of(package)]
    )
    assert scene.exchange(post(body_of(parts), key=scene.key.text)).status == 200
    assert package.content in scene.index.uploads[0].body


@pytest.mark.parametrize(
    "authorization",
    [
        "Basic __token__:{key}",
        "Basic {key}:",
        "Basic :{key}",
        "Bearer {key}",
        "token {key}",
        "bearer  {key}",
        "BASIC __token__:{key}\n",
    ],
)
def test_every_way_to_present_a_key(scene: Scene, package: Package, authorization: str) -> None:
    """Any scheme in any case, and the line break that CI secrets end in."""
    scheme, _, credential = authorization.replace("{key}", scene.key.text).partition(" ")
    value = (
        f"{scheme} {credential}" if scheme.lower() != "basic" else scheme + wire.basic(*credential.split(":", 1))[5:]
    )
    raw = post(body_of(parts_of(package)), key=None, more=[("Authorization", value)])
    assert scene.exchange(raw).status == 200
    assert len(scene.index.uploads) == 1


def test_a_client_that_waits_for_100_is_told_to_go_on(scene: Scene, package: Package) -> None:
    """`Expect: 100-continue`: go on for a good key, and the refusal instead of a 100 for a bad one."""
    raw = post(body_of(parts_of(package)), key=scene.key.text, more=[("Expect", "100-continue")])
    head, body = raw.split(b"\r\n\r\n", 1)
    with wire.Conversation(scene.proxy.address) as patient:
        patient.send(head + b"\r\n\r\n")
        assert patient.go_ahead() == 100
        patient.send(body)
        assert patient.answer().status == 200
    refused = head.replace(wire.basic("__token__", scene.key.text).encode(), b"Bearer apx_wrong")
    scene.index.forget()
    with wire.Conversation(scene.proxy.address) as patient:
        patient.send(refused + b"\r\n\r\n")
        assert patient.answer().status == 401
        assert patient.interim == []
    scene.index.assert_saw_nothing()


def test_a_body_is_never_the_next_request(scene: Scene, package: Package) -> None:
    """What stands behind a refused upload's length on the same connection is judged alone or not at all."""
    smuggled = b"GET /simple/smuggled/ HTTP/1.1\r\nHost: x.test\r\n\r\n"
    for raw in (
        post(body_of(parts_of(wheel("victim"))) + smuggled, key=scene.key.text),
        post(smuggled, key="apx_wrong"),
        wire.head("POST", "/", [("Content-Length", "0"), ("Transfer-Encoding", "chunked")]) + smuggled,
        wire.head("POST", "/", [("Content-Length", str(len(smuggled))), ("Content-Length", "0")]) + smuggled,
    ):
        assert scene.exchange(raw).status // 100 == 4
        scene.index.assert_saw_nothing()


def test_readers_get_what_the_index_has(before_index: Proxy, index: PypiServer) -> None:
    """Pages and files byte for byte, HEAD without a body, Range as a range, 404 as 404."""
    package = sdist("acme-core", payload=b"0123456789" * 5000)
    package.write(index.packages)
    path = f"/packages/{package.filename}"
    through = wire.exchange(before_index.address, wire.get(path))
    assert (through.status, through.body) == (200, package.content)
    listing = wire.exchange(before_index.address, wire.get("/simple/acme-core/"))
    assert (listing.status, package.filename in listing.text) == (200, True)
    assert index.url not in listing.text
    ranged = wire.exchange(before_index.address, wire.get(path, [("Range", "bytes=100-199")]))
    assert (ranged.status, ranged.body) == (206, package.content[100:200])
    assert ranged.header("content-range") == f"bytes 100-199/{len(package.content)}"
    headed = wire.exchange(before_index.address, wire.head("HEAD", path, [("Connection", "close")]))
    assert (headed.status, headed.header("content-length")) == (200, str(len(package.content)))
    assert wire.exchange(before_index.address, wire.get("/simple/acme-absent/")).status == 404


def test_a_reader_lends_the_index_no_header_of_ours(scene: Scene, package: Package) -> None:
    """Under `reads: index` a reader's password goes to the index, a key never does, and forged headers do not either."""
    for credential, arrives in ((wire.basic("reader", "pa55"), True), (wire.basic("__token__", scene.key.text), False)):
        scene.index.forget()
        scene.exchange(wire.get("/simple/", [("Authorization", credential), *RUDE]))
        [seen] = scene.index.requests
        assert (seen.header("Authorization") == credential) is arrives
        assert b"evil" not in scene.index.octets
        assert scene.key.text.encode() not in scene.index.octets
        assert seen.header("Authorization") != wire.basic(*SERVICE)


def test_reads_can_be_open(tmp_path: Path) -> None:
    """Under `reads: open` everybody reads with the service account, and nobody's own credential goes along."""
    with recorded(tmp_path, service=SERVICE, reads="open") as scene:
        for more in ([], [("Authorization", wire.basic("reader", "pa55"))]):
            scene.index.forget()
            scene.exchange(wire.get("/simple/", more))
            assert scene.index.requests[0].header("Authorization") == wire.basic(*SERVICE)


def test_the_upload_of_an_honest_client_is_the_control(scene: Scene, package: Package) -> None:
    """The request on which every hostile one is built is accepted, and arrives whole."""
    assert scene.upload(package).status == 200
    assert package.content in scene.index.uploads[0].body
