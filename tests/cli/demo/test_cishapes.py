"""The two shapes: each is the token of the project that is asked for, and of no other."""

import pytest

from authproxy.cli.demo.cishapes import github, gitlab
from authproxy.domain.grants import Pattern
from authproxy.domain.publisherkinds import KINDS, PublisherKind, Said
from authproxy.domain.publishers import Matched, match, publisher

ISSUER = "https://ci.acme.test"


def said(kind: PublisherKind, project: str) -> Said:
    if kind is PublisherKind.GITHUB:
        return {"repository": (project,), "workflow": ("release.yml",), "environment": ("pypi",)}
    return {"project": (project,), "pipeline": (".gitlab-ci.yml",), "environment": ("pypi",)}


@pytest.mark.parametrize(("kind", "shape"), [(PublisherKind.GITHUB, github), (PublisherKind.GITLAB, gitlab)])
def test_a_token_is_of_its_project(kind: PublisherKind, shape) -> None:
    """All that a publisher asks of names follows the project; what goes on record is there."""
    for project in ("acme/core", "other/name"):
        made = publisher(kind, said(kind, project), packages=(Pattern("acme-core"),), issuer=ISSUER)
        for asked in ("acme/core", "other/name"):
            found = match([made], shape(ISSUER, "pypi.acme.test", 1000, asked), {}, now=1000)
            assert isinstance(found, Matched) is (asked == project)
        claims = shape(ISSUER, "pypi.acme.test", 1000, project)
        assert set(KINDS[kind].recorded) <= set(claims)
