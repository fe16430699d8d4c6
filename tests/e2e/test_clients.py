"""The real twine, uv and pip, each against the real pypiserver on each of its servers, through the proxy."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.peers.clients import Client, Ran
from tests.peers.packages import Package, sdist, wheel
from tests.peers.proxy import Key, Proxy, proxy
from tests.peers.pypiserver import SERVERS, PypiServer, Server, pypiserver

pytestmark = pytest.mark.e2e

SERVICE = ("authproxy", "s3rvice-passw0rd")
Publish = Callable[..., Ran]

PACKAGES = [{"match": "acme-*", "filetypes": ["wheel", "sdist"]}]


@dataclass(frozen=True, slots=True)
class Scene:
    """A machine, the proxy, and the index behind it, which knows the proxy's password and no key."""

    client: Client
    proxy: Proxy
    index: PypiServer
    key: Key

    def write(self, *packages: Package):
        return [package.write(self.client.home / "dist") for package in packages]


@pytest.fixture(scope="module", params=SERVERS)
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    server: Server = request.param
    folder = tmp_path_factory.mktemp(server)
    (folder / "home").mkdir()
    with (
        pypiserver(folder / "index", server=server, htpasswd=SERVICE) as index,
        proxy(folder / "proxy", index.url, service=SERVICE, packages=PACKAGES) as running,
    ):
        yield Scene(Client(folder / "home"), running, index, running.create_key())


@pytest.fixture(params=["twine", "uv_publish"])
def publish(request: pytest.FixtureRequest, scene: Scene) -> Publish:
    """The upload client of this test: `publish(url, key, *files)`."""
    return getattr(scene.client, request.param)


@pytest.fixture
def fresh(request: pytest.FixtureRequest) -> str:
    """A project name that no other test uses."""
    return "acme-" + "".join(c if c.isalnum() else "-" for c in request.node.name).strip("-").lower()


def test_a_wheel_and_an_sdist_arrive_byte_for_byte(scene: Scene, publish: Publish, fresh: str) -> None:
    """What the client sent is what the index holds, under the name it was sent with."""
    packages = [wheel(fresh), sdist(fresh)]
    ran = publish(scene.proxy.url, scene.key.text, *scene.write(*packages))
    assert ran.code == 0, ran.said
    held = scene.index.files()
    assert {p.filename: p.content for p in packages}.items() <= held.items()


def test_the_same_bytes_again_are_a_success(scene: Scene, publish: Publish, fresh: str) -> None:
    """A job that runs twice does not fail: twine has no --skip-existing for an index of one's own any more."""
    package = wheel(fresh)
    for _ in range(2):
        ran = publish(scene.proxy.url, scene.key.text, *scene.write(package))
        assert ran.code == 0, ran.said
    assert scene.index.files()[package.filename] == package.content


def test_other_bytes_under_the_same_name_are_refused(scene: Scene, publish: Publish, fresh: str) -> None:
    """The user reads `File already exists`, and the index keeps what it had."""
    first, second = wheel(fresh), wheel(fresh, payload=b"changed")
    assert publish(scene.proxy.url, scene.key.text, *scene.write(first)).code == 0
    ran = publish(scene.proxy.url, scene.key.text, *scene.write(second))
    assert ran.code != 0
    assert "File already exists" in unwrapped(ran), ran.said
    assert scene.index.files()[first.filename] == first.content


def test_uv_skips_what_it_finds_under_its_check_url(scene: Scene, fresh: str) -> None:
    """`--check-url` asks for the project's page through the proxy, without a key, and compares the hashes on it."""
    url, key = scene.proxy.url, scene.key.text
    check = ["--check-url", f"{url}simple/"]
    first = scene.write(wheel(fresh))
    for words in ("Uploading", "already exists, skipping"):
        ran = scene.client.uv_publish(url, key, *first, options=check)
        assert (ran.code, words in ran.said) == (0, True), ran.said
    ran = scene.client.uv_publish(url, key, *scene.write(wheel(fresh, payload=b"changed")), options=check)
    assert ran.code != 0, ran.said


