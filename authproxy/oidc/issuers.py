"""What is fixed about an issuer before its first token comes: where its keys are, and which algorithms it signs with.

All of it is the operator's word. A token names its issuer and nothing else about it.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

# OpenID Connect Discovery 1.0, section 4: appended to the issuer, whose last slash goes first.
WELL_KNOWN: Final = "/.well-known/openid-configuration"
# Every URL here is a line in a config or in a small document; what is longer is neither.
URL_LIMIT: Final = 2000


class Algorithm(StrEnum):
    """What an issuer may sign with, by the names of RFC 7518 and RFC 8037. All are asymmetric, on purpose.

    GitHub, GitLab, Google, Buildkite, CircleCI, Azure DevOps, Forgejo, Jenkins and Kubernetes sign with RS256 as they
    come; a Kubernetes can be set to ES256 or ES384, a Forgejo to any of them.
    """

    RS256 = "RS256"
    ES256 = "ES256"
    ES384 = "ES384"
    EDDSA = "EdDSA"


RS256_ALONE: Final = frozenset({Algorithm.RS256})


@dataclass(frozen=True, slots=True)
class Issuer:
    """One issuer of the config; ValueError where a URL is not one that keys may come from.

    `url` is what `iss` has to say, to the letter. `keys_url` is the JWKS, where the discovery document is not to be
    asked. `ca_file` names the certificates that vouch for this issuer in place of the system's (a GitLab or a
    Kubernetes with a CA of its own).

    `audience` is what `aud` has to say where the issuer does not let a job choose (Azure DevOps always writes
    `api://AzureADTokenExchange`); else it is the installation's. `audience_in_list` is for issuers that write a list
    even of one (Kubernetes does): then it is a list of exactly that one.
    """

    url: str
    algorithms: frozenset[Algorithm] = RS256_ALONE
    keys_url: str | None = None
    ca_file: Path | None = None
    audience: str | None = None
    audience_in_list: bool = False

    def __post_init__(self) -> None:
        if not is_safe(self.url) or "?" in self.url:
            raise ValueError(f"an issuer is an https URL without user, query and fragment, not {self.url!r}")
        if self.keys_url is not None and not is_safe(self.keys_url):
            raise ValueError(f"keys come from an https URL without user and fragment, not {self.keys_url!r}")
        if not self.algorithms:
            raise ValueError(f"the issuer {self.url} has no algorithm to sign with")

    @property
    def discovery_url(self) -> str:
        """Where the issuer says where its keys are."""
        return self.url.rstrip("/") + WELL_KNOWN


def is_safe(url: str) -> bool:
    """Whether keys may be fetched there: https, a host, no credentials, no fragment, no character with two meanings."""
    if len(url) > URL_LIMIT or not all("!" <= c <= "~" for c in url) or "\\" in url or "#" in url:
        return False
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket that does not close
        return False
    return parts.scheme == "https" and named and "@" not in parts.netloc
