"""What a check says."""

from authproxy.cli.checkup.finding import Verdict, ok, problem, warning


def test_the_three_verdicts() -> None:
    """What is well needs no advice, what is not has one, and the words are those that scripts read."""
    assert ok("x", "it is well").advice is None
    assert warning("x", "it is not", "mend it").advice == "mend it"
    made = [ok("x", "s"), warning("x", "s", "a"), problem("x", "s", "a")]
    assert [each.verdict for each in made] == [Verdict.OK, Verdict.WARNING, Verdict.PROBLEM]
    assert [str(each.verdict) for each in made] == ["ok", "warning", "problem"]
