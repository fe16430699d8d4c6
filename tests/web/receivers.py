"""A receiver of webhooks: the recording server, and what it makes of what it saw, by nobody's code of ours."""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

from tests.peers.recording import RecordingIndex, Seen

SECRET = "a secret of the webhook, 0123456789"


def webhook(folder: Path, receiver: RecordingIndex, *events: str, name: str = "ops") -> dict[str, Any]:
    """A section of the config, and the secret beside it."""
    secret = folder / "hook-secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)
    return {"name": name, "url": f"{receiver.url}hook", "secret": {"file": "hook-secret"}, "events": list(events)}


def verified(seen: Seen) -> dict[str, Any]:
    """The message of a request; fails the test where its signature is not right."""
    signed = f"{seen.header('webhook-id')}.{seen.header('webhook-timestamp')}.".encode() + seen.body
    right = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
    assert seen.header("webhook-signature") == f"v1,{right}"
    read: dict[str, Any] = json.loads(seen.body)
    return read


def types(receiver: RecordingIndex) -> list[str]:
    """What was told, in the order in which it arrived."""
    return [verified(seen)["type"] for seen in list(receiver.requests)]
