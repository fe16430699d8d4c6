"""`authproxy policy explain --claims`: whose a job's token is, and whether the key may that is minted for it.

The claims are taken for verified, as those of a token would be by now.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from authproxy.cli.failures import Exit
from authproxy.cli.key import now
from authproxy.cli.output import Output
from authproxy.cli.policy import conditions_of, explained
from authproxy.cli.policyanswer import answer_document, answer_lines
from authproxy.cli.policyquestion import Question
from authproxy.cli.tokenanswer import Answer, found_in, read_claims
from authproxy.domain.explanation import Explanation
from authproxy.domain.holders import minted
from authproxy.domain.keys import KeyRecord
from authproxy.domain.publishers import Matched
from authproxy.domain.refusal import Denial

if TYPE_CHECKING:
    from authproxy.config import Config


def explain_claims(config: "Config", out: Output, claims_file: Path, question: Question | None) -> Exit:
    """Say whose they are; with a question also what its key is answered. The exit status is that of the last no."""
    answer = Answer(asyncio.run(found_in(config, read_claims(claims_file), now=now())), verified=False)
    if question is None or not isinstance(answer.found, Matched):
        out.document(answer.document(), answer.lines())
        return Exit.DONE if isinstance(answer.found, Matched) else Exit.NO
    publisher = answer.found.publisher
    key = minted(publisher)
    explanation = _named(explained(config, key, question), key)
    conditions = conditions_of(config, key, question, explanation)
    refused = isinstance(explanation.decision, Denial)
    asked = {"allowed": not refused, "action": question.action, "project": question.project}
    document = answer.document() | asked | answer_document(explanation) | {"conditions": conditions}
    out.document(document, _lines(publisher.label, question, explanation, conditions))
    return Exit.NO if refused else Exit.DONE


def _named(explanation: Explanation, key: KeyRecord) -> Explanation:
    """Call the key what it is: it has no id yet."""
    steps = (replace(step, sentence=step.sentence.replace(f"key {key.id}", "its key")) for step in explanation.steps)
    return replace(explanation, steps=tuple(steps))


def _lines(label: str, question: Question, explanation: Explanation, conditions: list[str]) -> Iterator[str]:
    refused = isinstance(explanation.decision, Denial)
    told = ", ".join([f"a key for {label} may {'not ' if refused else ''}{question}", *conditions])
    yield f"{'no' if refused else 'yes'}: {told}"
    yield from answer_lines(explanation)
