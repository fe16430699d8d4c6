"""How a decision with the way to it is shown, as JSON and to a person. This room explains; it decides nothing."""

from collections.abc import Iterator
from typing import Final

from authproxy.domain.explanation import Explanation
from authproxy.domain.refusal import Denial

NAMES: Final = 10  # columns for the names of steps at least, so that most answers have the same


def answer_document(explanation: Explanation) -> dict[str, object]:
    """An answer as `--json` shows it."""
    decision = explanation.decision
    document: dict[str, object] = {"rule": explanation.rule_label, "grant": explanation.grant_text}
    if isinstance(decision, Denial):
        document |= {"code": decision.code, "reason": explanation.steps[-1].sentence}
    else:
        document |= {"create": decision.may_create, "overwrite": decision.overwrite, "metadata": decision.metadata}
        document["would_refuse"] = [{"code": each.code, "reason": each.reason} for each in decision.would_refuse]
    steps = [{"name": step.name, "passed": step.passed, "sentence": step.sentence} for step in explanation.steps]
    return document | {"steps": steps}


def answer_lines(explanation: Explanation) -> Iterator[str]:
    """An answer as a person reads it: the rule, the grant, and the way there."""
    yield f"  rule   {explanation.rule_label or '-'}"
    yield f"  grant  {explanation.grant_text or '-'}"
    yield ""
    width = max([NAMES, *(len(step.name) for step in explanation.steps)])
    for step in explanation.steps:
        yield f"  {'✓' if step.passed else '✗'} {step.name:<{width}} {step.sentence}"
