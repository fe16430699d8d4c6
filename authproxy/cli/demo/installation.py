"""An installation of the proxy before an index, as files in one directory: the demo runs it, `--keep` leaves it.

It is what an operator would write by hand: an index with one shared account (`upstreams`), that account's password in
a file only its owner reads, and a configuration of forty lines.
"""

import secrets
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from authproxy.cli.demo import packages
from authproxy.cli.demo.children import LOOPBACK
from authproxy.cli.demo.clients import pip_install, twine_upload
from authproxy.cli.demo.upstreams import PASSWORD_BYTES, SERVICE_USER, Upstream, write_private
from authproxy.config.masters import MASTER_BYTES, written

# The two projects of the story: one key may upload the first, another the second.
CORE, WEB = "acme-core", "acme-web"

_CONFIG = """\
# Written by `authproxy demo`. Every setting is explained in config.example.yaml.
listen: {host}:{proxy_port}
public_url: {public_url}

backend:                            # the index as it is: it knows one shared account and nothing of keys
  flavour: {flavour}
  url: http://{host}:{index_port}/{settings}
  username: {user}
  password: {{file: backend-password}}

store: sqlite:///authproxy.db       # the keys, and the record of every decision
state_directory: state
reads: index                        # readers notice nothing: the index answers them as before

keys:
  master_key: {{file: master-key}}    # for what is derived from keys: authproxy exec -- twine upload ...

key_policies:                       # what keys may do; a key may be given less
  release:
    allow:
      - {{actions: [upload], packages: ["acme-*"], create: true}}
    lifetime: 90d

packages:                           # what holds for a package, whoever asks; no match, no upload
{trusted}  - match: "acme-*"
    require: key
    filetypes: [wheel, sdist]
    max_size: 50MiB
    overwrite: never
    metadata: verify
"""

_RULE = """\
  - match: {core}
    require: trusted-publisher      # whoever has a key is told what to run instead
"""

_PUBLISHERS = """\

publishers:                         # jobs of a CI that get a key of minutes for their ID token
  - kind: github
    issuer: {issuer}    # left out for the real one
    repository: acme/core
    workflow: release.yml
    environment: pypi
    packages: [{core}]
    create: true
  - kind: gitlab
    issuer: {issuer}
    project: acme/core
    pipeline: .gitlab-ci.yml
    packages: [{core}]
    create: true
trusted_publishing:
  issuers:
    {issuer}: {{ca_file: ca.pem}}
"""

_README = """\
# An authproxy installation

`authproxy demo --keep` wrote this directory. Start the index, then the proxy:

    {index}

    {serve}

Make a key (it is shown once), upload with it, read without one:

    export AUTHPROXY_CONFIG={config}
    {authproxy} key create --policy release --owner me --note "my laptop" --allow upload+create:{core}

    {upload}

    {install}

| file | what it is |
|---|---|
| `authproxy.yaml` | the configuration; `{authproxy} config check --config {config}` reads it |
| `backend-password` | the index's shared password; nobody but the proxy needs it any more |
| `master-key` | what the store's secrets of derived keys are sealed under |
{files}
| `authproxy.db` | the keys (hashed) and the record of every decision |
| `dist/` | example packages to upload |
| `index.log`, `proxy.log` | what the two said during the demo |
"""


@dataclass(frozen=True, slots=True)
class Trust:
    """What trusted publishing needs besides: an issuer, TLS before the proxy, and who vouches for both."""

    issuer: str  # its URL
    port: int  # of TLS
    ca_file: Path


@dataclass(frozen=True, slots=True)
class Installation:
    """Where everything lies. `root` is absolute."""

    upstream: Upstream
    root: Path
    proxy_port: int
    index_port: int
    trust: Trust | None = None

    @property
    def public_url(self) -> str:
        """The root of the proxy, as clients see it."""
        scheme, port = ("http", self.proxy_port) if self.trust is None else ("https", self.trust.port)
        return f"{scheme}://{LOOPBACK}:{port}/"

    @property
    def audience(self) -> str:
        """For whom the ID tokens of jobs have to be: the host."""
        return urlsplit(self.public_url).netloc

    @property
    def config(self) -> Path:
        """The configuration of the proxy."""
        return self.root / "authproxy.yaml"

    def held(self) -> dict[str, Path]:
        """The files that were uploaded to the index, by their names, where it keeps them."""
        return {path.name: path for path in self.root.glob(self.upstream.held)}

    @property
    def url(self) -> str:
        """Where clients upload to."""
        return f"{self.public_url}{self.upstream.uploads}"

    @property
    def pages(self) -> str:
        """Where clients install from."""
        return f"{self.public_url}{self.upstream.pages}"

    @property
    def index_url(self) -> str:
        """Where the index takes uploads, from the proxy alone."""
        return f"http://{LOOPBACK}:{self.index_port}/{self.upstream.uploads}"

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

    def project(self, version: str) -> Path:
        """Make a folder with a project and the two files of one version, for a client that wants a project."""
        folder = self.root / f"{CORE}-{version}"
        if not folder.exists():
            (folder / "dist").mkdir(parents=True)
            (folder / "pyproject.toml").write_text(f'[project]\nname = "{CORE}"\nversion = "{version}"\n', "utf-8")
            for path in self.built(CORE, version):
                (folder / "dist" / path.name).write_bytes(path.read_bytes())
        return folder

    def index_command(self) -> list[str]:
        """Start the index: as it is, uploads behind its password, and no way to the public index."""
        return self.upstream.command(self.root, self.index_port)

    def proxy_command(self) -> list[str]:
        """Start the proxy, as an operator would."""
        return [sys.executable, "-m", "authproxy", "serve", "--config", str(self.config)]


def install(
    upstream: Upstream, root: Path, *, proxy_port: int, index_port: int, trust: Trust | None = None
) -> Installation:
    """Write an installation into `root`, a directory that exists and is empty.

    Raises ChildFailed where the index cannot be set up.
    """
    made = Installation(upstream, root.resolve(), proxy_port, index_port, trust)
    for name in ("dist", "state"):
        (made.root / name).mkdir(mode=0o700)
    for project, version in ((CORE, "1.0"), (CORE, "1.1"), (WEB, "1.0")):
        made.built(project, version)
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    upstream.prepare(made.root, password)
    write_private(made.root / "backend-password", f"{password}\n")
    write_private(made.root / "master-key", f"{written(secrets.token_bytes(MASTER_BYTES))}\n")
    publishers = "" if trust is None else _PUBLISHERS.format(issuer=trust.issuer, core=CORE)
    made.config.write_text(
        _CONFIG.format(
            host=LOOPBACK,
            public_url=made.public_url,
            trusted="" if trust is None else _RULE.format(core=CORE),
            proxy_port=proxy_port,
            index_port=index_port,
            user=SERVICE_USER,
            flavour=upstream.flavour,
            settings=upstream.settings,
        )
        + publishers,
        encoding="utf-8",
    )
    (made.root / "README.md").write_text(_readme(made), encoding="utf-8")
    return made


def _readme(made: Installation) -> str:
    return _README.format(
        index=shlex.join(made.index_command()),
        serve=shlex.join(made.proxy_command()),
        authproxy=shlex.join([sys.executable, "-m", "authproxy"]),
        config=shlex.quote(str(made.config)),
        core=CORE,
        upload=twine_upload(made.url, "THE_KEY", made.files(CORE, "1.0")).line(),
        install=pip_install(made.pages, CORE, made.root / "installed").line(),
        files="\n".join(f"| {name} | {what} |" for name, what in made.upstream.files.items()),
    )
