"""Some versions, as a person writes them: in a package rule, and in a caveat of a derived key."""

import re
from dataclasses import dataclass

from authproxy.domain.grants import ANY, glob_matches
from authproxy.domain.names import same_version, version_text
from authproxy.domain.refusal import Code, Refused, quoted, refuse

# Canonical versions (PEP 440) hold nothing else; `*` is ours.
_VERSION_GLOB = re.compile(r"[0-9a-z.+!*]+")
_SPECIFIER_START = frozenset("<>=!~")

# Versions of real projects stay under 40 characters; several specifiers with commas fit as well.
VERSION_PATTERN_LIMIT = 100


@dataclass(frozen=True, slots=True)
class VersionPattern:
    """Some versions: one, a glob on the canonical text (`1.*`, `*.dev*`), PEP 440 specifiers (`>=1.0,<2`)."""

    text: str

    def matches(self, version: str) -> bool:
        """Whether this canonical version is among them. Pre-releases are versions like any other."""
        if self.text[0] in _SPECIFIER_START:
            from packaging.specifiers import SpecifierSet

            return SpecifierSet(self.text).contains(version, prereleases=True)
        if ANY in self.text:
            return glob_matches(self.text, version)
        return same_version(self.text, version)


def version_pattern(raw: str) -> VersionPattern:
    """Read what a person wrote.

    A plain version means that one, however spelled: 1.0 is 1.0.0, but not 1.0+local, which the specifier ==1.0
    would let in (PEP 440, version matching). Raises Refused(NAME_INVALID).
    """
    if len(raw) > VERSION_PATTERN_LIMIT:
        raise refuse(Code.NAME_INVALID, f"{quoted(raw)} is longer than {VERSION_PATTERN_LIMIT} characters")
    if ANY in raw and _VERSION_GLOB.fullmatch(raw):
        return VersionPattern(raw)
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # `authproxy exec` names no versions

    try:
        if raw[:1] in _SPECIFIER_START:
            return VersionPattern(str(SpecifierSet(raw)))
        return VersionPattern(version_text(raw))
    except (InvalidSpecifier, Refused):
        raise refuse(
            Code.NAME_INVALID,
            f"{quoted(raw)} names no versions: write a version, a glob such as 1.* or specifiers such as >=1.0,<2",
        ) from None
