"""`authproxy policy explain --record`: what a row of the record answered, and what the rules of today would."""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from authproxy.cli.failures import Exit, Failure
from authproxy.cli.key import now
from authproxy.cli.options import opened
from authproxy.cli.output import Output, moment
from authproxy.cli.policyanswer import answer_document, answer_lines
from authproxy.domain.access import ACCEPT, ACCEPT_GONE, PrincipalKind
from authproxy.domain.explanation import Explanation, Step
from authproxy.domain.keys import KeyId, KeyRecord
from authproxy.domain.policy import admit_uploader, explain
from authproxy.domain.refusal import Code, Denial
from authproxy.domain.replay import access_of, who_asked

# What no rule can be asked about.
NAMELESS = Denial(Code.FORM_INVALID, "the row names no project: what was sent could not be read")

if TYPE_CHECKING:
    from authproxy.config import Config
    from authproxy.store import Decision


def explain_row(config: "Config", out: Output, number: int) -> Exit:
    """Print both answers; the exit status is that of today's."""
    row, key = asyncio.run(_found(config, number))
    today = _today(config, row, key)
    allowed = today is not None and not isinstance(today.decision, Denial)
    document = {"record": number, "then": _then(row), "allowed": allowed, "key_gone": today is None}
    out.document(document | {"today": answer_document(today) if today else None}, _lines(row, today))
    return Exit.DONE if allowed else Exit.NO


async def _found(config: "Config", number: int) -> tuple["Decision", KeyRecord | None]:
    async with opened(config) as store:
        row = await store.record.row(number)
        if row is None:
            raise Failure(f"the record has no row {number}: `authproxy audit tail` shows the youngest")
        if row.action in {ACCEPT, ACCEPT_GONE}:
            raise Failure(f"row {number} is what {row.owner} accepted at the command line: no rule decides that")
        return row, None if row.key_id is None else await store.key(KeyId(row.key_id))


def _then(row: "Decision") -> dict[str, object]:
    return {
        "time": moment(row.time_ms // 1000),
        "who": row.owner,
        "key": row.key_id,
        "action": row.action,
        "index": row.index,
        "source": row.source,
        "project": row.project or None,
        "file": row.filename or None,
        "version": row.version or None,
        "derived": row.derived,
        "claims": row.claims,
        "address": row.address,
        "outcome": row.outcome,
        "code": row.code,
        "reason": row.reason,
        "rule": row.rule or None,
        "grant": row.grant or None,
    }


def _today(config: "Config", row: "Decision", key: KeyRecord | None) -> Explanation | None:
    """Ask the rules of today; None where the key is gone."""
    if row.principal == PrincipalKind.KEY and key is None:
        return None
    who, access = who_asked(row, key), access_of(row)
    # A derived key has ended minutes after it was sent, and what ended it is no rule.
    when = row.time_ms // 1000 if row.derived else now()
    if access is None:
        # It was refused before anybody knew what it was about.
        denial = (admit_uploader(config.policy, who, row.index, now=when) if key else None) or NAMELESS
        return Explanation(denial, None, None, (Step("question", passed=False, sentence=denial.reason),))
    return explain(config.policy, who, access, now=when, version=access.version)


def _lines(row: "Decision", today: Explanation | None) -> Iterator[str]:
    told = _then(row)
    what = " ".join(filter(None, (row.action, row.filename or " ".join(filter(None, (row.project, row.version))))))
    what += f" from {row.source} into {row.index}" if row.source else ""
    yield f"then: {told['time']} {what} by {row.owner or '-'} from {row.address}: {row.outcome}"
    if row.reason:
        yield f"  {f'{row.code}: ' if row.code else ''}{row.reason}"
    yield f"  rule   {row.rule or '-'}"
    yield f"  grant  {row.grant or '-'}"
    yield ""
    if today is None:
        yield f"today: no, there is no key {row.key_id} any more"
    else:
        yield f"today: {'no' if isinstance(today.decision, Denial) else 'yes'}"
        yield from answer_lines(today)
