"""What a decision leaves behind."""

from authproxy.domain.explanation import Step, Trail
from authproxy.domain.refusal import Code, Denial


def test_the_operator_may_read_more_than_the_client() -> None:
    """A step may have a sentence of its own, while the refusal that goes out keeps its own words."""
    trail = Trail()
    trail.passed("first", "it is so")
    denial = Denial(Code.CREDENTIAL_INVALID, "the key is not valid")
    assert trail.refused("second", denial, "the key is revoked") is denial
    assert trail.refused("third", denial) is denial
    assert trail.steps == [
        Step("first", passed=True, sentence="it is so"),
        Step("second", passed=False, sentence="the key is revoked"),
        Step("third", passed=False, sentence="the key is not valid"),
    ]
