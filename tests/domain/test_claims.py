"""One claim and what it must be: a table for each way of comparing, and what is said of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.domain.claims import Check, Claims, Role, Way, finding, folded, look_up, written

TOKEN = {
    "name": "Acme/Core",
    "id": 74,
    "text_id": "74",
    "yes": True,
    "yes_text": "true",
    "list": ["main", 7, {"deep": 1}, None],
    "nothing": None,
    "empty": "",
    "kubernetes.io": {"namespace": "ci", "serviceaccount": {"uid": "u-1"}},
    "kelvin": "\u212aey",
    "ref": "refs/tags/v1",
    "ref_path": "refs/heads/main",
    "sha": "0f",
}


def met(way: Way, *wanted: str, claim: str = "name", token: Claims = TOKEN) -> bool:
    return Check((claim,), way, wanted).met(token)


@pytest.mark.parametrize(
    ("way", "claim", "wanted", "expected"),
    [
        pytest.param(Way.EXACT, "name", ("Acme/Core",), True, id="the same text"),
        pytest.param(Way.EXACT, "name", ("acme/core",), False, id="another case"),
        pytest.param(Way.EXACT, "name", ("Acme/*",), False, id="a star is a star where no glob is meant"),
        pytest.param(Way.EXACT, "id", ("74",), True, id="a number is compared as it is written"),
        pytest.param(Way.EXACT, "text_id", ("74",), True, id="and so is a text"),
        pytest.param(Way.EXACT, "id", ("074",), False, id="another spelling of the number"),
        pytest.param(Way.EXACT, "yes", ("true",), True, id="a boolean is its word in JSON"),
        pytest.param(Way.EXACT, "yes_text", ("true",), True, id="which some issuers write as text"),
        pytest.param(Way.EXACT, "yes", ("True",), False, id="no other word"),
        pytest.param(Way.EXACT, "yes", ("1",), False, id="a boolean is no number"),
        pytest.param(Way.EXACT, "missing", ("",), False, id="a claim that is not there is not empty"),
        pytest.param(Way.EXACT, "nothing", ("",), False, id="nor is null"),
        pytest.param(Way.EXACT, "nothing", ("None",), False, id="nor anything else"),
        pytest.param(Way.EXACT, "list", ("main",), False, id="a list is no text"),
        pytest.param(Way.FOLDED, "name", ("acme/core",), True, id="in any case"),
        pytest.param(Way.FOLDED, "name", ("acme/cor",), False, id="but the whole of it"),
        pytest.param(Way.FOLDED, "kelvin", ("key",), False, id="a Kelvin sign is no k"),
        pytest.param(Way.FOLDED, "missing", ("x",), False, id="missing"),
        pytest.param(Way.GLOB, "name", ("Acme/*",), True, id="a glob"),
        pytest.param(Way.GLOB, "name", ("x", "*Core"), True, id="one of two globs"),
        pytest.param(Way.GLOB, "name", ("acme/*",), False, id="a glob keeps to the case"),
        pytest.param(Way.GLOB, "list", ("ma*",), True, id="an item of a list"),
        pytest.param(Way.GLOB, "list", ("7",), True, id="a number in a list"),
        pytest.param(Way.GLOB, "list", ("*",), True, id="any item"),
        pytest.param(Way.GLOB, "list", ("1",), False, id="what lies deeper is no item"),
        pytest.param(Way.GLOB, "missing", ("*",), False, id="a star takes no claim that is not there"),
        pytest.param(Way.GLOB, "kubernetes.io", ("*",), False, id="nor an object"),
        pytest.param(Way.NEVER, "name", ("x",), True, id="another than the refused one"),
        pytest.param(Way.NEVER, "name", ("x", "Acme/Core"), False, id="the refused one"),
        pytest.param(Way.NEVER, "missing", ("x",), False, id="nobody knows what a missing one is"),
        pytest.param(Way.NEVER, "list", ("x",), False, id="nor what a list is"),
        pytest.param(Way.AGREES, "name", ("acme/core",), True, id="it is there and agrees"),
        pytest.param(Way.AGREES, "missing", ("acme/core",), True, id="it is not there"),
        pytest.param(Way.AGREES, "name", ("evil/core",), False, id="it is there and does not agree"),
        pytest.param(Way.AGREES, "list", ("main",), False, id="it is there and is no text"),
    ],
)
def test_ways(way: Way, claim: str, wanted: tuple[str, ...], expected: bool) -> None:
    """What passes and what does not."""
    assert met(way, *wanted, claim=claim) is expected


FILE = ("acme/core", "/.github/workflows/release.yml")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("acme/core/.github/workflows/release.yml@refs/tags/v1", True),
        ("ACME/Core/.github/workflows/release.yml@refs/tags/v1", True),
        ("acme/core/.github/workflows/release.yml@0f", True),
        ("acme/core/.github/workflows/release.yml@refs/tags/v2", False),
        ("acme/core/.github/workflows/release.yml@", False),
        ("acme/core/.github/workflows/release.yml", False),
        ("acme/core/.github/workflows/Release.yml@refs/tags/v1", False),
        ("acme/core/.github/workflows/xrelease.yml@refs/tags/v1", False),
        ("acme/core/.github/workflows/release.yml@x@refs/tags/v1", False),
        ("evil/core/.github/workflows/release.yml@refs/tags/v1", False),
        ("evil/acme/core/.github/workflows/release.yml@refs/tags/v1", False),
        ("acme/core-evil/.github/workflows/release.yml@refs/tags/v1", False),
        ("", False),
        (None, False),
        (["acme/core/.github/workflows/release.yml@refs/tags/v1"], False),
    ],
)
def test_a_workflow_of_github(value: object, expected: bool) -> None:
    """Whose, which file, and at the ref or the commit that the token itself is for; as warehouse asks it."""
    assert met(Way.WORKFLOW, *FILE, claim="file", token=TOKEN | {"file": value}) is expected


def test_a_token_without_a_ref() -> None:
    """A deployment to a commit has an empty ref, and then the commit alone counts."""
    token = TOKEN | {"ref": "", "file": "acme/core/.github/workflows/release.yml@"}
    assert not met(Way.WORKFLOW, *FILE, claim="file", token=token)
    token["file"] = "acme/core/.github/workflows/release.yml@0f"
    assert met(Way.WORKFLOW, *FILE, claim="file", token=token)
    assert not met(Way.WORKFLOW, *FILE, claim="file", token={"file": token["file"]})


def test_a_pipeline_of_gitlab() -> None:
    """The ref is another claim there, and the host stands in front."""
    wanted = "gitlab.com/acme/core", "//.gitlab-ci.yml"
    for value, expected in (
        ("gitlab.com/acme/core//.gitlab-ci.yml@refs/heads/main", True),
        ("gitlab.com/Acme/Core//.gitlab-ci.yml@0f", True),
        ("gitlab.com/acme/core//.gitlab-ci.yml@refs/tags/v1", False),
        ("gitlab.example/acme/core//.gitlab-ci.yml@refs/heads/main", False),
        ("gitlab.com/acme/core//ci/.gitlab-ci.yml@refs/heads/main", False),
    ):
        assert met(Way.PIPELINE, *wanted, claim="file", token=TOKEN | {"file": value}) is expected, value


@given(st.text() | st.none() | st.booleans() | st.integers() | st.lists(st.text()), st.sampled_from(Way))
def test_no_value_of_a_claim_is_too_strange(value: object, way: Way) -> None:
    """There is an answer for anything that a token may hold, and a sentence in printable ASCII."""
    check = Check(("x",), way, ("a", "b"))
    found = finding(check, {"x": value})
    assert found.met is check.met({"x": value})
    assert found.sentence.isascii()
    assert found.sentence.isprintable()


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (Check(("name",), Way.EXACT, ("x",)), "name is 'Acme/Core': it must be 'x'"),
        (Check(("name",), Way.FOLDED, ("acme/core",)), "name is 'Acme/Core'"),
        (Check(("gone",), Way.GLOB, ("a*", "b")), "gone is missing: it must be 'a*' or 'b'"),
        (Check(("list",), Way.GLOB, ("x",)), "list is a list of 4: it must be 'x'"),
        (Check(("kubernetes.io",), Way.EXACT, ("x",)), "kubernetes.io is no text: it must be 'x'"),
        (Check(("kubernetes.io", "namespace"), Way.EXACT, ("x",)), "kubernetes.io.namespace is 'ci': it must be 'x'"),
        (Check(("name",), Way.NEVER, ("Acme/Core",)), "name is 'Acme/Core': it must not be 'Acme/Core'"),
        (
            Check(("name",), Way.WORKFLOW, ("a/b", "/f.yml")),
            "name is 'Acme/Core': it must be 'a/b/f.yml', an @, and the token's own ref or sha",
        ),
    ],
)
def test_what_is_said(check: Check, said: str) -> None:
    """What the claim is, and what it must be."""
    assert finding(check, TOKEN).sentence == said


def test_claims_inside_of_claims() -> None:
    """A way leads to them; where it breaks off there is nothing."""
    assert look_up(TOKEN, ("kubernetes.io", "serviceaccount", "uid")) == "u-1"
    assert look_up(TOKEN, ("kubernetes.io", "pod", "uid")) is None
    assert look_up(TOKEN, ("name", "0")) is None


def test_what_one_value_alone_meets() -> None:
    """Two alternatives, or a star, are wider."""
    assert Check(("a",), Way.EXACT, ("x",)).exact
    assert Check(("a",), Way.GLOB, ("x",), Role.REF).exact
    assert not Check(("a",), Way.GLOB, ("x*",)).exact
    assert not Check(("a",), Way.EXACT, ("x", "y")).exact


def test_folding_is_for_ascii() -> None:
    """Negative control: `str.lower` alone makes a plain k of a Kelvin sign, and with it another name this one."""
    assert "\u212aey".lower() == "key"
    assert folded("\u212aey") == "\u212aey"
    assert folded("KEY") == "key"


def test_what_has_a_text() -> None:
    """Text, whole numbers and booleans; nothing else is compared."""
    assert [written(each) for each in ("x", 7, True, False, 1.5, None, [], {})] == [
        *("x", "7", "true", "false"),
        *(None, None, None, None),
    ]
