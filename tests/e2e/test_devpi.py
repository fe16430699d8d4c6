"""The real twine, uv and pip against a real devpi, through the proxy: what arrives where, and what does not."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.peers import wire
from tests.peers.clients import Client, Ran
from tests.peers.devpi import SERVICE, SERVICE_PASSWORD, Devpi, devpi, serving
from tests.peers.forms import body_of, parts_of, post
from tests.peers.packages import Package, metadata, sdist, wheel, zipped
from tests.peers.proxy import Key, Proxy, proxy

pytestmark = pytest.mark.e2e

Publish = Callable[..., Ran]
PACKAGES = [{"match": "acme-*"}, {"match": "again-*", "overwrite": "allow"}]
POLICIES = {"release": {"allow": [{"actions": ["upload"], "packages": ["*"], "create": True}]}}


@dataclass(frozen=True)
class Scene:
    """A machine, the proxy, a devpi behind it with two indexes that the config names, and keys."""

    client: Client
    proxy: Proxy
    index: Devpi
    volatile: str
    fixed: str
    base: str  # of `volatile`, and another user's
    key: Key

    def url(self, index: str) -> str:
        return f"{self.proxy.url}{index}/"

    def upload(self, package: Package, target: str, key: Key | None = None, **more: Any) -> wire.Answer:
        """An upload on the wire, to any raw target."""
        body = body_of(parts_of(package))
        return wire.exchange(self.proxy.address, post(body, key=(key or self.key).text, target=target, **more))

    def without_us(self, package: Package, target: str) -> wire.Answer:
        """The same straight to devpi, with the service account's own right: what a control is made of."""
        body = body_of(parts_of(package))
        return wire.exchange(self.index.address, post(body, key=None, target=target, more=self.index.as_service()))

    def pip(self, python: Path, url: str, what: str) -> Ran:
        plain = ["--no-input", "--no-cache-dir", "--no-deps", "--disable-pip-version-check", "-i", url, what]
        return self.client.run([sys.executable, "-m", "pip", "--python", python, "--isolated", "install", *plain])

    def uv(self, python: Path, url: str, what: str) -> Ran:
        plain = ["--no-config", "--no-cache", "--no-deps", "--python", python, "--index-url", url, what]
        return self.client.run([Path(sys.executable).parent / "uv", "pip", "install", *plain])

    def holds(self, index: str, package: Package) -> bytes | None:
        return self.index.files(index).get(f"{package.name}/{package.version}/{package.filename}")


def before(folder: Path, index: Devpi, *indexes: str, **more: Any) -> Any:
    """A proxy before a devpi, with these of its indexes."""
    account = {"username": SERVICE, "password": {"file": "backend-password"}}
    backend = {"flavour": "devpi", "url": index.url, "indexes": list(indexes), **account}
    settings = {"packages": PACKAGES, "key_policies": POLICIES, **more}
    return proxy(folder, index.url, service=(SERVICE, SERVICE_PASSWORD), backend=backend, **settings)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, devpi_server: Devpi) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("scene")
    (folder / "home").mkdir()
    base = devpi_server.new_index(user="other")
    volatile = devpi_server.new_index(volatile=True, bases=[base])
    fixed = devpi_server.new_index(volatile=False)
    with before(folder / "proxy", devpi_server, volatile, fixed) as running:
        key = running.create_key()
        yield Scene(Client(folder / "home"), running, devpi_server, volatile, fixed, base, key)


@pytest.fixture(params=["volatile", "fixed"])
def index(request: pytest.FixtureRequest, scene: Scene) -> str:
    """One of the two: devpi replaces files in the first, and in the second only those of other spellings."""
    return getattr(scene, request.param)


@pytest.fixture(params=["twine", "uv_publish"])
def publish(request: pytest.FixtureRequest, scene: Scene) -> Publish:
    """The upload client of this test: `publish(url, key, *files)`."""
    return getattr(scene.client, request.param)


@pytest.fixture
def fresh(request: pytest.FixtureRequest) -> str:
    """A project name that no other test uses."""
    return "acme-" + "".join(c if c.isalnum() else "-" for c in request.node.name).strip("-").lower()


def test_a_wheel_and_an_sdist_arrive_byte_for_byte(scene: Scene, publish: Publish, index: str, fresh: str) -> None:
    """Under the project, release and name they were sent with; the same bytes again are a success and change nothing."""
    packages = [wheel(fresh), sdist(fresh)]
    files = [package.write(scene.client.home / "dist") for package in packages]
    ran = publish(scene.url(index), scene.key.text, *files)
    assert ran.code == 0, ran.said
    assert [scene.holds(index, package) for package in packages] == [package.content for package in packages]
    serial = scene.index.serial()
    again = publish(scene.url(index), scene.key.text, *files)
    assert again.code == 0, again.said
    assert scene.index.serial() == serial


def test_the_upload_url_needs_no_final_slash(scene: Scene, publish: Publish, index: str, fresh: str) -> None:
    """Both spellings are in people's settings."""
    package = wheel(fresh)
    ran = publish(scene.url(index).rstrip("/"), scene.key.text, package.write(scene.client.home / "dist"))
    assert ran.code == 0, ran.said
    assert scene.holds(index, package) == package.content


