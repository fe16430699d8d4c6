"""Canaries: they never work, their answer is that of any dead key, and every use is counted and told, once a minute."""

import asyncio
import logging
from dataclasses import replace

import pytest

from authproxy.authority.canaries import QUIET
from authproxy.authority.sealing import Masters
from authproxy.domain.derived import derive
from authproxy.domain.keys import KeyKind, PublicId, mint
from authproxy.domain.policy import DEAD_KEY
from authproxy.domain.refusal import Code
from tests.authority.conftest import HERE, NOW, SPEC
from tests.authority.forging import CAVEATS, MASTER, forged

SET = replace(SPEC, policy="", kind=KeyKind.CANARY, note="in the old wiki")


@pytest.fixture
def uses():
    return []


@pytest.fixture
def authority(build, uses):
    return build(masters=Masters(MASTER), alarm=lambda: uses.append(1))


@pytest.fixture
async def canary(authority):
    return await authority.issue(SET, now=NOW)


def alarms(caplog):
    return [each for each in caplog.records if each.levelno == logging.ERROR]


async def told(authority, store):
    """The rows on record, once what is told in the background is."""
    await authority.canaries.close()
    return [row async for page in store.record.rows() for row in page]


async def test_a_canary_is_a_dead_key_and_an_alarm(authority, canary, store, uses, pool, caplog):
    """The very answer of a key that nobody knows, without an Argon2; and a row, a line and a count."""
    record, text = canary
    pool.close()
    assert await authority.authenticate(text, HERE, now=NOW) == DEAD_KEY
    [row] = await told(authority, store)
    assert (row.action, row.outcome, row.key_id, row.public_id) == ("canary", "known", record.id, record.id + "0")
    assert (row.address, row.owner) == (str(HERE), SET.owner)
    [line] = alarms(caplog)
    assert (line.key, line.address, line.note) == (record.id, str(HERE), "in the old wiki")
    assert text not in caplog.text
    assert text.rpartition("_")[2] not in str(vars(line))
    assert uses == [1]


async def test_guesses_do_not_tell_a_canary_from_a_key(build, uses):
    """Twenty wrong secrets, each from an address of its own: the same answers, in the same order, and no alarm."""
    authority = build(alarm=lambda: uses.append(1), failures=10)
    (record, _), (living, _) = await authority.issue(SET, now=NOW), await authority.issue(SPEC, now=NOW)

    async def answers(key_id):
        wrong = [mint("apx", PublicId(key_id + "0"), bytes([each]) * 32) for each in range(20)]
        found = [await authority.authenticate(text, HERE + number, now=NOW) for number, text in enumerate(wrong)]
        return [each.code for each in found]

    found = await answers(record.id)
    assert found == await answers(living.id)
    assert (found[0], found[-1]) == (Code.CREDENTIAL_INVALID, Code.THROTTLED)
    assert uses == []


async def test_what_is_derived_from_a_canary_raises_the_alarm_too(authority, canary, store, uses, caplog):
    """Whoever found it and runs our own client sends nothing else. A forged one is only wrong."""
    _, text = canary
    assert await authority.authenticate(forged(text), HERE, now=NOW) == DEAD_KEY
    assert (uses, alarms(caplog)) == ([], [])
    assert await authority.authenticate(derive(text, CAVEATS, "apx"), HERE, now=NOW) == DEAD_KEY
    [row] = await told(authority, store)
    assert row.derived.startswith('{"name":"')
    assert (len(uses), alarms(caplog)[0].derived) == (1, row.derived[9:25])


async def test_another_secret_of_its_id_is_no_alarm(authority, canary, uses):
    """Ids are no secret: listings and logs have them."""
    record, _ = canary
    for slot in "01":
        wrong = mint("apx", PublicId(record.id + slot), bytes(32))
        assert await authority.authenticate(wrong, HERE, now=NOW) == DEAD_KEY
    assert uses == []


@pytest.mark.parametrize("end", ["revoke", "pause"])
async def test_one_that_was_ended_is_quiet(authority, canary, store, uses, end):
    """That is how an operator takes it back."""
    record, text = canary
    await getattr(store, end)(record.id, NOW)
    assert await authority.authenticate(text, HERE, now=NOW) == DEAD_KEY
    assert uses == []


async def test_one_that_has_expired_is_quiet(authority, uses):
    """As every key it may have an end."""
    _, text = await authority.issue(replace(SET, expires=NOW + 5), now=NOW)
    assert await authority.authenticate(text, HERE, now=NOW + 5) == DEAD_KEY
    assert uses == []


async def test_a_flood_is_one_alarm_a_minute(authority, canary, store, uses, caplog):
    """All uses are counted; the log and the record hold one for each minute, and one after a clock was set back."""
    _, text = canary
    for at in (0, 0, 1, QUIET - 1, QUIET, QUIET + 1, 0):
        await authority.authenticate(text, HERE, now=NOW + at)
    assert len(uses) == 7
    assert len(alarms(caplog)) == 3
    assert len(await told(authority, store)) == 3


async def test_two_canaries_are_two_alarms(authority, canary, uses, caplog):
    """A flood of one does not hide the other."""
    _, other = await authority.issue(SET, now=NOW)
    for text in (canary[1], other, canary[1]):
        await authority.authenticate(text, HERE, now=NOW)
    assert (len(uses), len(alarms(caplog))) == (3, 2)


async def test_who_is_throttled_is_seen_all_the_same(build, store, uses):
    """Somebody who tries a hundred stolen keys has spent his failures before he comes to it. The answer is a 429."""
    authority = build(failures=1, masters=Masters(MASTER), alarm=lambda: uses.append(1))
    _, text = await authority.issue(SET, now=NOW)
    await authority.authenticate("apx_nothing", HERE, now=NOW)
    for each in (text, derive(text, CAVEATS, "apx")):
        assert (await authority.authenticate(each, HERE, now=NOW)).code is Code.THROTTLED
    assert len(uses) == 2


async def test_it_counts_as_a_failure(build):
    """Whoever uses it is somebody who guesses, as far as the throttle goes."""
    authority = build(failures=1)
    _, text = await authority.issue(SET, now=NOW)
    assert await authority.authenticate(text, HERE, now=NOW) == DEAD_KEY
    assert (await authority.authenticate(text, HERE, now=NOW)).code is Code.THROTTLED


async def test_a_store_that_cannot_be_written_leaves_the_line(authority, canary, store, caplog):
    """The log has the alarm, and why it is not on record."""
    await store.close()
    record, _ = canary
    authority.canaries.alarm(record, PublicId(record.id + "0"), HERE, NOW)
    await authority.canaries.close()
    assert [each.message for each in alarms(caplog)] == [
        "a canary key was used",
        "the use of a canary is not on record",
    ]


async def test_nobody_waits_for_the_record(authority, canary, store):
    """The answer is there before the row is: a commit would tell a canary from a key that nobody knows."""
    _, text = canary
    answer = asyncio.create_task(authority.authenticate(text, HERE, now=NOW))
    await answer
    assert authority.canaries._telling
    assert len(await told(authority, store)) == 1
