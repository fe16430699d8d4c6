"""What the demo writes: an installation as an operator would have made it."""

import re
import stat
import sys
from pathlib import Path

import pytest

from authproxy.cli.demo.installation import CORE, WEB, Installation, install
from authproxy.cli.demo.upstreams import PYPISERVER, UPSTREAMS
from authproxy.config import load


@pytest.fixture(params=list(UPSTREAMS))
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Installation:
    """An installation in a directory whose name needs quoting, before either index."""
    root = tmp_path / "a place"
    root.mkdir()
    return install(UPSTREAMS[request.param], root, proxy_port=18080, index_port=18081)


def test_the_configuration_is_valid(made: Installation) -> None:
    """It loads without a warning, and the proxy stands where the clients are sent."""
    config = load(made.config)
    assert config.warnings == ()
    assert made.url == config.public_url + made.upstream.uploads
    assert made.index_url == config.backend.url + made.upstream.uploads
    assert config.backend.flavour == made.upstream.flavour
    assert str(config.listen) == "127.0.0.1:18080"
    assert config.store == f"sqlite:///{made.root}/authproxy.db"


def test_the_proxy_knows_the_shared_password_and_nobody_else_reads_it(made: Installation) -> None:
    """The password stands in one file, which its owner alone reads."""
    password = load(made.config).backend.password
    assert password is not None
    holders = [path.name for path in made.root.rglob("*") if path.is_file() and password.encode() in path.read_bytes()]
    assert holders == ["backend-password"]
    assert stat.S_IMODE((made.root / "backend-password").stat().st_mode) == 0o600


def test_two_installations_have_two_passwords(tmp_path: Path) -> None:
    """Nothing of an installation is known in advance."""
    passwords = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        install(PYPISERVER, tmp_path / name, proxy_port=1, index_port=2)
        passwords.add((tmp_path / name / "backend-password").read_text())
    assert len(passwords) == 2


def test_files_to_upload(made: Installation) -> None:
    """A glob names the wheel and the sdist of one version of one project and nothing else; they are written once."""
    for project, version in ((CORE, "1.0"), (CORE, "1.2"), (WEB, "1.0")):
        built = made.built(project, version)
        pattern = Path(made.files(project, version))
        assert sorted(pattern.parent.glob(pattern.name)) == sorted(built)
    wheel, _ = made.built(CORE, "1.0")
    wheel.write_bytes(b"what was sent")
    assert made.built(CORE, "1.0")[0].read_bytes() == b"what was sent"


def test_the_readme_says_how_to_go_on(made: Installation) -> None:
    """It names both servers' commands and quotes a path that needs it."""
    text = (made.root / "README.md").read_text()
    assert ("-m pypiserver run" if made.upstream is PYPISERVER else "devpi-server --serverdir") in text
    assert all(name in text for name in made.upstream.files)
    assert f"serve --config '{made.config}'" in text
    assert re.search(rf"^    \S*{re.escape(Path(sys.executable).name)}'? -m authproxy key create ", text, re.MULTILINE)
