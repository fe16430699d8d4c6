"""The self-test can fail: each kind of check has a case that it must catch."""

from pathlib import Path

import pytest

from authproxy.cli.demo import selftest
from authproxy.cli.demo.clients import Command
from authproxy.cli.demo.installation import CORE, install
from authproxy.cli.demo.selftest import STEPS, Stage, StepFailed
from authproxy.cli.demo.upstreams import UPSTREAMS

FINE = Command("timeit", ("-n1", "-r1", "pass"))
FAILS = Command("json.tool", ("no-such-file",))


@pytest.fixture(params=list(UPSTREAMS))
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Stage:
    """An installation whose servers do not run, before either index."""
    (tmp_path / "root").mkdir()
    (tmp_path / "home").mkdir()
    made = install(UPSTREAMS[request.param], tmp_path / "root", proxy_port=9, index_port=9)
    return Stage(made, tmp_path / "home", "apx_a", "Ab0123456789", "apx_b")


def arrive(stage: Stage, name: str) -> Path:
    """Where the index would keep a file of this name; its folder is there from now on."""
    path = stage.made.root / stage.made.upstream.held.removesuffix("*").replace("*", "f") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def test_a_client_that_fails_is_noticed(stage: Stage) -> None:
    """And what it said is passed on."""
    selftest.succeeds(FINE, stage)
    with pytest.raises(StepFailed, match=r"(?s)json.tool ended with status.*no-such-file"):
        selftest.succeeds(FAILS, stage)


def test_an_upload_that_was_not_refused_is_noticed(stage: Stage) -> None:
    """By its status, by the sentence that is missing, and by the file that arrived all the same."""
    selftest.refused(FAILS, stage, "no-such-file")
    with pytest.raises(StepFailed, match="was not refused"):
        selftest.refused(FINE, stage)
    with pytest.raises(StepFailed, match="does not show 'may not'"):
        selftest.refused(FAILS, stage, "may not")
    arrives = Command("tarfile", ("-c", str(arrive(stage, "arrived.tar")), "no-such-file"))
    with pytest.raises(StepFailed, match=r"yet the index has arrived\.tar"):
        selftest.refused(arrives, stage)


def test_other_bytes_are_noticed(stage: Stage) -> None:
    """A file that is missing, and one with a single byte changed."""
    with pytest.raises(StepFailed, match=r"does not have acme_core-1\.0"):
        selftest.same_bytes(stage)
    for version in ("1.0", "1.1"):
        for sent in stage.made.built(CORE, version):
            arrive(stage, sent.name).write_bytes(sent.read_bytes())
    selftest.same_bytes(stage)
    changed = stage.made.held()["acme_core-1.1.tar.gz"]
    changed.write_bytes(changed.read_bytes()[:-1] + b"x")
    with pytest.raises(StepFailed, match=r"other bytes for acme_core-1\.1\.tar\.gz"):
        selftest.same_bytes(stage)


def test_the_first_failure_ends_the_test_and_is_named(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """One line a step, the failing one crossed out, the reason on stderr, nothing after it."""

    def passes(_: Stage) -> None:
        """Nothing to do."""

    def fails(_: Stage) -> None:
        raise StepFailed("seen: Authorization: Basic c2VjcmV0c2VjcmV0")

    assert not selftest.run(stage, lambda: None, (("one", passes), ("two", fails), ("three", passes)))
    out, err = capsys.readouterr()
    assert [line.split("  ")[0] for line in out.splitlines()] == ["✓ one", "✗ two"]
    assert "step 2 of 3 failed: seen: Authorization: [redacted]" in err
    assert not selftest.run(stage, lambda: "the proxy ended", (("two", fails),))
    assert "the proxy ended" in capsys.readouterr().err
    assert selftest.run(stage, lambda: None, (("one", passes),))


def test_without_servers_no_client_passes(stage: Stage) -> None:
    """Every step that uploads or installs fails where nobody listens: none passes by not looking."""
    talking = [step for sentence, step in STEPS if "twine uploads" in sentence or "uv installs" in sentence]
    assert len(talking) == 2
    for step in talking:
        with pytest.raises(StepFailed):
            step(stage)