def other_spellings(name: str) -> list[Package]:
    """Other bytes for the sdist of release 1.0, in every spelling of it that a client may send."""
    under, payload = name.replace("-", "_"), b"other bytes"
    zip_of = zipped({f"{under}-1.0/PKG-INFO": metadata(name, "1.0")})
    return [
        sdist(name, "1.0", payload=payload),
        sdist(name, "1.0", filename=f"{name}-1.0.tar.gz", payload=payload),
        sdist(name.upper(), "1.0", filename=f"{under.upper()}-1.0.tar.gz", payload=payload),
        sdist(name, "1.0.0", payload=payload),
        sdist(name, "1", payload=payload),
        Package(f"{under}-1.0.zip", name, "1.0", "sdist", zip_of),
        sdist(name, "v1.0", payload=payload),
    ]


def test_other_bytes_are_refused_in_every_spelling(scene: Scene, index: str, fresh: str) -> None:
    """devpi would replace the first where it is volatile, and take all the others (shown below); the proxy none."""
    first = sdist(fresh)
    assert scene.upload(first, f"/{index}/").status == 200
    serial = scene.index.serial()
    for package in other_spellings(fresh):
        answer = scene.upload(package, f"/{index}/")
        assert (answer.status, answer.reason[:19]) == (400, "File already exists"), (package.filename, answer)
    assert scene.index.serial() == serial
    assert scene.index.releases(index, fresh) == {"1.0": [first.filename]}


def test_devpi_itself_would_take_other_spellings(scene: Scene, fresh: str) -> None:
    """The control: asked without us, with the same account, it files five of them beside the first."""
    index = scene.fixed
    for package in [sdist(fresh), *other_spellings(fresh)]:
        scene.without_us(package, f"/{index}/")
    assert len([name for files in scene.index.releases(index, fresh).values() for name in files]) >= 5


def test_where_a_rule_allows_it_devpi_decides_about_other_bytes(scene: Scene, fresh: str) -> None:
    """`overwrite: allow` and a volatile index: replaced. An index that is not: devpi's own no, as ours would be."""
    name = fresh.replace("acme-", "again-", 1)
    first, second = wheel(name), wheel(name, payload=b"other bytes")
    for index in (scene.volatile, scene.fixed):
        assert scene.upload(first, f"/{index}/").status == 200
    assert scene.upload(second, f"/{scene.volatile}/").status == 200
    assert scene.holds(scene.volatile, second) == second.content
    answer = scene.upload(second, f"/{scene.fixed}/")
    assert (answer.status, answer.reason[:19]) == (400, "File already exists")
    assert scene.holds(scene.fixed, first) == first.content


@pytest.mark.parametrize("client", ["twine", "uv_publish"])
def test_a_wrong_package_is_refused_in_words(scene: Scene, client: str, index: str) -> None:
    """The user reads whose key it is and what it may do; devpi is as it was."""
    key = scene.proxy.create_key("--allow", "upload+create:acme-core")
    serial = scene.index.serial()
    package = wheel("acme-victim").write(scene.client.home / "dist")
    ran = getattr(scene.client, client)(scene.url(index), key.text, package)
    assert ran.code != 0
    assert "may not upload 'acme-victim'" in " ".join(ran.said.split())
    assert scene.index.serial() == serial


def spellings(index: str, other: str) -> list[str]:
    """Targets that some reader takes for the other index, or for one that begins as the first does."""
    user, name = other.split("/")
    return [
        f"/{other}/", f"/{other}", f"//{other}/", f"/{other}//", f"/{user}//{name}/", f"/{user}/./{name}/", f"/./{other}/",
        f"/{index}/../../{other}/", f"/{index}/../{name}/", f"/{index}//../../{other}/", f"/{index}/%2e%2e/{name}/", f"/{index}/..%2f{name}/",
        f"/{index}/%2e%2e%2f{name}", f"/{user}%2f{name}/", f"/{user}%2F{name}", f"/{user}/{name}%2f", f"/%2f{other}/", f"/{user}/%{ord(name[0]):02x}{name[1:]}/",
        f"/%{ord(user[0]):02x}{user[1:]}/{name}/", f"/{other}/;", f"/{other};/", f"/{other}/?", f"/{other}/?x=/{index}/", f"/{other}/#/{index}/",
        f"/{index};/../../{other}/", f"/{index}/;/../../../{other}/", f"/{index}\\..\\..\\{other}/", f"/{user}\\{name}/", f"/{other}%00/", f"/{other}%20/",
        f"/{other.upper()}/", f"/{other.title()}/", f"http://index.test/{other}/", f"/{index}/+simple/../../../{other}/", f"/{index}/+f/../../../{other}/",
        f"/{index}/{other}/", f"/{other}/{index}/", f"/{other}/acme-core/", f"/{other}/+simple/", f"/{user}/", "/",
    ]  # fmt: skip


