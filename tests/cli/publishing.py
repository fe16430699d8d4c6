"""A configuration with trusted publishers, for the commands that are about them."""

import json
from collections.abc import Mapping
from pathlib import Path

from tests.peers.ci_claims import github

ISSUER = "https://ci.acme.test"
AUDIENCE = "pypi.acme.test"
NOW = 1_800_000_000
CORE = "github https://ci.acme.test acme/core release.yml pypi"
WEB = "gitlab acme/web .gitlab-ci.yml"

PUBLISHERS: list[Mapping[str, object]] = [
    {
        "kind": "github",
        "issuer": ISSUER,
        "repository": "acme/core",
        "workflow": "release.yml",
        "environment": "pypi",
        "packages": ["acme-core"],
        "create": True,
    },
    {"kind": "gitlab", "project": "acme/web", "pipeline": ".gitlab-ci.yml", "packages": ["acme-web"]},
]


def trusts(config_file: Path, issuer: str = ISSUER, **settings: object) -> None:
    """Add both publishers to a configuration; `settings` are those of the issuer."""
    listed = [each | ({"issuer": issuer} if "issuer" in each else {}) for each in PUBLISHERS]
    trusted = {"audience": AUDIENCE, "issuers": {issuer: settings} if settings else {}}
    more = f"publishers: {json.dumps(listed)}\ntrusted_publishing: {json.dumps(trusted)}\n"
    config_file.write_text(config_file.read_text() + more)


def claims_file(folder: Path, **changes: object) -> Path:
    """What a job of acme/core has in its token, in a file; None takes a claim away."""
    said = github(ISSUER, AUDIENCE, NOW) | changes
    path = folder / "claims.json"
    path.write_text(json.dumps({name: value for name, value in said.items() if value is not None}))
    return path
