"""From the file's publishers to those of the domain: what takes several keys to judge, and the way back for `show`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from authproxy.config.document import Document, Loc
from authproxy.config.problem import Problem
from authproxy.config.publishing import TEXT_LIMIT, PublisherSection, TrustedPublishingSection
from authproxy.config.rules import PackageSection
from authproxy.config.settings import IssuerSettings, TrustedPublishing
from authproxy.domain.attestations import AttestationRule
from authproxy.domain.claims import Check, Way, written
from authproxy.domain.claims import Path as ClaimPath
from authproxy.domain.effects import period
from authproxy.domain.grants import ANY
from authproxy.domain.publisherkinds import KINDS, PublisherKind
from authproxy.domain.publishers import LABEL_LIMIT, Publisher, publisher
from authproxy.domain.refusal import quoted

# Claims that are checked of every token, and what in the file does it.
_OURS: Final[Mapping[str, str]] = {
    "iss": "it is checked as issuer",
    "aud": "it is checked as trusted_publishing.audience",
} | dict.fromkeys(("exp", "iat", "nbf", "jti"), "it is checked of every token, and says of no job which it is")

_TAKES: Final = "it takes text, a whole number, true or false, or a list of these; * stands for any run of characters"

Report = Callable[[Loc, str], None]
# Reads a trusted root of sigstore's; raises ValueError, with a sentence, where that is none.
TryRoot = Callable[[Path], object]


def _listed(document: Document) -> list[Loc]:
    found = document.get("publishers")
    return [("publishers", position) for position in range(len(found) if isinstance(found, list) else 0)]


def _kind(document: Document, loc: Loc) -> PublisherKind | None:
    said = document.get(*loc, "kind")
    return PublisherKind(said) if said in list(PublisherKind) else None


def keys_of_their_kind(document: Document) -> None:
    """Refuse keys of another kind of publisher, and those of its own that are missing."""
    foreign = {key for table in KINDS.values() for key in table.keys}
    for loc in _listed(document):
        kind, section = _kind(document, loc), document.get(*loc)
        if kind is None or not isinstance(section, dict):
            continue
        table = KINDS[kind]
        for key in section:
            if key in foreign and key not in table.keys:
                known = ", ".join((*table.keys, "claims"))
                document.report((*loc, key), f"{key} is no key of kind {kind}: there are {known}", key=True)
        for key in table.needed:
            if key not in section:
                told = f"publishers[{loc[-1]}].{key} is missing: kind {kind} takes {', '.join(table.needed)}"
                document.report((*loc, key), told, key=True)


def claims_that_tell(document: Document) -> None:
    """Refuse claims that tell no job from another. An empty table is an error, not one that every token meets."""
    for loc in _listed(document):
        table, where = document.get(*loc, "claims"), (*loc, "claims")
        if table is None:
            continue
        if isinstance(table, dict) and table:
            list(read_claims(table, where, document.report))
        else:
            document.report(where, "it takes a mapping: claims, each with a colon and what it must be")


def read_claims(table: Mapping[str, Any], loc: Loc, report: Report, above: ClaimPath = ()) -> Iterator[Check]:
    """Read a mapping of claims, those inside of others too; what is wrong is reported where it stands."""
    for name, said in table.items():
        path, where = (*above, name), (*loc, name)
        if not above and name in _OURS:
            report(where, f"{name} is no claim to name here: {_OURS[name]}")
        elif isinstance(said, dict) and said:
            yield from read_claims(said, where, report, path)
        elif texts := _texts(said, where, report):
            yield Check(path, Way.GLOB, texts)


def _texts(said: object, loc: Loc, report: Report) -> tuple[str, ...]:
    items = said if isinstance(said, list) else [said]
    texts = list(map(written, items))
    if not texts:
        report(loc, _TAKES)
    for position, text in enumerate(texts):
        where = (*loc, position) if isinstance(said, list) else loc
        if not text or not text.isprintable() or len(text) > TEXT_LIMIT:
            report(where, _TAKES)
        elif not text.strip(ANY):
            report(where, f"{quoted(text)} takes every value: write what it must be, or take the claim out")
    return tuple(text for text in texts if text)


def issuers_of_their_own(document: Document) -> None:
    """Refuse an issuer under `oidc` whose kind checks more, and settings of one that no publisher has."""
    named = set()
    for loc in _listed(document):
        kind, url = _kind(document, loc), document.get(*loc, "issuer")
        if kind is None:
            continue
        named.add(url if isinstance(url, str) else KINDS[kind].issuer)
        for other, table in KINDS.items():
            if kind is PublisherKind.OIDC and table.issuer and str(url).startswith(table.issuer):
                document.report((*loc, "issuer"), f"this is the issuer of kind {other}, which checks more: write that")
    settings = document.get("trusted_publishing", "issuers")
    for url in settings if isinstance(settings, dict) else ():
        if url not in named:
            where = ("trusted_publishing", "issuers", url)
            document.report(where, "no publisher has this issuer, to the letter: take it out, or mend it", key=True)


def publishers_apart(document: Document) -> None:
    """Refuse a publisher that says the same of who it is as another: one of the two would never be asked."""
    seen: dict[str, int | str] = {}
    for loc in _listed(document):
        try:
            label = built(PublisherSection.model_validate(document.get(*loc))).label
        except (ValidationError, ValueError):
            continue  # what is wrong with it is told elsewhere
        if len(label) > LABEL_LIMIT:
            told = f"its claims have {len(label)} characters together and may have {LABEL_LIMIT}: leave some out"
            document.report(loc, told)
        first = seen.setdefault(label, loc[-1])
        if first != loc[-1]:
            told = f"publishers[{first}] is the same one ({quoted(label)}): put the packages of both into one"
            document.report(loc, told)


def built(section: PublisherSection) -> Publisher:
    """Make the publisher of a section. Raises ValueError where it says too little."""
    said = {}
    for key in KINDS[section.kind].keys:
        value = getattr(section, key)
        texts = value if isinstance(value, list) else [written(value)] if value else []
        said[key] = tuple(text for text in texts if text)
    table = section.claims if isinstance(section.claims, dict) else {}
    return publisher(
        section.kind,
        said,
        packages=tuple(section.packages),
        issuer=section.issuer,
        claims=tuple(read_claims(table, (), lambda _loc, _sentence: None)),
        indexes=tuple(section.indexes or (ANY,)),
        create=section.create,
        lifetime=section.lifetime,
        networks=tuple(section.networks),
    )


def trusted_publishing(
    section: TrustedPublishingSection, publishers: Mapping[str, Publisher], host: str, base: Path
) -> TrustedPublishing:
    """Read what holds for all publishers, and collect their issuers."""
    issuers = []
    for url in dict.fromkeys(each.issuer for each in publishers.values()):
        said = section.issuers.get(url)
        if said is None:
            issuers.append(IssuerSettings(url))
            continue
        file = None if said.ca_file is None else base / said.ca_file
        issuers.append(
            IssuerSettings(
                url, frozenset(said.algorithms), said.audience, said.audience_in_list, said.keys_url, ca_file=file
            )
        )
    root = None if section.attestation_root is None else base / section.attestation_root
    return TrustedPublishing(section.audience or host, tuple(issuers), root)


def certificates_that_are_there(document: Document, base: Path, try_root: TryRoot | None) -> None:
    """Refuse a file of certificates that cannot be read: no token, or attestation, could be verified by it."""
    _trusted_root(document, base, try_root)
    issuers = document.get("trusted_publishing", "issuers")
    for url in issuers if isinstance(issuers, dict) else ():
        where = "trusted_publishing", "issuers", url, "ca_file"
        file = document.get(*where)
        if isinstance(file, str) and not (base / file).is_file():
            document.report(where, f"there is no file {quoted(file)} beside this one: write where the certificates are")


def _trusted_root(document: Document, base: Path, try_root: TryRoot | None) -> None:
    at = "trusted_publishing", "attestation_root"
    root = document.get(*at)
    if isinstance(root, str) and not (base / root).is_file():
        document.report(at, f"there is no file {quoted(root)} beside this one: write where the trusted root is")
    if root is not None and find_spec("sigstore") is None:
        document.report(at, "it takes sigstore's library beside authproxy: pip install 'sigstore>=4.0'")
    if isinstance(document.get(*at), str) and try_root is not None:
        try:
            try_root(base / root)
        except ValueError as error:
            document.report(at, f"{error}: put sigstore's trusted_root.json at {quoted(root)}, whole")


def unverified(document: Document, packages: Sequence[PackageSection], root: str | None) -> list[Problem]:
    """Warn of rules that require what nobody verifies."""
    told = (
        "attestations: what is required here is believed unseen, and anybody who may upload can write it: name "
        "sigstore's trusted root in trusted_publishing.attestation_root"
    )
    asking = [number for number, each in enumerate(packages) if each.attestations is AttestationRule.REQUIRE]
    return [document.problem(("packages", number, "attestations"), told) for number in asking if root is None]


def shown_publisher(each: Publisher) -> dict[str, Any]:
    """A publisher as the file would say it."""
    said: dict[str, Any] = {"kind": str(each.kind)}
    if each.issuer != KINDS[each.kind].issuer:
        said["issuer"] = each.issuer
    for key, texts in each.said.items():
        said[key] = list(texts) if key == "refs" else texts[0] == "true" if key == "ref_protected" else texts[0]
    if each.claims:
        said["claims"] = _table(each.claims)
    said |= {"packages": [it.text for it in each.packages], "create": each.create, "lifetime": period(each.lifetime)}
    if each.grant.indexes != (ANY,):
        said["indexes"] = list(each.grant.indexes)
    return said | {"networks": list(map(str, each.networks))}


def _table(checks: tuple[Check, ...]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for check in checks:
        here = table
        for step in check.path[:-1]:
            here = here.setdefault(step, {})
        here[check.path[-1]] = check.wanted[0] if len(check.wanted) == 1 else list(check.wanted)
    return table


def shown_trusted_publishing(settings: TrustedPublishing) -> dict[str, Any]:
    """What holds for all publishers, as the file would say it: of issuers those that are not as usual."""
    unusual = (each for each in settings.issuers if each != IssuerSettings(each.url))
    issuers = {each.url: _shown_issuer(each) for each in unusual}
    root = {} if settings.attestation_root is None else {"attestation_root": str(settings.attestation_root)}
    return {"audience": settings.audience, "issuers": issuers} | root


def _shown_issuer(each: IssuerSettings) -> dict[str, Any]:
    said: dict[str, Any] = {
        "algorithms": sorted(map(str, each.algorithms)),
        "audience": each.audience,
        "audience_in_list": each.audience_in_list,
        "keys_url": each.keys_url,
        "ca_file": None if each.ca_file is None else str(each.ca_file),
    }
    return {key: value for key, value in said.items() if value is not None}
