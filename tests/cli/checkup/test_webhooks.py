"""Whether webhooks take what they are told: seen in the store, and nothing is sent to find out."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from authproxy.cli.checkup.finding import Finding
from authproxy.cli.checkup.webhooks import LASTING, PROMPT, check_webhooks
from authproxy.config import Config
from authproxy.domain.keys import KeyId
from authproxy.store import Failure, Store, migrate
from tests.cli.checkup.conftest import Configured, nothing_changes
from tests.peers.postgres import Postgres
from tests.store.samples import KEY, NOW

HOOKS = [
    {"name": name, "url": "https://ops.example.com/hook", "secret": {"file": "hook-secret"}, "events": ["key.created"]}
    for name in ("ops", "audit")
]
Fill = Callable[[Store], Any]


@pytest.fixture
def config(configured: Configured) -> Config:
    """A configuration with two webhooks and a new store."""
    folder = configured().file.parent
    (folder / "hook-secret").write_text("a secret of the webhook, 0123456789\n")
    (folder / "hook-secret").chmod(0o600)
    made = configured(webhooks=HOOKS)
    asyncio.run(migrate(made.store))
    return made


def look(config: Config, *, later: int = 0) -> list[Finding]:
    """All findings, of a folder that is the same afterwards."""
    with nothing_changes(config.file.parent):
        return list(check_webhooks(config, now=NOW + later))


def in_store(config: Config, work: Fill) -> None:
    async def done() -> None:
        store = await Store.open(config.store, config.wanted)
        await work(store)
        await store.close()

    asyncio.run(done())


async def tell(store: Store) -> None:
    """Write an event for both."""
    await store.add_key(replace(KEY, id=KeyId("Abc123XYZ001"), created=NOW))


async def fail(store: Store, times: int) -> None:
    for number in range(times):
        [message] = await store.webhooks.pending("ops", 1, now=NOW + 100_000 * (number + 1))
        await store.webhooks.settle("ops", [], Failure(message, "it answered 503"), now=NOW)


async def take(store: Store, name: str) -> None:
    messages = await store.webhooks.pending(name, 10, now=NOW + 10**9)
    await store.webhooks.settle(name, messages, None, now=NOW + 60)


def test_nothing_to_say_of_none(configured: Configured) -> None:
    """Without webhooks there is no line about them."""
    assert look(configured()) == []


def test_webhooks_that_have_had_nothing_to_take(config: Config) -> None:
    """Each is named, with the command that tries it."""
    found = look(config)
    assert [str(each.verdict) for each in found] == ["ok", "ok"]
    assert "ops has its secret, and has had nothing to take yet" in found[0].sentence
    assert "`authproxy webhook test audit`" in found[1].sentence


def test_a_webhook_that_takes_events(config: Config) -> None:
    """It is said when it did so last; the other one waits for its turn."""
    in_store(config, tell)
    in_store(config, lambda store: take(store, "ops"))
    ops, audit = look(config)
    assert (str(ops.verdict), ops.sentence) == (
        "ok",
        "ops has its secret and took its last event at 2027-01-15T08:01:00Z",
    )
    assert (str(audit.verdict), "1 wait, the oldest since" in audit.sentence) == ("ok", True)


@pytest.mark.parametrize(("times", "verdict"), [(1, "warning"), (LASTING - 1, "warning"), (LASTING, "problem")])
def test_a_webhook_that_fails(config: Config, times: int, verdict: str) -> None:
    """A blip is a warning and what lasts a problem; why, since when, how many wait, and what to do."""
    in_store(config, tell)
    in_store(config, lambda store: fail(store, times))
    [found] = [each for each in look(config) if "ops" in each.sentence]
    assert str(found.verdict) == verdict
    assert f"{times} times in a row, the last time: it answered 503" in found.sentence
    assert "it has never taken an event, 1 wait, the oldest since 2" in found.sentence
    assert "authproxy webhook test ops" in (found.advice or "")


def test_events_that_nobody_brings(config: Config) -> None:
    """No failure and no success for longer than a server would take: it does not run, or one is not taken."""
    in_store(config, tell)
    assert {str(each.verdict) for each in look(config)} == {"ok"}
    found = look(config, later=PROMPT + 1)
    assert {str(each.verdict) for each in found} == {"warning"}
    assert "see that the server runs" in (found[0].advice or "")


def test_a_store_that_cannot_be_read_is_told_elsewhere(config: Config) -> None:
    """`check_store` says what is wrong with it, once."""
    config.file.with_name("authproxy.db").unlink()
    assert look(config) == []


def test_no_secret_is_said(config: Config) -> None:
    """That there is one is all that anybody reads."""
    in_store(config, tell)
    in_store(config, lambda store: fail(store, LASTING))
    assert "0123456789" not in repr(look(config))


def test_a_store_on_a_server_is_asked_as_a_file_is(config: Config, database_server: Postgres) -> None:
    """Both webhooks wait for their first try there, too."""
    login = database_server.create()
    there = replace(config, store=str(login.address))
    asyncio.run(migrate(there.store))
    in_store(there, tell)
    waiting = list(check_webhooks(there, now=NOW + PROMPT + 100))
    assert [each.verdict for each in waiting] == [each.verdict for each in _of_a_file(config)]
    database_server.drop(login)


def _of_a_file(config: Config) -> list[Finding]:
    in_store(config, tell)
    return look(config, later=PROMPT + 100)