def test_a_signature_and_an_attestation_pass(scene: Scene, fresh: str) -> None:
    """twine sends FILE.asc as a part of its own, uv sends FILE.publish.attestation as a field: both are taken."""
    signed, attested = wheel(fresh, "1.0"), wheel(fresh, "2.0")
    [path] = scene.write(signed)
    signature = path.with_name(f"{path.name}.asc")
    signature.write_text("-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n", encoding="ascii")
    ran = scene.client.twine(scene.proxy.url, scene.key.text, path, signature)
    assert ran.code == 0, ran.said
    assert scene.index.files()[signature.name] == signature.read_bytes()
    [path] = scene.write(attested)
    attestation = path.with_name(f"{path.name}.publish.attestation")
    attestation.write_text('{"version": 1}', encoding="ascii")
    ran = scene.client.uv_publish(scene.proxy.url, scene.key.text, path, attestation)
    assert ran.code == 0, ran.said
    assert scene.index.files()[attested.filename] == attested.content


def test_another_package_is_refused_with_the_sentence(scene: Scene, publish: Publish) -> None:
    """The user reads which key may not upload which project, and what it may do instead."""
    package = wheel("victim")
    ran = publish(scene.proxy.url, scene.key.text, *scene.write(package))
    assert ran.code != 0
    said = unwrapped(ran)
    for wanted in (scene.key.id, "may not upload", "victim", "upload+create:acme-*"):
        assert wanted in said, ran.said
    assert package.filename not in scene.index.files()


def test_a_revoked_key_is_refused(scene: Scene, publish: Publish, fresh: str) -> None:
    """From the first upload after the command returned, in a server that knew the key well."""
    key = scene.proxy.create_key()
    assert publish(scene.proxy.url, key.text, *scene.write(wheel(fresh))).code == 0
    assert scene.proxy.run("key", "revoke", key.id).code == 0
    refused = wheel(fresh, "2.0")
    ran = publish(scene.proxy.url, key.text, *scene.write(refused))
    assert ran.code != 0
    assert "401" in ran.said, ran.said
    assert refused.filename not in scene.index.files()


def test_without_a_credential_the_client_asks_for_one(scene: Scene, publish: Publish, fresh: str) -> None:
    """twine wants a password before it sends; uv says that the server asked for credentials."""
    ran = publish(scene.proxy.url, None, *scene.write(wheel(fresh)))
    assert ran.code != 0
    assert any(word in ran.said.lower() for word in ("username", "credentials", "authentication", "401")), ran.said


def test_pip_and_uv_install_what_was_uploaded(scene: Scene, fresh: str) -> None:
    """Readers see the index as before: a wheel by uv, an sdist by pip, each into an environment of its own."""
    ran = scene.client.twine(scene.proxy.url, scene.key.text, *scene.write(wheel(fresh, "1.0"), sdist(fresh, "2.0")))
    assert ran.code == 0, ran.said
    module = fresh.replace("-", "_")
    installed = [
        (scene.client.uv_install, [f"{fresh}==1.0"], "1.0"),
        (scene.client.pip_install, ["--no-binary", ":all:", fresh], "2.0"),
    ]
    for number, (install, what, version) in enumerate(installed):
        python = scene.client.environment(f"env-{fresh}-{number}")
        ran = install(python, scene.proxy.url, *what)
        assert ran.code == 0, ran.said
        shown = scene.client.run([python, "-c", f"import {module}; print({module}.__version__)"])
        assert (shown.code, shown.said.strip()) == (0, version), shown.said


def test_the_key_is_nowhere_but_with_its_holder(scene: Scene) -> None:
    """Neither the index's log, nor ours, nor the database file holds the secret of a key that has been used."""
    assert scene.client.twine(scene.proxy.url, scene.key.text, *scene.write(wheel("acme-secret"))).code == 0
    secret = scene.key.text.rpartition("_")[2]
    assert secret not in scene.index.program.output()
    assert secret not in scene.proxy.log
    for path in scene.proxy.folder.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path


def unwrapped(ran: Ran) -> str:
    """What was said, as one line: twine and uv wrap and indent for a terminal."""
    return " ".join(ran.said.split())
