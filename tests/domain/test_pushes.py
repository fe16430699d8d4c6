"""A push takes its own grant in both indexes, and the rules of the one that it writes to."""

from dataclasses import replace

import pytest
from hypothesis import given

from authproxy.domain.access import Access, Principal
from authproxy.domain.grants import Action, Grant, parse_grant, pattern
from authproxy.domain.names import Filetype, ProjectName, artifact
from authproxy.domain.policy import Admission, KeyPolicy, PackageRule, Policy, VersionPattern, decide, explain
from authproxy.domain.refusal import Code, Denial
from tests.domain.drawn import HOLDERS, NOW, POLICIES, PUSHES, holder, key, policy

DEV, STABLE = "team/dev", "team/stable"
CORE = ProjectName("acme-core")
PUSH = Access(Action.PUSH, STABLE, CORE, version="1.0", source=DEV)
RULES = (
    PackageRule(
        "packages[0] acme-*",
        pattern("acme-*"),
        indexes=(STABLE,),
        filetypes=frozenset({Filetype.WHEEL}),
        versions=(VersionPattern("1.*"),),
        max_size=10,
    ),
    PackageRule("packages[1] acme-*", pattern("acme-*"), indexes=(DEV,)),
)
BOTH = "push:acme-*@team/dev,team/stable"


def grants(*texts: str) -> tuple[Grant, ...]:
    return tuple(map(parse_grant, texts))


def asked(
    access: Access = PUSH, allow: tuple[str, ...] = (BOTH,), own: tuple[str, ...] = ()
) -> tuple[Admission | Denial, str]:
    """The answer, and the sentence of a no."""
    rules = policy(KeyPolicy("release", grants(*allow), lifetime=None, uses=7), *RULES)
    answer = decide(rules, holder(key(grants=grants(*own))), access, now=NOW)
    return answer, answer.reason if isinstance(answer, Denial) else ""


FROM, INTO = "may not push 'acme-core' from team/dev", "may not push 'acme-core' into team/stable"
GRANTS = [
    pytest.param((BOTH,), (), "", id="one grant for both"),
    pytest.param(("push:*@team/dev", "push:acme-core@team/stable"), (), "", id="one for each"),
    pytest.param(("push:acme-*",), (BOTH,), "", id="all indexes, and the key's own two"),
    pytest.param(("push:*@team/dev",), (), INTO, id="the source alone"),
    pytest.param(("push:*@team/stable",), (), FROM, id="the target alone"),
    pytest.param(("push:*",), ("push:*@team/dev",), INTO, id="the key's own for the source alone"),
    pytest.param(("push:*",), ("push:*@team/stable",), FROM, id="the key's own for the target alone"),
    pytest.param(("push:*@team/dev",), (BOTH,), INTO, id="the key's own beyond its policy"),
    pytest.param(("push:*@team/dev", "upload+create:*"), (), INTO, id="uploading is another right"),
    pytest.param(("push:*@team/stable", "read,upload,delete:*"), (), FROM, id="reading is another right"),
    pytest.param(("push:acme@team/dev,team/stable",), (), FROM, id="another package"),
]


@pytest.mark.parametrize(("allow", "own", "words"), GRANTS)
def test_the_grant_is_needed_on_both_sides(allow: tuple[str, ...], own: tuple[str, ...], words: str) -> None:
    """By the policy's grants and by the key's own, each for the source and for the target."""
    answer, reason = asked(allow=allow, own=own)
    assert isinstance(answer, Admission) == (not words)
    assert words in reason
    if words:
        assert isinstance(answer, Denial)
        assert answer.code is Code.NOT_ALLOWED


def test_a_naive_check_of_the_target_alone_is_caught() -> None:
    """Negative control: who asks for the target alone lets a key take from everywhere."""
    allow = grants("push:*@team/stable")
    assert any(each.allows(Action.PUSH, STABLE, CORE) for each in allow)
    assert asked(allow=("push:*@team/stable",))[1].startswith("key 0123456789Ab0 " + FROM)


FILES = [
    pytest.param(replace(PUSH, artifact=artifact("acme_core-1.0-py3-none-any.whl")), None, id="a file that is taken"),
    pytest.param(replace(PUSH, artifact=artifact("acme_core-1.0.tar.gz")), Code.FILETYPE, id="another file type"),
    pytest.param(replace(PUSH, version="2.0"), Code.VERSION, id="another version"),
    pytest.param(replace(PUSH, artifact=artifact("acme_core-2.0-py3-none-any.whl")), Code.VERSION, id="of a file"),
    pytest.param(replace(PUSH, index="team/other"), Code.NO_RULE, id="no rule in the target"),
    pytest.param(replace(PUSH, index=DEV, source=STABLE, version="2.0"), None, id="the source's rules are not asked"),
    pytest.param(replace(PUSH, source=None), Code.REQUEST_INVALID, id="from nowhere"),
    pytest.param(replace(PUSH, project=None), Code.NOT_ALLOWED, id="everything"),
]


@pytest.mark.parametrize(("access", "code"), FILES)
def test_the_rules_of_the_target_hold(access: Access, code: Code | None) -> None:
    """As far as they can be known without the file; of its size nothing is known."""
    answer, _ = asked(access, allow=("push:acme-*",))
    assert (answer.code if isinstance(answer, Denial) else None) is code


def test_what_a_push_may_do_besides() -> None:
    """It may make a project where the grants into the target say so, and it counts as uploads do."""
    for allow, own, create in (
        (("push+create:*",), (), True),
        (("push+create:*",), ("push:*",), False),
        (("push+create:*@team/dev", "push:*@team/stable"), (), False),
        (("push:*@team/dev", "push+create:*@team/stable"), (), True),
        (("push:*", "upload+create:*"), (), False),
    ):
        answer, _ = asked(allow=allow, own=own)
        assert isinstance(answer, Admission)
        assert (answer.may_create, answer.uses, answer.rule) == (create, 7, "packages[0] acme-*")


def test_the_explanation_names_both_sides() -> None:
    """An operator reads which grant is for the source, and that uses are counted."""
    rules = policy(KeyPolicy("release", grants(BOTH), lifetime=None), *RULES)
    steps = [step.name for step in explain(rules, holder(key()), PUSH, now=NOW).steps]
    assert [each for each in steps if each in {"grant in source", "grant", "uses", "create"}] == [
        "grant in source", "grant", "uses", "create",
    ]  # fmt: skip


@given(POLICIES, HOLDERS, PUSHES)
def test_no_push_without_both_grants(policy: Policy, who: Principal, access: Access) -> None:
    """Behind each yes stands, for source and target each, a grant of the policy and one of the key's own."""
    if isinstance(decide(policy, who, access, now=NOW), Admission):
        assert who.key is not None
        allow = policy.key_policies[who.key.policy].allow
        for given_ in (allow, who.key.grants or allow):
            for index in (access.source, access.index):
                assert any(each.allows(Action.PUSH, index or "", access.project) for each in given_)
