"""An installation of the proxy before an index, as files in one directory: the demo runs it, `--keep` leaves it.

It is what an operator would write by hand: a pypiserver with one shared htpasswd account, that account's password in
a file only its owner reads, and a configuration of forty lines.
"""

import os
import secrets
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from authproxy.cli.demo import packages
from authproxy.cli.demo.children import LOOPBACK
from authproxy.cli.demo.clients import pip_install, twine_upload
from authproxy.cli.output import PRIVATE

SERVICE_USER = "authproxy"

# pypiserver checks the password on every upload, and at bcrypt's usual cost of 10 that is all it does (15 uploads a
# second instead of 130). The password below has 192 random bits, which no cost protects any better.
BCRYPT_COST = 4
PASSWORD_BYTES = 24

# The two projects of the story: one key may upload the first, another the second.
CORE, WEB = "acme-core", "acme-web"

_CONFIG = """\
# Written by `authproxy demo`. Every setting is explained in config.example.yaml.
listen: {host}:{proxy_port}
public_url: http://{host}:{proxy_port}/

backend:                            # the index as it is: it knows one shared account and nothing of keys
  flavour: pypiserver
  url: http://{host}:{index_port}/
  username: {user}
  password: {{file: backend-password}}

store: sqlite:///authproxy.db       # the keys, and the record of every decision
state_directory: state
reads: index                        # readers notice nothing: the index answers them as before

key_policies:                       # what keys may do; a key may be given less
  release:
    allow:
      - {{actions: [upload], packages: ["acme-*"], create: true}}
    lifetime: 90d

packages:                           # what holds for a package, whoever asks; no match, no upload
  - match: "acme-*"
    require: key
    filetypes: [wheel, sdist]
    max_size: 50MiB
    overwrite: never
    metadata: verify
"""

_README = """\
# An authproxy installation

`authproxy demo --keep` wrote this directory. Start the index, then the proxy:

    {index}

    {serve}

Make a key (it is shown once), upload with it, read without one:

    export AUTHPROXY_CONFIG={config}
    authproxy key create --policy release --owner me --note "my laptop" --allow upload+create:{core}

    {upload}

    {install}

| file | what it is |
|---|---|
| `authproxy.yaml` | the configuration; `authproxy config check --config {config}` reads it |
| `backend-password` | the index's shared password; nobody but the proxy needs it any more |
| `htpasswd`, `packages/` | the index: its one account, and its files |
| `authproxy.db` | the keys (hashed) and the record of every decision |
| `dist/` | example packages to upload |
| `index.log`, `proxy.log` | what the two said during the demo |
"""


@dataclass(frozen=True, slots=True)
class Installation:
    """Where everything lies. `root` is absolute."""

    root: Path
    proxy_port: int
    index_port: int

    @property
    def config(self) -> Path:
        """The configuration of the proxy."""
        return self.root / "authproxy.yaml"

    @property
    def packages(self) -> Path:
        """The directory that the index serves."""
        return self.root / "packages"

    @property
    def url(self) -> str:
        """Where clients upload to, and read from under `simple/`."""
        return f"http://{LOOPBACK}:{self.proxy_port}/"

    @property
    def index_url(self) -> str:
        """Where the index listens, for the proxy alone."""
        return f"http://{LOOPBACK}:{self.index_port}/"

    def built(self, project: str, version: str) -> tuple[Path, Path]:
        """The wheel and the sdist of one version, ready to upload; written when they are first asked for."""
        made = (packages.wheel(project, version), packages.sdist(project, version))
        wheel, sdist = (self.root / "dist" / each.filename for each in made)
        for path, each in ((wheel, made[0]), (sdist, made[1])):
            if not path.exists():
                path.write_bytes(each.content)
        return wheel, sdist

    def files(self, project: str, version: str) -> str:
        """Both of them, as a glob: what a person would type."""
        wheel, _ = self.built(project, version)
        return str(wheel).removesuffix("-py3-none-any.whl") + "*"

    def index_command(self) -> list[str]:
        """Start the index: pypiserver as it is, uploads behind its password, and no way to the public index."""
        address = ["-i", LOOPBACK, "-p", str(self.index_port)]
        account = ["-P", str(self.root / "htpasswd"), "-a", "update"]
        run = [sys.executable, "-m", "pypiserver", "run"]
        return [*run, *address, *account, "--disable-fallback", str(self.packages)]

    def proxy_command(self) -> list[str]:
        """Start the proxy, as an operator would."""
        return [sys.executable, "-m", "authproxy", "serve", "--config", str(self.config)]


def install(root: Path, *, proxy_port: int, index_port: int) -> Installation:
    """Write an installation into `root`, a directory that exists and is empty."""
    made = Installation(root.resolve(), proxy_port, index_port)
    for name in ("packages", "dist", "state"):
        (made.root / name).mkdir(mode=0o700)
    for project, version in ((CORE, "1.0"), (CORE, "1.1"), (WEB, "1.0")):
        made.built(project, version)
    _account(made)
    made.config.write_text(
        _CONFIG.format(host=LOOPBACK, proxy_port=proxy_port, index_port=index_port, user=SERVICE_USER),
        encoding="utf-8",
    )
    readme = _README.format(
        index=shlex.join(made.index_command()),
        serve=shlex.join(made.proxy_command()),
        config=shlex.quote(str(made.config)),
        core=CORE,
        upload=twine_upload(made.url, "THE_KEY", made.files(CORE, "1.0")).line(),
        install=pip_install(made.url, CORE, made.root / "installed").line(),
    )
    (made.root / "README.md").write_text(readme, encoding="utf-8")
    return made


def _account(made: Installation) -> None:
    import bcrypt

    password = secrets.token_urlsafe(PASSWORD_BYTES)
    digest = bcrypt.hashpw(password.encode(), bcrypt.gensalt(BCRYPT_COST)).decode()
    _write_private(made.root / "htpasswd", f"{SERVICE_USER}:{digest}\n")
    _write_private(made.root / "backend-password", f"{password}\n")


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "w", encoding="utf-8") as stream:
        stream.write(text)
