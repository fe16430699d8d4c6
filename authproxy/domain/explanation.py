"""What a decision leaves behind: the yes with its conditions, and the way to it, step by step.

This room only holds the answer. Which questions are asked, and in which order, stands in `authproxy.domain.policy`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from authproxy.domain.refusal import Denial
from authproxy.domain.rules import MetadataCheck, Overwrite, Rate

# A row of the record names so many refusals of rules on trial; each is a sentence of some 200 characters.
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Admission:
    """A yes, what it rests on, and the conditions that hold for the rest of the way."""

    rule: str  # label of the package rule; "" for a read, which no package rule is about
    grant: str  # the grants in writing, the key's own behind its policy's
    may_create: bool  # the project need not exist in the index yet
    overwrite: Overwrite
    metadata: MetadataCheck
    rate: Rate | None
    uses: int | None  # successful uploads, the lower of the policy's and the key's own limit
    warning: str | None = None  # what the user is told besides
    would_refuse: tuple[Denial, ...] = ()  # of rules on trial: for the operator, not for the user

    @property
    def remark(self) -> str | None:
        """What goes on record beside a yes."""
        would = [f"would refuse: {each.code}: {each.reason}" for each in self.would_refuse[:_NAMED]]
        if len(self.would_refuse) > _NAMED:
            would.append(f"and {len(self.would_refuse) - _NAMED} more rules would refuse")
        return "; ".join([*would, *([self.warning] if self.warning else [])]) or None


@dataclass(frozen=True, slots=True)
class Step:
    """One question on the way. Its sentence is for the operator and may say more than a refusal does."""

    name: str
    passed: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision and how it came about. On a refusal the last step is the one that refused."""

    decision: Admission | Denial
    rule_label: str | None
    grant_text: str | None
    steps: tuple[Step, ...]


@dataclass(slots=True)
class Trail:
    """The steps of one decision while they are taken, where somebody wants to read them: `kept`.

    A sentence may come as a function that writes it. Most of what a decision costs would be sentences (measured).
    """

    kept: bool = True
    rule: str | None = None
    grant: str | None = None
    steps: list[Step] = field(default_factory=list)
    would_refuse: list[Denial] = field(default_factory=list)

    def passed(self, name: str, sentence: str | Callable[[], str]) -> None:
        """Note a question that was answered with yes."""
        if self.kept:
            self.steps.append(Step(name, passed=True, sentence=sentence if isinstance(sentence, str) else sentence()))

    def excused(self, name: str, denial: Denial) -> None:
        """Note a question that a rule on trial would answer with no."""
        self.would_refuse.append(denial)
        self.passed(name, lambda: f"would refuse: {denial.code}: {denial.reason}")

    def refused(self, name: str, denial: Denial, sentence: str | None = None) -> Denial:
        """Note the question that ends it; `sentence` where the operator may read more than the client."""
        self.steps.append(Step(name, passed=False, sentence=sentence or denial.reason))
        return denial
