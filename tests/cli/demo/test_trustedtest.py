"""The self-test without keys can fail: each check of its own has a case that it must catch."""

import json
from pathlib import Path

import pytest

from authproxy.cli.demo import trustedtest
from authproxy.cli.demo.clients import Outcome
from authproxy.cli.demo.installation import CORE, WEB, Trust, install
from authproxy.cli.demo.selftest import Stage, StepFailed
from authproxy.cli.demo.upstreams import PYPISERVER


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """An installation whose servers do not run."""
    (tmp_path / "root").mkdir()
    (tmp_path / "home").mkdir()
    (tmp_path / "root" / "ca.pem").write_text("none")
    trust = Trust("https://127.0.0.1:9", 9, tmp_path / "root" / "ca.pem")
    made = install(PYPISERVER, tmp_path / "root", proxy_port=9, index_port=9, trust=trust)
    return Stage(made, tmp_path / "home", "apx_a", "Ab0123456789", "apx_b")


def answers(monkeypatch: pytest.MonkeyPatch, rows: object) -> None:
    monkeypatch.setattr(trustedtest, "_authproxy", lambda *_: Outcome(0, json.dumps(rows)))


@pytest.mark.parametrize(
    ("states", "fine"),
    [
        (["revoked", "live", "revoked", "revoked"], True),
        (["revoked", "live", "live", "revoked"], False),
        (["revoked", "revoked", "revoked"], False),
        ([], False),
    ],
)
def test_a_key_that_was_not_burned_is_noticed(
    stage: Stage, states: list[str], fine: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that was never minted."""
    answers(monkeypatch, [{"state": state} for state in states])
    if fine:
        trustedtest._burned(stage)
        return
    with pytest.raises(StepFailed, match="the minted keys are to be live, revoked, revoked, revoked"):
        trustedtest._burned(stage)


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [{"project": CORE, "claims": None}],
        [{"project": CORE, "claims": '{"repository": "acme/core"}'}],
        [{"project": WEB, "claims": '{"sha": "x"}'}],
    ],
    ids=["no row", "no claims", "no commit", "another package"],
)
def test_an_upload_without_its_commit_is_noticed(
    stage: Stage, rows: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the package that was published."""
    answers(monkeypatch, rows)
    with pytest.raises(StepFailed, match="without the commit"):
        trustedtest._on_record(stage)
    answers(monkeypatch, [{"project": CORE, "claims": '{"sha": "x"}'}])
    trustedtest._on_record(stage)


def test_without_servers_no_client_passes(stage: Stage) -> None:
    """None passes by not looking."""
    for step in (trustedtest._uv("github", "1.0"), trustedtest._twine, trustedtest._kept_key):
        with pytest.raises(StepFailed):
            step(stage)
