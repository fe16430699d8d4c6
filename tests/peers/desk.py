"""What a job of CI speaks to, on one recording server: the CI's token endpoint, and a proxy that mints for its tokens."""

import json
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from tests.peers.derived import new_key
from tests.peers.recording import RecordingIndex, Reply, Script, Seen

AUDIENCE = "pypi.acme.test"
BEARER = "of-the-runner"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJtZSJ9.c2lnbmF0dXJl"
EXPIRES = 4_000_000_000


@dataclass
class Desk:
    """Answers what it is told to. `replies` stand in place of the ordinary answers, by path."""

    server: RecordingIndex
    key: str = field(default_factory=new_key)
    replies: dict[str, Script] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.server.answer = self.answer

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def github(self) -> dict[str, str]:
        """The variables of a job on GitHub that may ask for tokens."""
        return {
            "GITHUB_ACTIONS": "true",
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.url}job?run=7",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": BEARER,
        }

    def answer(self, seen: Seen) -> Script:
        path = urlsplit(seen.target).path
        if path in self.replies:
            return self.replies[path]
        if path == "/job":
            fits = seen.header("Authorization") == f"bearer {BEARER}"
            return said({"value": TOKEN}) if fits else said({}, 401)
        if path.startswith("/computeMetadata/"):
            asked = parse_qs(urlsplit(seen.target).query)
            fits = asked == {"audience": [AUDIENCE], "format": ["full"]} and seen.header("Metadata-Flavor") == "Google"
            return Reply(200, TOKEN.encode()) if fits else Reply(403)
        if path == "/_/oidc/audience":
            return said({"audience": AUDIENCE})
        if path == "/_/oidc/mint-token":
            fits = json.loads(seen.body) == {"token": TOKEN}
            return said({"success": True, "token": self.key, "expires": EXPIRES}) if fits else said({}, 422)
        if path == "/_/oidc/burn-token":
            return said({"message": "Accepted", "errors": []}, 202)
        return Reply(200) if seen.method == "POST" else Reply(404, b"no such project")

    @property
    def asked(self) -> list[str]:
        """What was asked, in order, without the queries."""
        return [urlsplit(seen.target).path for seen in self.server.requests]

    @property
    def burned(self) -> list[str]:
        """The keys that were burned."""
        burns = [seen for seen in self.server.requests if seen.target == "/_/oidc/burn-token"]
        return [json.loads(seen.body)["token"] for seen in burns]


def said(page: object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(page).encode(), (("Content-Type", "application/json"),))


def refused(code: str, description: str) -> Reply:
    """A refusal as the proxy writes it."""
    return said({"message": "Token request failed", "errors": [{"code": code, "description": description}]}, 422)
