"""Everything together: each check is made, in an order that a person can follow."""

import asyncio
from pathlib import Path

import pytest

from authproxy.cli.checkup import checkup
from authproxy.store import migrate
from tests.cli.checkup.conftest import Configured, nothing_changes, now
from tests.peers.pypiserver import PypiServer

ALL = [
    "config",
    "public-url",
    "trusted-proxies",
    "descriptors",
    "disk",
    "memory",
    "listen",
    "passwords",
    "store",
    "store-schema",
    "store-journal",
    "record",
    "alarms",
    "keys",
    "policies",
    "master-key",
    "index",
    "clock",
    "index-account",
    "index-fallback",
    "index-uploads",
    "index-alone",
]


def test_everything_is_looked_at(configured: Configured, index: PypiServer) -> None:
    """From the configuration to the index, each of them once."""
    config = configured(index.url, limits={"max_upload": "1MiB"})
    asyncio.run(migrate(config.store))
    found = list(checkup(config, now=now()))
    assert [each.name for each in found] == ALL
    assert {str(each.verdict) for each in found} == {"ok"}


def test_webhooks_are_looked_at_where_there_are_some(configured: Configured, tmp_path: Path) -> None:
    """Between the store, which knows of them, and the index."""
    (tmp_path / "hook-secret").write_text("a secret of the webhook, 0123456789\n")
    hook = {"name": "ops", "url": "https://ops.example.com/", "secret": {"file": "hook-secret"}}
    config = configured(webhooks=[hook | {"events": ["key.created"]}])
    asyncio.run(migrate(config.store))
    names = [each.name for each in checkup(config, now=now())]
    assert names[names.index("policies") :][:4] == ["policies", "master-key", "webhooks", "index"]


def test_control_a_change_would_be_noticed(tmp_path: Path) -> None:
    """What the other tests hold of each check: a file that is written, made, or opened to others is seen."""
    path = tmp_path / "file"
    path.write_text("before")
    for change in (lambda: path.write_text("behind"), lambda: path.chmod(0o600), (tmp_path / "new").touch):
        with pytest.raises(AssertionError), nothing_changes(tmp_path):
            change()


def test_a_proxy_before_itself_is_not_asked(configured: Configured) -> None:
    """It would answer for the index."""
    config = configured("http://127.0.0.1:8080/", listen="127.0.0.1:8080")
    found = [each for each in checkup(config, now=now()) if each.name.startswith("index")]
    assert [(each.name, str(each.verdict)) for each in found] == [("index", "problem")]
    assert "the proxy itself" in found[0].sentence


def test_what_is_not_well_says_what_to_do(configured: Configured) -> None:
    """No store, no index: both problems have an advice."""
    bad = [each for each in checkup(configured(), now=now()) if each.verdict != "ok"]
    assert {each.name for each in bad} >= {"store", "index"}
    assert all(each.advice for each in bad)
