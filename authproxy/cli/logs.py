"""What the server writes about itself: one line on stderr for each event, JSON or text, and never a secret in it.

The code below this room logs key ids only. This is the second fence: foreign code (aiohttp, asyncio) echoes what it was
sent, and an exception's text may hold a header. So every string of a record passes `redact` on its way out, whatever
wrote it. Attacker text is escaped as JSON in ASCII: no line break, no terminal sequence survives.
"""

import json
import logging
import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TextIO

from authproxy.backend.spans import current_trace
from authproxy.cli.journal import Prioritised, is_journal
from authproxy.cli.output import printable
from authproxy.domain.keys import BASIC, PUBLIC_ID_LENGTH

REDACTED = "[redacted]"

# A secret cut short or with something stuck to it is still most of a secret: from this length on it goes.
# 16 base62 characters are 95 bits; no ordinary word that follows `<13 characters>_` is that long.
SUSPICIOUS = 16

# A log line is for people: what is longer than a header may be (8 KiB) was sent to fill a disk.
TEXT_LIMIT = 8192

# Matches in linear time: every part is a bounded run or a negated class, none overlaps its neighbour.
_REDACTIONS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (  # a header with its value, as a wire dump or the repr of a dict, of bytes or of a tuple shows it
        re.compile(
            r"((?:Proxy-)?Authorization|(?:Set-)?Cookie|X-Devpi-Auth)\b"
            r"(['\"]?\s{0,4}[:=,]\s{0,4}(?:b(?=['\"]))?['\"]?)[^'\"\r\n]+",
            re.IGNORECASE,
        ),
        lambda match: match[1] + match[2] + REDACTED,
    ),
    (  # credentials without their header's name
        re.compile(r"\b(Basic|Bearer)(\s{1,4})[A-Za-z0-9+/_.~=:-]{8,}", re.IGNORECASE),
        lambda match: match[1] + match[2] + REDACTED,
    ),
    (  # and without the name of their scheme
        re.compile(rf"{BASIC}[A-Za-z0-9+/_=-]*"),
        lambda _match: REDACTED,
    ),
    (  # https://user:password@host
        re.compile(r"(://[^\s/:@'\"]{0,256}:)[^\s/@'\"]{1,1024}@"),
        lambda match: match[1] + REDACTED + "@",
    ),
    (  # a key of any prefix: its public id may stay, that is what logs show
        re.compile(rf"([a-z][a-z0-9]{{1,9}}_[0-9A-Za-z]{{{PUBLIC_ID_LENGTH}}}_)[0-9A-Za-z]{{{SUSPICIOUS},}}"),
        lambda match: match[1] + REDACTED,
    ),
    (  # a derived key, or its beginning: what it allows is of no use to the log, and what follows opens it
        re.compile(
            rf"([a-z][a-z0-9]{{1,9}}_[0-9A-Za-z]{{{PUBLIC_ID_LENGTH}}}\.)"
            rf"(?:[\w-]+\.[\w-]{{{SUSPICIOUS},}}|[\w-]{{{SUSPICIOUS},}}(?:\.[\w-]*)?)",
            re.ASCII,
        ),
        lambda match: match[1] + REDACTED,
    ),
)

# What every LogRecord has: the rest came as `extra=` and belongs into the line.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def redact(text: str) -> str:
    """Take out of `text` whatever looks like a secret half of a key or the value of a credential header."""
    for pattern, replacement in _REDACTIONS:
        text = pattern.sub(replacement, text)
    return text


def _clean(value: object) -> object:
    """Reduce a value to what JSON holds, redacted; an object of any other type by its text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {redact(str(name)): _clean(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item) for item in value]
    text = redact(str(value))
    return text if len(text) <= TEXT_LIMIT else text[:TEXT_LIMIT] + f"... ({len(text)} characters)"


class JsonLines(logging.Formatter):
    """A record as one line: time (RFC 3339, UTC), level, logger, message, what came as `extra`, its trace."""

    def format(self, record: logging.LogRecord) -> str:
        document: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _clean(record.getMessage()),
        }
        for name, value in vars(record).items():
            if name not in _STANDARD and name not in document:
                document[name] = _named(name, value)
        trace = current_trace()
        if trace is not None:
            document["trace_id"] = trace.trace_id
        if record.exc_info:
            document["exception"] = _clean(self.formatException(record.exc_info))
        elif record.exc_text:
            document["exception"] = _clean(record.exc_text)
        if record.stack_info:
            document["stack"] = _clean(record.stack_info)
        return json.dumps(document)


def _named(name: str, value: object) -> object:
    """An extra called `authorization` is a secret by its name, whatever its value looks like."""
    secret = {"authorization", "password", "secret", "token", "cookie", "credential"}
    return REDACTED if name.lower() in secret else _clean(value)


class PlainLines(logging.Formatter):
    """The same for a person at a terminal: `12:30:45 info  listening  url=http://...`, redacted and escaped alike."""

    def format(self, record: logging.LogRecord) -> str:
        line = json.loads(JsonLines().format(record))
        time, level, _, message = (line.pop(name) for name in ("time", "level", "logger", "message"))
        report = "".join("\n" + line.pop(name) for name in ("exception", "stack") if name in line)
        extras = "".join(f"  {name}={_word(value)}" for name, value in line.items())
        text = f"{time[11:19]} {level:<7} {message}{extras}{report}"
        # Indented, so that no line break in a message can pretend to begin another event.
        return "\n    ".join(printable(each) for each in text.split("\n"))


def _word(value: object) -> str:
    plain = isinstance(value, str) and value.isprintable() and value and not set(value) & set(' "=')
    return str(value) if plain else json.dumps(value)


FORMATS: Mapping[str, type[logging.Formatter]] = {"json": JsonLines, "text": PlainLines}


def to_stderr(level: str, form: str = "json", stream: TextIO | None = None) -> None:
    """Send everything from `level` on to stderr, Python's warnings too, and nothing anywhere else.

    `level` is debug, info, warning or error; `form` one of FORMATS.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    lines = FORMATS[form]()
    handler.setFormatter(Prioritised(lines) if is_journal(handler.stream) else lines)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of every plugin that it loads
    logging.captureWarnings(capture=True)
