"""What a newcomer reads: two keys as small as promised, and lines that a shell can run."""

import asyncio
import shlex
from pathlib import Path

import pytest

from authproxy.cli.demo import story
from authproxy.cli.demo.installation import CORE, WEB, install
from authproxy.cli.demo.upstreams import UPSTREAMS, Upstream


@pytest.mark.parametrize("upstream", UPSTREAMS.values(), ids=list(UPSTREAMS))
def test_the_story(upstream: Upstream, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The lines stand on stdout, each a command with the right key, and the one that must be refused among them; the
    talk goes to stderr and holds no key.
    """
    (tmp_path / "root").mkdir()
    made = install(upstream, tmp_path / "root", proxy_port=18080, index_port=18081)
    core, web = asyncio.run(story.keys(made, CORE, WEB))
    assert (core.allow, web.allow) == (("upload+create:acme-core",), ("upload+create:acme-web",))
    capsys.readouterr()
    story.tell(made, core, web, home=tmp_path, kept=False)
    out, err = capsys.readouterr()
    lines = [shlex.split(line) for line in out.splitlines()]
    assert len(lines) == 7
    assert [line[line.index("--repository-url") + 1] for line in lines if "--repository-url" in line] == [made.url] * 2
    assert [line[line.index("--index-url") + 1] for line in lines if "--index-url" in line] == [made.pages] * 2
    assert upstream.remark in err
    refused = lines[4]
    assert f"TWINE_PASSWORD={core.key}" in refused
    assert refused[-1].endswith("/acme_web-1.0*")
    assert lines[-1][-1] == core.record.id
    assert core.key not in err
    assert web.key not in err
    assert "This must be refused" in err
    assert "removes everything" in err
    story.tell(made, core, web, home=tmp_path, kept=True)
    assert "README.md" in capsys.readouterr().err
