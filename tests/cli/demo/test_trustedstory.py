"""What a newcomer reads who wants no keys: lines that a shell can run, with no credential in any of them."""

import json
import shlex
from pathlib import Path

import pytest

from authproxy.cli.demo import trustedstory
from authproxy.cli.demo.installation import Trust, install
from authproxy.cli.demo.issuer import RUNNER
from authproxy.cli.demo.upstreams import UPSTREAMS, Upstream
from authproxy.config import load


@pytest.mark.parametrize("upstream", UPSTREAMS.values(), ids=list(UPSTREAMS))
def test_the_story(upstream: Upstream, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The lines stand on stdout; the one that must be refused is a stranger's, and the claims are those of ours."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "ca.pem").write_text("certificates")
    trust = Trust("https://127.0.0.1:18443", 18444, root / "ca.pem")
    made = install(upstream, root, proxy_port=18080, index_port=18081, trust=trust)
    trustedstory.tell(made, trust)
    out, err = capsys.readouterr()
    lines = [shlex.split(line) for line in out.splitlines()]
    assert len(lines) == 7
    assert all(made.url in line for line in lines[:4])
    assert made.url.startswith("https://127.0.0.1:18444/")
    assert "ACTIONS_ID_TOKEN_REQUEST_URL=https://127.0.0.1:18443/github-job?project=stranger/core" in lines[3]
    assert [f"ACTIONS_ID_TOKEN_REQUEST_TOKEN={RUNNER}" in line for line in lines] == [True] * 4 + [False] * 3
    assert "PASSWORD" not in out
    assert "apx_" not in out + err
    assert "This must be refused" in err
    config = load(made.config)
    assert {each.kind for each in config.policy.publishers.values()} == {"github", "gitlab"}
    claims = json.loads((made.root / "claims.json").read_text())
    assert (claims["iss"], claims["aud"]) == (trust.issuer, config.trusted_publishing.audience)
