"""How a decision is shown."""

from authproxy.cli.policyanswer import answer_document, answer_lines
from authproxy.domain.explanation import Admission, Explanation, Step
from authproxy.domain.policy import MetadataCheck, Overwrite
from authproxy.domain.refusal import Code, Denial

STEPS = (Step("key", passed=True, sentence="it lives"), Step("rule", passed=False, sentence="no rule"))


def test_a_refusal() -> None:
    """Code and reason for machines; for people the way to it."""
    shown = Explanation(Denial(Code.NO_RULE, "no rule"), None, "upload:*", STEPS)
    assert answer_document(shown)["code"] == "no-rule"
    assert list(answer_lines(shown)) == [
        "  rule   -",
        "  grant  upload:*",
        "",
        "  ✓ key        it lives",
        "  ✗ rule       no rule",
    ]


def test_a_yes_with_its_notes() -> None:
    """What a rule on trial would refuse is in it."""
    note = Denial(Code.VERSION, "not this one")
    yes = Admission("rule", "grant", True, Overwrite.NEVER, MetadataCheck.VERIFY, None, None, would_refuse=(note,))
    document = answer_document(Explanation(yes, "rule", "grant", STEPS[:1]))
    assert document["would_refuse"] == [{"code": "version", "reason": "not this one"}]
    assert document["create"] is True
