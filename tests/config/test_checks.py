"""What takes more than one key to judge, told beside whatever else is wrong."""

from pathlib import Path

import pytest

from authproxy.config import load
from authproxy.domain.rules import Requirement
from tests.config.conftest import LEAST, SECRET, Complaining, Loading

ACCOUNT = 'url: "http://127.0.0.1:8081/", username: svc, password: {file: pw}'
URL = 'url: "http://127.0.0.1:8081/"'


def rules(*matches: str) -> str:
    return LEAST + "packages:\n" + "".join(f'  - match: "{match}"\n' for match in matches)


@pytest.mark.parametrize(
    ("matches", "said"),
    [
        pytest.param(["*", "acme-core"], ["6:12: packages[0] (*, line 5) matches"], id="everything before a name"),
        pytest.param(["acme-*", "acme-core-*"], ["6:12: packages[0] (acme-*, line 5)"], id="a wider pattern before"),
        pytest.param(["acme-core", "Acme_Core"], ["6:12: packages[0] (acme-core, line 5)"], id="the same name twice"),
        pytest.param(["a*", "b*", "a-b", "b-a"], ["7:12: packages[0]", "8:12: packages[1]"], id="two rules hidden"),
    ],
)
def test_a_rule_that_is_never_asked(complaints: Complaining, matches: list[str], said: list[str]) -> None:
    """An error that names the rule before it and its line: who wrote the second believes that it holds."""
    found = complaints(rules(*matches))
    assert len(found) == len(said)
    assert all(each.startswith(start) for each, start in zip(found, said, strict=True))


def test_a_rule_on_trial_hides_nothing(loaded: Loading, complaints: Complaining) -> None:
    """It leaves the decision to the rule behind it; behind one that decides, it is never asked itself."""
    tried = '  - {match: "acme-*", enforce: false}\n'
    policy = loaded(LEAST + "packages:\n" + tried + '  - match: "acme-*"\n').policy
    assert [rule.enforce for rule in policy.packages] == [False, True]
    [found] = complaints(LEAST + 'packages:\n  - match: "acme-*"\n' + tried)
    assert "packages[0] (acme-*, line 5) matches all that this rule matches" in found


def test_derived_keys_may_be_tried_before_they_are_taken(loaded: Loading, tmp_path: Path) -> None:
    """A rule on trial shows who still sends keys as they are; with a master key it may be enforced."""
    trial = "packages: [{match: a, require: signed, enforce: false}]\n"
    assert loaded(LEAST + trial).policy.packages[0].require is Requirement.SIGNED
    (tmp_path / "master").write_text("A" * 43 + "=\n")
    (tmp_path / "master").chmod(0o600)
    enforced = "keys: {master_key: {file: master}}\npackages: [{match: a, require: signed}]\n"
    assert loaded(LEAST + enforced).policy.packages[0].require is Requirement.SIGNED


PUBLISHER = "publishers: [{kind: github, repository: acme/core, workflow: release.yml, packages: [%s]}]\n"


@pytest.mark.parametrize(
    ("rules", "packages", "warned"),
    [
        ("{match: acme-core, require: signed}", "acme-core", True),
        ("{match: 'acme-*', require: signed}", "acme-core", True),
        ("{match: acme-core, require: signed}", "acme-*", True),
        ("{match: acme-core, require: signed, enforce: false}", "acme-core", False),
        ("{match: acme-core, require: trusted-publisher}, {match: 'acme-*', require: signed}", "acme-core", False),
        ("{match: acme-web, require: signed}", "acme-core", False),
    ],
)
def test_a_publisher_that_is_shut_out(
    loaded: Loading, tmp_path: Path, rules: str, packages: str, *, warned: bool
) -> None:
    """A warning at the rule: what jobs send is a key as it is, and the rule takes none."""
    (tmp_path / "master").write_text("A" * 43 + "=\n")
    (tmp_path / "master").chmod(0o600)
    keys = "keys: {master_key: {file: master}}\n"
    config = loaded(LEAST + keys + f"packages: [{rules}]\n" + PUBLISHER % f"'{packages}'")
    assert len(config.warnings) == warned
    assert all("require: trusted-publisher lets those in" in each.sentence for each in config.warnings)
    assert all(each.line for each in config.warnings)


def test_rules_that_are_all_asked(loaded: Loading) -> None:
    """From narrow to wide, and side by side, nothing is hidden."""
    assert len(loaded(rules("acme-core", "acme-*", "b*", "*")).policy.packages) == 4


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        pytest.param(
            "packages: [{match: a, max_size: 3GiB}]", ["4:33: limits.max_upload takes no file over"], id="default"
        ),
        pytest.param(
            "packages: [{match: a, max_size: 2MiB}]\nlimits: {max_upload: 1MiB}",
            ["4:33: limits.max_upload takes no file over 1 MiB: raise"],
            id="a limit of the file",
        ),
        pytest.param(
            "packages: [{match: a, require: signed}]", ["4:32: require: signed takes a keys.master_key"], id="signed"
        ),
        pytest.param(
            "listen: 127.0.0.1:80\nmetrics: 127.0.0.1:80", ["5:10: metrics takes an address of its own"], id="metrics"
        ),
    ],
)
def test_what_contradicts(complaints: Complaining, lines: str, said: list[str]) -> None:
    """Two settings of which one makes the other idle are told at the one that is."""
    found = complaints(LEAST + lines)
    assert len(found) == len(said)
    assert found[0].startswith(said[0])


