"""What the index lists, compared with what was sent: a hash of ours is never overwritten in silence."""

import logging
from dataclasses import replace

import pytest

from authproxy.domain.access import Outcome
from authproxy.domain.names import ProjectName
from authproxy.domain.policy import Overwrite
from authproxy.store import Ticket
from authproxy.web.comparing import Noted
from authproxy.web.ledger import Ledger, SameFile
from tests.web.ledgers import BYTES, NOW, OTHER, YES, Index, asking, claim, restarted, sha256, upload

FILE, BESIDE = "acme_core-1.0.tar.gz", "acme_core-2.0.tar.gz"
PROJECT = ProjectName("acme-core")


async def compared(ledger: Ledger, *, whole: bool = True) -> Noted:
    """What a comparison of the project says."""
    return (await ledger.adopt("default", PROJECT, whole=whole))[1]


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [vars(record)["file"] for record in caplog.records if record.levelno == logging.ERROR]


async def test_what_is_as_it_was_sent(ledger: Ledger, held: Index, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is said; a file that nobody knew is new."""
    await upload(ledger, held, FILE)
    held.files[BESIDE] = BYTES
    assert await compared(ledger) == Noted(1)
    assert await compared(ledger) == Noted(0)
    assert errors(caplog) == []


@pytest.mark.parametrize("hashes", [True, False], ids=["stated", "read back"])
async def test_other_bytes_are_an_alarm(
    ledger: Ledger, held: Index, caplog: pytest.LogCaptureFixture, hashes: bool
) -> None:
    """In the log, once, and for who compares; a hash that the index does not state is none to compare."""
    held.hashes = hashes
    await upload(ledger, held, FILE)
    held.files[FILE] = OTHER
    noted = await compared(ledger, whole=False)
    if not hashes:
        assert (noted, errors(caplog)) == (Noted(0), [])
        return
    [(row, found)] = noted.different
    assert (row.sha256, found, errors(caplog)) == (sha256(BYTES), sha256(OTHER), [FILE])
    assert await ledger.store.unfinished.count_alarms() == 1
    assert await compared(ledger) == Noted(0), "it is an alarm already"
    assert await claim(restarted(ledger), asking(FILE, OTHER)) == SameFile(FILE)


async def test_a_spelling_whose_bytes_nobody_states_is_read(ledger: Ledger, held: Index) -> None:
    """Somebody put another file in the place of ours, under another name."""
    held.hashes = False
    await upload(ledger, held, FILE)
    held.files = {"Acme-Core-1.0.zip": OTHER}
    noted = await compared(ledger)
    assert [(row.filename, found) for row, found in noted.different] == [(FILE, sha256(OTHER))]


async def test_a_file_that_was_there_before_us_may_change(ledger: Ledger, held: Index) -> None:
    """It is said and noted; there is no upload that it would be an alarm of."""
    held.files[FILE] = BYTES
    await compared(ledger)
    held.files[FILE] = OTHER
    noted = await compared(ledger)
    assert [(row.sha256, found) for row, found in noted.changed] == [(sha256(BYTES), sha256(OTHER))]
    assert await compared(ledger) == Noted(0)


async def test_files_that_are_gone(ledger: Ledger, held: Index, caplog: pytest.LogCaptureFixture) -> None:
    """Told each time, an alarm once, and none any more when it is back; whoever asks about a part misses nothing."""
    await upload(ledger, held, FILE)
    held.files[BESIDE] = BYTES
    await compared(ledger)
    held.files.clear()
    assert await compared(ledger, whole=False) == Noted(0)
    for _ in range(2):
        assert sorted(row.filename for row in (await compared(ledger)).missing) == [FILE, BESIDE]
    assert errors(caplog) == [FILE]
    assert await ledger.store.unfinished.count_alarms() == 1
    held.files[FILE] = BYTES
    assert [row.filename for row in (await compared(ledger)).missing] == [BESIDE]
    assert await ledger.store.unfinished.count_alarms() == 0


async def test_a_list_that_is_older_than_an_upload_is_no_alarm(
    ledger: Ledger, held: Index, caplog: pytest.LogCaptureFixture
) -> None:
    """An overwrite through us ended between the list and the look at our rows: the second look sees it."""
    await upload(ledger, held, FILE)
    ticket = await claim(ledger, asking(FILE, OTHER), replace(YES, overwrite=Overwrite.ALLOW))
    assert isinstance(ticket, Ticket)
    found = await ledger.backend.files("default", PROJECT) or ()
    held.files[FILE] = OTHER
    await ledger.store.complete(ticket, Outcome.STORED, index_status=200, time_ms=NOW * 1000)
    assert await ledger.note("default", PROJECT, found, whole=True) == Noted(0)
    assert await ledger.note("default", PROJECT, (), whole=True) == Noted(0)
    assert (errors(caplog), await ledger.store.unfinished.count_alarms()) == ([], 0)


async def test_an_upload_meets_what_was_changed_past_us(
    ledger: Ledger, held: Index, caplog: pytest.LogCaptureFixture
) -> None:
    """The first upload to a project compares it: the alarm stands then, and the answer is the same as ever."""
    await upload(ledger, held, FILE)
    held.files[FILE] = OTHER
    assert isinstance(await claim(restarted(ledger), asking(BESIDE)), Ticket)
    assert errors(caplog) == [FILE]
    assert await ledger.store.unfinished.count_alarms() == 1


async def test_a_repeated_upload_meets_what_was_changed_past_us(
    ledger: Ledger, held: Index, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where the project was compared before: the file itself is looked at."""
    await upload(ledger, held, FILE)
    await upload(ledger, held, BESIDE)
    held.files[FILE] = OTHER
    answer = await claim(ledger, asking(FILE))
    assert not isinstance(answer, Ticket | SameFile)
    assert errors(caplog) == [FILE]
