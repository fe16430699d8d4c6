"""Names, patterns, grants, policies and accesses, drawn for property tests from a small world in which they meet."""

from dataclasses import replace
from ipaddress import ip_address, ip_network
from types import MappingProxyType

from hypothesis import strategies as st

from authproxy.domain.access import Access, Principal, PrincipalKind
from authproxy.domain.caveats import (
    Actions,
    Digests,
    Indexes,
    Lifetime,
    Networks,
    Once,
    Projects,
    Versions,
)
from authproxy.domain.grants import MAKING, Action, Grant, Pattern, pattern
from authproxy.domain.keys import KeyId, KeyRecord
from authproxy.domain.names import Filetype, ProjectName, artifact
from authproxy.domain.policy import KeyPolicy, PackageRule, Policy, VersionPattern

# Two letters and short words: patterns and names that have nothing to do with each other prove nothing.
NAMES = st.from_regex(r"[ab](-?[ab]){0,2}", fullmatch=True).map(ProjectName)
PATTERNS = st.from_regex(r"[ab*](-?[ab*]){0,4}", fullmatch=True).map(pattern)


@st.composite
def narrowed(draw: st.DrawFn, wide: str, alphabet: str) -> str:
    """The text of a pattern with something written for each star: a narrower pattern, or a name."""
    return "".join(char if char != "*" else draw(st.text(alphabet, max_size=3)) for char in wide)


@st.composite
def chains(draw: st.DrawFn) -> tuple[Pattern, Pattern, ProjectName]:
    """A pattern, one that is narrower or has nothing to do with it, and a name that the second matches."""
    wide = draw(PATTERNS)
    narrow = draw(PATTERNS | narrowed(wide.text, "ab*").map(Pattern))
    return wide, narrow, ProjectName(draw(narrowed(narrow.text, "ab") | narrowed(narrow.text, "ab-")))


INDEXES = st.sampled_from(["team/dev", "team/dev", ""])

# Half of what is drawn must be admitted somewhere: a law about refusals alone would be empty.
WIDE = st.sampled_from(["*", "a*", "b*", "*a", "*b"]).map(pattern) | PATTERNS

GRANTS = st.builds(
    Grant,
    actions=st.sampled_from(
        [
            frozenset(Action),
            frozenset(Action),
            frozenset({Action.UPLOAD}),
            frozenset({Action.READ}),
            frozenset({Action.PUSH}),
        ]
    ),
    packages=st.lists(WIDE, min_size=1, max_size=3).map(tuple),
    indexes=st.sampled_from([("*",), ("*",), ("team/dev",), ("team/dev", "team/prod")]),
    create=st.booleans(),
).map(lambda grant: grant if MAKING & grant.actions else Grant(grant.actions, grant.packages, grant.indexes))
SEVERAL_GRANTS = st.lists(GRANTS, max_size=3).map(tuple)

NETWORKS = st.sampled_from([(), (), (), (ip_network("10.0.0.0/8"),), (ip_network("2001:db8::/32"),)])
ADDRESSES = st.sampled_from(
    [ip_address(each) for each in ("10.1.1.1", "10.1.1.1", "10.1.1.1", "192.0.2.1", "2001:db8::1")]
)

NOW = 1_000_000
KEY_ID = KeyId("0123456789Ab")


def key(**changes: object) -> KeyRecord:
    """A key that lives and has no limits of its own."""
    plain: dict[str, object] = {
        "id": KEY_ID,
        "owner": "ci@acme",
        "note": "",
        "policy": "release",
        "grants": (),
        "networks": (),
        "uses": None,
        "used": 0,
        "created": NOW - 100,
        "expires": None,
        "paused": False,
        "revoked": None,
        "secrets": (),
    }
    return KeyRecord(**(plain | changes))  # type: ignore[arg-type]


def holder(record: KeyRecord, address: str = "10.1.1.1") -> Principal:
    """Who holds that key, seen from an address."""
    return Principal(PrincipalKind.KEY, ip_address(address), record, record.id + "0")