def test_two_listeners_may_both_let_the_system_choose(loaded: Loading) -> None:
    """Port 0 is no address: both get one of their own."""
    assert loaded(LEAST + "listen: 127.0.0.1:0\nmetrics: 127.0.0.1:0\n").metrics is not None


DEVPI = 'backend: {flavour: devpi, url: "http://127.0.0.1:8081/"'


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        pytest.param(f"{DEVPI}}}", "2:10: backend.indexes is missing", id="devpi without its indexes"),
        pytest.param(f"{DEVPI}, indexes: [a/b, c/d, a/b]}}", "2:78: 'a/b' is in the list already", id="one twice"),
        pytest.param(
            f"{DEVPI.replace('devpi', 'pypiserver')}, indexes: [a/b]}}",
            "2:63: pypiserver is one index",
            id="indexes of pypiserver",
        ),
    ],
)
def test_the_indexes_of_devpi(complaints: Complaining, backend: str, said: str) -> None:
    """devpi has many and none is meant by itself; pypiserver is one."""
    [found] = complaints(LEAST.replace(f"backend: {{flavour: pypiserver, {URL}}}", backend))
    assert found.startswith(said)


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        pytest.param(
            f"{DEVPI.replace('devpi', 'pypiserver')}, opens: [users]}}",
            "pypiserver has nothing to open",
            id="of pypiserver",
        ),
        pytest.param(
            f"{DEVPI.replace('devpi', 'pypiserver')}, opens: []}}", "pypiserver has nothing to open", id="none of it"
        ),
        pytest.param(
            f"{DEVPI}, indexes: [a/b], opens: [push]}}",
            "backend.opens[0] takes indexes, users or tox-results",
            id="an unknown name",
        ),
        pytest.param(f"{DEVPI}, indexes: [a/b], opens: [users, users]}}", "'users' is in the list already", id="twice"),
        pytest.param(f"{DEVPI}, indexes: [a/b], opens: users}}", "backend.opens takes a list", id="no list"),
    ],
)
def test_what_cannot_be_opened(complaints: Complaining, backend: str, said: str) -> None:
    """devpi alone has anything to open, and what that is, the sentence lists."""
    [found] = complaints(LEAST.replace(f"backend: {{flavour: pypiserver, {URL}}}", backend))
    assert said in found


def test_what_is_opened(loaded: Loading) -> None:
    """What the file names, in its order; nothing by default."""
    plain = f"backend: {{flavour: pypiserver, {URL}}}"
    assert loaded(LEAST.replace(plain, f"{DEVPI}, indexes: [a/b]}}")).backend.opens == ()
    opening = LEAST.replace(plain, f"{DEVPI}, indexes: [a/b], opens: [tox-results, users]}}")
    assert loaded(opening).backend.opens == ("tox-results", "users")


TWO = LEAST.replace(f"backend: {{flavour: pypiserver, {URL}}}", f"{DEVPI}, indexes: [team/dev, team/prod]}}")
GRANT = "key_policies: {a: {allow: [{actions: [%s], packages: [b], indexes: [team/dev, %s]}]}}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(TWO + GRANT % ("upload", "team/prd"), ["4:83: 'team/prd' is none of"], id="a grant, misspelt"),
        pytest.param(TWO + GRANT % ("read", "other/base"), [], id="a grant to read a base"),
        pytest.param(TWO + "packages: [{match: a, indexes: [team/prd]}]", ["4:33: 'team/prd' is none of"], id="a rule"),
        pytest.param(LEAST + GRANT % ("read", "b/c"), ["4:61: pypiserver is one index"], id="a grant in pypiserver"),
        pytest.param(
            LEAST + "packages: [{match: a, indexes: [b/c]}]",
            ["4:23: pypiserver is one index"],
            id="a rule in pypiserver",
        ),
        pytest.param(
            TWO + "packages: [{match: a, indexes: []}]", ["4:32: packages[0].indexes takes a list"], id="none"
        ),
        pytest.param(
            TWO + "packages: [{match: a, indexes: [team/dev]}, {match: a, indexes: [team/dev, team/prod]}, {match: a}]",
            [],
            id="each rule for more",
        ),
        pytest.param(
            TWO + 'packages: [{match: "a*", indexes: [team/dev, team/prod]}, {match: a, indexes: [team/prod]}]',
            ["4:67: packages[0] (a*, line 4) matches all"],
            id="a rule for fewer, behind",
        ),
        pytest.param(
            TWO + "packages: [{match: a}, {match: a, indexes: [team/prod]}]",
            ["4:32: packages[0] (a, line 4) matches all"],
            id="a rule for some, behind one for all",
        ),
    ],
)
def test_indexes_of_grants_and_rules(complaints: Complaining, loaded: Loading, text: str, said: list[str]) -> None:
    """One that no upload goes to is misspelt; a rule for some indexes hides nothing in the others."""
    if not said:
        assert loaded(text)
        return
    found = complaints(text)
    assert len(found) == len(said), found
    assert all(each.startswith(start) for each, start in zip(found, said, strict=True)), found


