"""What a webhook can be told of, and which ends of a decision are such an event.

`upload.done`: what was asked for, then how it ended. An upload that is still on its way, or whose end nobody saw, is no
event yet: it becomes one when it is settled.
"""

from enum import StrEnum
from typing import Final

from authproxy.domain.access import ACCEPT, Outcome
from authproxy.domain.grants import Action


class Event(StrEnum):
    """The words of the configuration and of what is sent: they stay."""

    UPLOAD_DONE = "upload.done"  # the index has the file
    UPLOAD_FAILED = "upload.failed"  # it was admitted, and the index does not have it
    UPLOAD_REFUSED = "upload.refused"  # by this proxy
    UPLOAD_DIFFERENT = "upload.different"  # an alarm: the index has other bytes than were uploaded, or has lost them
    PUSH_DONE = "push.done"  # one for each file of the release
    PUSH_FAILED = "push.failed"
    PUSH_REFUSED = "push.refused"
    DELETE_DONE = "delete.done"
    DELETE_FAILED = "delete.failed"
    DELETE_REFUSED = "delete.refused"
    KEY_CREATED = "key.created"
    KEY_ROTATED = "key.rotated"  # begun, finished or taken back
    KEY_EXTENDED = "key.extended"
    KEY_PAUSED = "key.paused"
    KEY_RESUMED = "key.resumed"
    KEY_REVOKED = "key.revoked"
    KEY_EXPIRING = "key.expiring"  # 30, 7 and 1 days before
    KEY_ENDED = "key.ended"  # one that was derived from it, by whoever had that, or because it was found
    KEY_LEAKED = "key.leaked"  # somebody who is known here has found it where it does not belong
    KEY_CANARY = "key.canary"  # an alarm: somebody uses a key that is there to be found


# What the record says of a refusal; the other ends of a decision are an Outcome.
DENIED: Final = "denied"

_ENDS: Final = {
    (Action.UPLOAD, Outcome.STORED): Event.UPLOAD_DONE,
    (Action.UPLOAD, Outcome.REFUSED): Event.UPLOAD_FAILED,
    (Action.UPLOAD, Outcome.FAILED): Event.UPLOAD_FAILED,
    (Action.UPLOAD, Outcome.DIFFERENT): Event.UPLOAD_DIFFERENT,
    (Action.UPLOAD, DENIED): Event.UPLOAD_REFUSED,
    (Action.PUSH, Outcome.STORED): Event.PUSH_DONE,
    (Action.PUSH, Outcome.REFUSED): Event.PUSH_FAILED,
    (Action.PUSH, Outcome.FAILED): Event.PUSH_FAILED,
    (Action.PUSH, Outcome.DIFFERENT): Event.UPLOAD_DIFFERENT,
    (Action.PUSH, DENIED): Event.PUSH_REFUSED,
    (ACCEPT, Outcome.DIFFERENT): Event.UPLOAD_DIFFERENT,
    (Action.DELETE, Outcome.REMOVED): Event.DELETE_DONE,
    (Action.DELETE, Outcome.REFUSED): Event.DELETE_FAILED,
    (Action.DELETE, Outcome.FAILED): Event.DELETE_FAILED,
    (Action.DELETE, DENIED): Event.DELETE_REFUSED,
}
OF_DECISIONS: Final = frozenset(_ENDS.values())
_BY_WORDS: Final[dict[tuple[str, str], Event]] = {(str(a), str(o)): event for (a, o), event in _ENDS.items()}


def of_decision(action: str, outcome: str) -> Event | None:
    """Return the event that a decision is, by the words of the record; None: it is none, or none yet."""
    return _BY_WORDS.get((action, outcome))