KEYS = st.builds(
    key,
    grants=st.just(()) | SEVERAL_GRANTS,
    networks=NETWORKS,
    uses=st.sampled_from([None, 3]),
    expires=st.sampled_from([None, None, None, NOW + 1, NOW + 2, NOW]),
)
HOLDERS = st.builds(lambda record, address: Principal(PrincipalKind.KEY, address, record, "x"), KEYS, ADDRESSES)

RULES = st.builds(
    PackageRule,
    label=st.just("packages[0]"),
    match=WIDE,
    filetypes=st.sampled_from([frozenset(Filetype), frozenset(Filetype), frozenset({Filetype.WHEEL})]),
    max_size=st.sampled_from([None, None, 10]),
    versions=st.sampled_from([(), (), (VersionPattern("1.*"),), (VersionPattern(">=2"), VersionPattern("0.1"))]),
)
KEY_POLICIES = st.builds(
    KeyPolicy,
    name=st.just("release"),
    allow=st.just((Grant(frozenset(Action), (pattern("*"),)),)) | st.lists(GRANTS, min_size=1, max_size=4).map(tuple),
    lifetime=st.none(),
    networks=NETWORKS,
    uses=st.sampled_from([None, 5]),
)


def policy(key_policy: KeyPolicy, *rules: PackageRule) -> Policy:
    """A rule file with one key policy."""
    return Policy(MappingProxyType({key_policy.name: key_policy}), rules)


POLICIES = st.builds(lambda each, rules: policy(each, *rules), KEY_POLICIES, st.lists(RULES, min_size=1, max_size=3))


def upload(filename: str, size: int = 5, index: str = "") -> Access:
    """The upload of a file."""
    file = artifact(filename)
    return Access(Action.UPLOAD, index, file.project, file, size, "0" * 64)


UPLOADS = st.builds(
    lambda name, version, end, size, index: upload(f"{name.replace('-', '_')}-{version}{end}", size, index),
    NAMES,
    st.sampled_from(["1.0", "2.0", "0.1"]),
    st.sampled_from([".tar.gz", "-py3-none-any.whl"]),
    st.sampled_from([5, 10, 11]),
    INDEXES,
)
READS = st.builds(Access, st.just(Action.READ), INDEXES, st.none() | NAMES)
DELETES = st.builds(lambda index, name: Access(Action.DELETE, index, name, version="1.0"), INDEXES, NAMES)
PUSHES = st.builds(
    lambda file, source, whole: replace(
        file, action=Action.PUSH, source=source, size=None, version="1.0", artifact=None if whole else file.artifact
    ),
    UPLOADS,
    INDEXES,
    st.booleans(),
)
ACCESSES = UPLOADS | READS | DELETES | PUSHES

LIFETIMES = st.builds(
    lambda end, begin: Lifetime(NOW + end, min(NOW + begin, NOW + end - 1)),
    st.sampled_from([10, 300, 300, 3600, 86_400, 86_431, 10_000_000, -29, -30]),
    st.sampled_from([-10, -10, -10, 0, 30, 31]),
)
# All of what an upload of `upload` is, or of something else.
CAVEATS = st.one_of(
    LIFETIMES,
    LIFETIMES,
    st.frozensets(NAMES, min_size=1, max_size=3).map(Projects),
    st.sampled_from([frozenset({"1.*"}), frozenset({"2.0", "0.1"})]).map(
        lambda texts: Versions(frozenset(map(VersionPattern, texts)))
    ),
    st.sampled_from([frozenset({"0" * 64}), frozenset({"0" * 64, "1" * 64}), frozenset({"1" * 64})]).map(Digests),
    NETWORKS.filter(bool).map(lambda each: Networks(frozenset(each))),
    st.sampled_from(["A" * 22, "A" * 21 + "Q"]).map(Once),
    st.sampled_from([frozenset({"team/dev"}), frozenset({"team/dev", "team/prod"})]).map(Indexes),
    st.frozensets(st.sampled_from(Action), min_size=1, max_size=3).map(Actions),
)
SEVERAL_CAVEATS = st.lists(CAVEATS, min_size=1, max_size=4).map(tuple)