def test_indexes_of_grants_and_rules_hold(loaded: Loading) -> None:
    """They come out where decisions are made; left out, all are meant."""
    policy = loaded(
        TWO + GRANT % ("upload", "team/prod") + "\npackages: [{match: a, indexes: [team/dev]}, {match: b}]"
    ).policy
    assert policy.key_policies["a"].allow[0].indexes == ("team/dev", "team/prod")
    assert [(rule.indexes, rule.label) for rule in policy.packages] == [
        (("team/dev",), "packages[0] a @team/dev"),
        ((), "packages[1] b"),
    ]
    plain = loaded(TWO + "key_policies: {a: {allow: [{actions: [read], packages: [b]}]}}").policy
    assert plain.key_policies["a"].allow[0].indexes == ("*",)


def test_indexes_that_are_named(loaded: Loading) -> None:
    """They come out as they stand there, in their order."""
    text = LEAST.replace(f"backend: {{flavour: pypiserver, {URL}}}", f"{DEVPI}, indexes: [team/dev, Root/a.b_c-1]}}")
    assert loaded(text).backend.indexes == ("team/dev", "Root/a.b_c-1")


@pytest.mark.parametrize(
    ("account", "said"),
    [
        ("username: svc", "2:63: backend.username takes a backend.password beside it"),
        ("password: {file: pw}", "2:63: backend.password takes a backend.username beside it"),
    ],
)
def test_half_an_account(complaints: Complaining, account: str, said: str) -> None:
    """A name without its password, or the other way round, would log in to nothing."""
    assert complaints(LEAST.replace(URL, f"{URL}, {account}")) == [said]


def test_the_password_is_read(loaded: Loading, file: Path) -> None:
    """From the file beside the configuration, and from the environment that was handed in."""
    assert loaded(LEAST.replace(URL, ACCOUNT)).backend.password == SECRET
    file.write_text(LEAST.replace(URL, ACCOUNT.replace("file: pw", "env: PW")))
    assert load(file, {"PW": "from the environment"}).backend.password == "from the environment"
    assert loaded(LEAST).backend.password is None


def test_a_password_that_cannot_be_read(complaints: Complaining, file: Path) -> None:
    """The problem stands at the reference, names the path, and shows the reference."""
    [found] = complaints(LEAST.replace(URL, ACCOUNT.replace("file: pw", "file: gone")))
    assert found.startswith(f"2:88: backend.password: there is no file '{file.parent / 'gone'}'")


def test_a_password_that_everybody_may_read_is_a_warning(loaded: Loading, file: Path) -> None:
    """The configuration holds, and carries the warning with its place for whoever prints it."""
    (file.parent / "pw").chmod(0o644)
    [warning] = loaded(LEAST.replace(URL, ACCOUNT)).warnings
    assert (warning.line, warning.column) == (2, 88)
    assert "everybody on this machine may read" in warning.sentence
    assert loaded(LEAST).warnings == ()


@pytest.mark.parametrize(
    ("lines", "warned"),
    [
        pytest.param("reads: key\n", True, id="no policy at all"),
        pytest.param(
            "key_policies: {up: {allow: [{actions: [upload], packages: [a]}]}}\nreads: key\n", True, id="none"
        ),
        pytest.param("key_policies: {r: {allow: [{actions: [read], packages: [a]}]}}\nreads: key\n", False, id="one"),
        pytest.param("reads: index\n", False, id="the index decides"),
        pytest.param("reads: open\n", False, id="nobody decides"),
    ],
)
def test_nobody_can_install(loaded: Loading, lines: str, warned: bool) -> None:
    """Everybody would be locked out, and the file is valid all the same: a warning, at `reads`."""
    config = loaded(LEAST + lines)
    assert config.nobody_reads is warned
    assert [each.sentence for each in config.warnings] == warned * [
        "reads is key, and no key policy grants read: nobody can install: add {actions: [read], packages: [...]} to one"
    ]
    assert [(each.line, each.column) for each in config.warnings] == warned * [(3 + lines.count("\n"), 8)]


def test_a_slip_hides_nothing(complaints: Complaining) -> None:
    """Checks over several keys speak up beside a key that is misspelt and a value that is wrong."""
    text = LEAST.replace(URL, ACCOUNT.replace("file: pw", "file: gone")) + "lsten: x\nreads: no\nmetrics: x\n"
    found = complaints(text + 'packages: [{match: "*"}, {match: a, max_size: 3GiB}, {match: 5}, {match: "?"}, 5]\n')
    for part in ("no file", "'lsten'", "reads no", "metrics:", "packages[0] (*", "takes no file over", "packages[2]"):
        assert [each for each in found if part in each], part
