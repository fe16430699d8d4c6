"""A decision is written down whole."""

from dataclasses import replace
from ipaddress import ip_address

from authproxy.audit import Origin, entry, record_refusal
from authproxy.domain.access import Access, Principal, PrincipalKind
from authproxy.domain.caveats import Lifetime, Projects
from authproxy.domain.grants import Action
from authproxy.domain.keys import KeyId, KeyRecord, PublicId
from authproxy.domain.names import ProjectName, artifact
from authproxy.domain.policy import Admission, MetadataCheck, Overwrite
from authproxy.domain.refusal import Code, Denial
from authproxy.store import Entry

ORIGIN = Origin("request-1", 1_800_000_000_000, "192.0.2.7", "twine/7.0")
FILE = artifact("acme_core-1.0-py3-none-any.whl")
ACCESS = Access(Action.UPLOAD, "default", FILE.project, FILE, 5, "0" * 64)
KEY = KeyRecord(
    id=KeyId("Ab3Ab3Ab3Ab3"), owner="ci@acme.test", note="", policy="release", grants=(), networks=(), uses=None, used=0,
    created=0, expires=None, paused=False, revoked=None, secrets=(),
)  # fmt: skip
WHO = Principal(PrincipalKind.KEY, ip_address("192.0.2.7"), KEY, PublicId("Ab3Ab3Ab3Ab30"))


def test_a_yes_names_what_it_rests_on() -> None:
    """Who asked for what, from where, and the rule and grant that decided."""
    yes = Admission("packages[0] *", "upload:acme-*", False, Overwrite.NEVER, MetadataCheck.VERIFY, None, None)
    written = entry(ORIGIN, WHO, ACCESS, yes)
    assert (written.rule, written.grant) == ("packages[0] *", "upload:acme-*")
    assert (written.key_id, written.public_id, written.owner) == (KEY.id, WHO.public_id, "ci@acme.test")
    assert (written.project, written.version, written.filename) == ("acme-core", "1.0", FILE.filename)
    assert (written.identity, written.size, written.sha256) == (FILE.identity, 5, "0" * 64)
    assert (written.time_ms, written.request_id, written.address) == (ORIGIN.time_ms, "request-1", "192.0.2.7")


def test_a_derived_key_is_named_with_what_it_allowed() -> None:
    """Its name and its caveats, so that the row says years later what was sent; a key itself leaves nothing there."""
    who = replace(WHO, caveats=(Lifetime(1790000000, 1789999700),), derived="p0HcUu3kZ1WbqYtr")
    kept = '{"name":"p0HcUu3kZ1WbqYtr","caveats":[[0,1790000000,1789999700]]}'
    assert entry(ORIGIN, who, ACCESS, None).derived == kept
    assert entry(ORIGIN, WHO, ACCESS, None).derived is None


async def test_a_refusal_writes_little_of_a_derived_key() -> None:
    """Whoever captured one can be refused sixty times a minute, with another one each time."""

    class Store:
        async def record_refusal(self, entry: Entry, code: str, reason: str) -> None:
            kept.append((entry.derived or "", code, reason))

    kept: list[tuple[str, str, str]] = []
    many = Projects(frozenset(ProjectName(f"a{number:099}") for number in range(40)))
    for caveats in ((Lifetime(2, 1), many), (Lifetime(2, 1),), None):
        principal = replace(WHO, caveats=caveats, derived="p0HcUu3kZ1WbqYtr")
        await record_refusal(Store(), ORIGIN, principal, ACCESS, Denial(Code.CAVEAT, "no"))  # type: ignore[arg-type]
    assert kept[0][0] == '{"name":"p0HcUu3kZ1WbqYtr","caveats":[[0,2,1]],"left_out":1}'
    assert kept[1:] == [('{"name":"p0HcUu3kZ1WbqYtr","caveats":[[0,2,1]]}', "caveat", "no"), ("", "caveat", "no")]


def test_a_no_rests_on_nothing() -> None:
    """No rule and no grant said yes."""
    written = entry(ORIGIN, WHO, ACCESS, None)
    assert (written.rule, written.grant) == ("", "")


def test_whoever_holds_no_key_has_none_in_the_record() -> None:
    """Other kinds of principals come with later proofs."""
    written = entry(ORIGIN, Principal(PrincipalKind.ANONYMOUS, ip_address("192.0.2.7")), ACCESS, None)
    assert (written.principal, written.key_id, written.public_id, written.owner) == ("anonymous", None, None, None)


def test_a_user_with_a_password_is_named() -> None:
    """By the name that the index knows; and what the user was told stands beside it."""
    told = Admission("packages[0] *", "passwords: warn", True, Overwrite.NEVER, MetadataCheck.VERIFY, None, None, "ask")
    written = entry(ORIGIN, Principal(PrincipalKind.PASSWORD, ip_address("192.0.2.7"), user="alice"), ACCESS, told)
    assert (written.principal, written.owner, written.key_id, written.public_id) == ("password", "alice", None, None)
    assert (written.grant, written.warning) == ("passwords: warn", "ask")


def test_a_delete_names_its_release() -> None:
    """No file is named, and the version is."""
    written = entry(ORIGIN, WHO, Access(Action.DELETE, "default", FILE.project, version="1.0"), None)
    assert (written.action, written.project, written.version, written.filename) == ("delete", "acme-core", "1.0", "")
