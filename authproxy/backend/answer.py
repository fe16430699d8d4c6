"""What an index's answer means: a table from status and text to an outcome and a sentence.

Uploads have one of their own. Pure. It knows no connection; `client` brings the status and the bytes.
"""

import html
import json
import re
from dataclasses import dataclass
from typing import Final

from authproxy.domain.access import Outcome
from authproxy.domain.refusal import Code, Denial

# What an index said goes into a reason phrase of at most 500 characters, behind a sentence of ours.
SAID_LIMIT: Final = 200

UNREACHABLE: Final = "the index behind the proxy cannot be reached, try again later"
SILENT: Final = "the index behind the proxy did not answer in time: try again, an upload that arrived is recognised"
BROKE_OFF: Final = "the index behind the proxy broke off: try again, an upload that arrived is recognised"
MISCONFIGURED: Final = (
    "proxy is misconfigured: the index refuses its service credentials, its operator must mend backend.username "
    "and backend.password"
)


# The same for every reason that the index may have.
PASSWORD_WRONG: Final = Denial(
    Code.PASSWORD_WRONG,
    "the index takes no uploads with this user name and password, give it the right ones or use a key",
)


@dataclass(frozen=True, slots=True)
class UploadAnswer:
    """The index's answer to an upload; `denial` is None only where the file is stored."""

    outcome: Outcome
    status: int | None
    denial: Denial | None = None


def meaning(status: int, body: bytes, *, complete: bool) -> UploadAnswer:
    """Read the index's answer to an upload. The first row that holds decides."""
    text = said_by(body).removeprefix(f"{status} ")  # devpi repeats it
    said = answered(status, text)
    # 1. A yes before the body was out: some servers store the part they have (measured with wsgiref and gunicorn).
    if 200 <= status < 300:
        if complete:
            return UploadAnswer(Outcome.STORED, status)
        return UploadAnswer(Outcome.UNKNOWN, status, Denial(Code.INDEX_UNREACHABLE, BROKE_OFF))
    # 2. Our credentials are no good, or the account has no right. 403, since 5xx would make twine send the file five
    #    more times. devpi says which: "no permission to submit".
    if status in (401, 403):
        reason = f"{MISCONFIGURED}; {said}" if text else MISCONFIGURED
        return UploadAnswer(Outcome.REFUSED, status, Denial(Code.MISCONFIGURED, reason))
    # 3. The file is there. pypiserver says 409, or 400 to a client that calls itself twine; devpi says 409.
    if status == 409 or (status == 400 and "already exist" in text.lower()):
        return UploadAnswer(Outcome.REFUSED, status, Denial(Code.FILE_EXISTS, "File already exists in the index"))
    # 4. A redirect, or no upload endpoint: backend.url is wrong, and following a redirect would lose the upload. devpi
    #    says 404 for an index that is not there or a mirror, and 405 for one that is read-only.
    if 300 <= status < 400 or status in (404, 405):
        reason = f"proxy is misconfigured: backend.url or backend.indexes takes no uploads, {said}"
        return UploadAnswer(Outcome.REFUSED, status, Denial(Code.MISCONFIGURED, reason))
    # 5. Any other no is the index's own.
    if 400 <= status < 500:
        code = Code.TOO_LARGE if status == 413 else Code.INDEX_REFUSED
        return UploadAnswer(Outcome.REFUSED, status, Denial(code, said))
    # 6. The index failed; how far it came, only it can tell.
    return UploadAnswer(Outcome.UNKNOWN, status, Denial(Code.INDEX_UNREACHABLE, said))


def answered(status: int, text: str) -> str:
    """Say that the index answered, and what: `text` is what `said_by` made of it."""
    return f"the index answered {status}" + (f": {text}" if text else "")


def no_of(status: int, text: str) -> Denial | None:
    """Read the index's answer to a request that is no upload and goes with our credentials; None is a yes."""
    if 200 <= status < 300:
        return None
    said = answered(status, text)
    if status in (401, 403):
        return Denial(Code.MISCONFIGURED, f"{MISCONFIGURED}; {said}")
    return Denial(Code.INDEX_REFUSED if status < 500 else Code.INDEX_UNREACHABLE, said)


def to_its_user(answer: UploadAnswer) -> UploadAnswer:
    """Read an answer to an upload with somebody's own password: a no to it is theirs, and not our credentials'."""
    if answer.status not in (401, 403):
        return answer
    return UploadAnswer(answer.outcome, answer.status, PASSWORD_WRONG)


_PRE = re.compile(r"<pre>(.*?)</pre>", re.DOTALL)
_HIDDEN = re.compile(r"<(style|script|head)\b.*?</\1>", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")


def said_by(body: bytes) -> str:
    """Turn an index's page or text into one printable ASCII line of at most 200 characters.

    pypiserver's framework wraps the sentence into an HTML page, in its only `<pre>`; devpi's API says it in JSON.
    """
    text = _message(body) or body.decode("utf-8", "replace")
    inner = _PRE.search(text)
    plain = html.unescape(_TAG.sub(" ", inner[1] if inner else _HIDDEN.sub(" ", text)))
    printable = "".join(c if " " <= c <= "~" else " " for c in plain)
    return " ".join(printable.split())[:SAID_LIMIT]


def _message(body: bytes) -> str | None:
    """Return the `message` of an answer in JSON."""
    if not body.startswith(b"{"):
        return None
    try:
        message = json.loads(body).get("message")
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, str) else None