def test_a_key_for_one_index_reaches_no_other_by_any_spelling(scene: Scene) -> None:
    """Each is refused with a sentence, and devpi has not changed at all."""
    key = scene.proxy.create_key("--allow", f"upload+create:acme-*@{scene.volatile}")
    package = wheel("acme-stray")
    serial = scene.index.serial()
    for target in spellings(scene.volatile, scene.fixed):
        answer = scene.upload(package, target, key)
        assert answer.status in {400, 403}, (target, answer)
    assert scene.index.serial() == serial
    assert scene.upload(package, f"/{scene.volatile}/", key).status == 200


def test_no_key_reaches_an_index_that_the_config_does_not_name(scene: Scene) -> None:
    """Though the service account could: it has the right to upload there, as the control shows."""
    hidden, package = scene.index.new_index(), wheel("acme-stray", "2.0")
    serial = scene.index.serial()
    for target in spellings(scene.volatile, hidden):
        answer = scene.upload(package, target)
        assert answer.status in {400, 403}, (target, answer)
    assert scene.index.serial() == serial
    assert scene.without_us(package, f"/{hidden.replace('/', '%2f')}/").status == 200
    assert scene.index.releases(hidden, "acme-stray") == {"2.0": [package.filename]}


def test_a_project_of_a_base_is_none_of_the_index(scene: Scene, fresh: str) -> None:
    """To take its name in an index that inherits it needs the right to create: that is how names are stolen."""
    theirs, ours = wheel(fresh, "1.0"), wheel(fresh, "2.0")
    assert scene.without_us(theirs, f"/{scene.base}/").status == 200
    serial = scene.index.serial()
    answer = scene.upload(ours, f"/{scene.volatile}/", scene.proxy.create_key("--allow", "upload:acme-*"))
    assert answer.status == 403
    assert "may not create the project" in answer.reason
    assert scene.index.serial() == serial
    assert scene.upload(ours, f"/{scene.volatile}/").status == 200


def test_pip_and_uv_install_what_was_uploaded(scene: Scene, index: str, fresh: str) -> None:
    """From the simple pages, and from the index's own URL, which devpi serves to installers as well."""
    assert scene.upload(wheel(fresh), f"/{index}/").status == 200
    assert scene.upload(sdist(fresh, "0.9"), f"/{index}/").status == 200
    python = scene.client.environment(f"env-{fresh}")
    for install, url, version in (
        (scene.pip, scene.url(index) + "+simple/", "1.0"),
        (scene.uv, scene.url(index) + "+simple", "0.9"),
        (scene.pip, scene.url(index), "1.0"),
    ):
        ran = install(python, url, f"{fresh}=={version}")
        assert ran.code == 0, ran.said
    told = scene.client.run([python, "-c", f"import {fresh.replace('-', '_')} as it; print(it.__version__)"])
    assert told.said.strip() == "1.0"


def test_files_of_a_base_install_through_the_index(scene: Scene, fresh: str) -> None:
    """Their links lead into the other user's index, which readers reach as they would without us."""
    assert scene.without_us(wheel(fresh), f"/{scene.base}/").status == 200
    python = scene.client.environment(f"env-{fresh}")
    ran = scene.pip(python, scene.url(scene.volatile) + "+simple/", fresh)
    assert ran.code == 0, ran.said


def test_devpi_may_forget_our_session(tmp_path: Path) -> None:
    """It starts anew, with another secret, between two uploads: the client notices nothing."""
    with devpi(tmp_path / "devpi") as first:
        index = first.new_index()
        with before(tmp_path / "proxy", first, index) as running:
            key = running.create_key()
            assert upload(running, wheel("acme-one"), index, key).status == 200
            first.program.stop()
            with serving(first.folder, first.address) as second:
                assert upload(running, wheel("acme-two"), index, key).status == 200
                assert sorted(second.files(index)) == [
                    "acme-one/1.0/acme_one-1.0-py3-none-any.whl",
                    "acme-two/1.0/acme_two-1.0-py3-none-any.whl",
                ]
                logins = second.program.output().count("POST /+login") - len(first.sessions) - len(second.sessions)
                assert (logins, SERVICE_PASSWORD in running.log) == (2, False)


def upload(running: Proxy, package: Package, index: str, key: Key) -> wire.Answer:
    return wire.exchange(running.address, post(body_of(parts_of(package)), key=key.text, target=f"/{index}/"))


def test_an_account_without_the_right_is_named(tmp_path: Path, devpi_server: Devpi) -> None:
    """The operator reads what devpi said; readiness names an index that is not there."""
    index = devpi_server.new_index(uploaders=("team",))
    with before(tmp_path / "proxy", devpi_server, index, "team/nowhere") as running:
        key = running.create_key()
        answer = upload(running, wheel("acme-core"), index, key)
        assert (answer.status, answer.reason.endswith("no permission to submit")) == (403, True)
        assert "could not be found" in upload(running, wheel("acme-core"), "team/nowhere", key).reason
        ready = wire.exchange(running.address, wire.get("/-/readyz"))
        assert (ready.status, "team/nowhere" in ready.text) == (503, True)
