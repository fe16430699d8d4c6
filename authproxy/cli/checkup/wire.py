"""One question to the index, in the plainest way: a connection of its own, no redirect followed, every wait bounded.

Not `backend.client`: that keeps its connections, logs in and turns answers into refusals, and here it is the raw answer
that is looked at, with credentials that are meant to be wrong.
"""

import http.client
import ssl
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

# Seconds for a connection, and between two pieces of an answer: a person is waiting.
PATIENCE: Final = 10.0
# Bytes of an answer that are looked at; a welcome page has two thousand.
ANSWER_LIMIT: Final = 64 * 1024


class Unanswered(Exception):
    """There was no answer. The text says why, in a few words."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def lets_in(self) -> bool | None:
        """Read it as the answer to an upload of nothing: who asked may upload, or may not, or it says neither."""
        if self.status in (401, 403):
            return False
        return True if self.status == 400 or 200 <= self.status < 300 else None


def ask(
    url: str,
    target: str,
    headers: Mapping[str, str],
    *,
    method: str = "GET",
    body: bytes | None = None,
    patience: float = PATIENCE,
) -> Answer:
    """Ask the server at `url` for one target. Raises Unanswered."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=patience)
    try:
        connection.request(method, target, body=body, headers={**headers, "Connection": "close"})
        response = connection.getresponse()
        said = response.read(ANSWER_LIMIT)
    except TimeoutError as error:
        raise Unanswered(f"no answer within {patience:.0f} seconds") from error
    except ssl.SSLCertVerificationError as error:
        raise Unanswered(f"its certificate is not trusted: {error.verify_message}") from error
    except http.client.RemoteDisconnected as error:
        raise Unanswered("it hangs up without a word") from error
    except OSError as error:
        raise Unanswered((error.strerror or "it cannot be reached").lower()) from error
    except http.client.HTTPException as error:
        raise Unanswered("the answer is not HTTP") from error
    finally:
        connection.close()
    found = MappingProxyType({name.lower(): value for name, value in response.getheaders()})
    return Answer(response.status, found, said.decode("utf-8", "replace"))


def basic(username: str, password: str) -> dict[str, str]:
    """The Authorization header of a name and a password."""
    return {"Authorization": "Basic " + b64encode(f"{username}:{password}".encode()).decode("ascii")}
