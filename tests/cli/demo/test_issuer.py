"""The demo's issuer: what it signs verifies with what it serves, over TLS, and only who asks like a runner gets a job's."""

import asyncio
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
import trustme

from authproxy.cli.demo.issuer import DISCOVERY, GITHUB_JOB, GITLAB_JOB, RUNNER, Issuer, demo_issuer
from authproxy.oidc import Issuer as Trusted
from authproxy.oidc import Keyrings, Verifier

AUDIENCE = "pypi.acme.test:8443"


@dataclass(frozen=True, slots=True)
class Running:
    """The issuer, and its CA in a file."""

    issuer: Issuer
    ca_file: Path

    def get(self, path: str, **headers: str) -> bytes:
        context = ssl.create_default_context(cafile=self.ca_file)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        with opener.open(urllib.request.Request(self.issuer.url + path, headers=headers), timeout=10) as answer:
            return answer.read()

    def claims(self, token: str) -> dict[str, object]:
        """Verified as the proxy does."""

        async def verified() -> dict[str, object]:
            keyrings = Keyrings()
            try:
                trusted = Trusted(self.issuer.url, ca_file=self.ca_file)
                found = await Verifier([trusted], AUDIENCE, keyrings.key).verified(token, now=int(time.time()))
                return dict(found.values)
            finally:
                await keyrings.close()

        return asyncio.run(verified())


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with demo_issuer(authority) as issuer:
        yield Running(issuer, tmp_path / "ca.pem")


def test_a_job_of_github(running: Running) -> None:
    """With the runner's own token, whatever case its scheme has: a token for the audience and the repository asked."""
    path = f"{GITHUB_JOB}?project=acme/web&audience={quote(AUDIENCE)}"
    for scheme in ("bearer", "Bearer"):
        claims = running.claims(json.loads(running.get(path, Authorization=f"{scheme} {RUNNER}"))["value"])
        assert (claims["repository"], claims["aud"]) == ("acme/web", AUDIENCE)
        assert claims["job_workflow_ref"] == "acme/web/.github/workflows/release.yml@refs/tags/v1.2.0"


def test_a_job_of_gitlab(running: Running) -> None:
    """As plain text, each a token of its own."""
    path = f"{GITLAB_JOB}?audience={quote(AUDIENCE)}"
    one, other = (running.claims(running.get(path).decode()) for _ in range(2))
    assert (one["project_path"], one["iss"]) == ("acme/core", running.issuer.url)
    assert one["jti"] != other["jti"]


@pytest.mark.parametrize(
    ("path", "headers"),
    [(GITHUB_JOB, {}), (GITHUB_JOB, {"Authorization": "bearer another"}), ("/", {})],
    ids=["no runner", "another runner", "nothing"],
)
def test_others_get_nothing(running: Running, path: str, headers: dict[str, str]) -> None:
    """404, and no token."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        running.get(path, **headers)
    assert caught.value.code == 404
    caught.value.close()


def test_it_is_who_it_says(running: Running) -> None:
    """Its discovery document names it; nobody who does not trust its CA is told."""
    assert json.loads(running.get(DISCOVERY))["issuer"] == running.issuer.url
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(running.issuer.url + DISCOVERY, timeout=10)
