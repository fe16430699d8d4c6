"""Webhooks in the file: what is read, and every mistake with its place."""

import base64
from pathlib import Path

import pytest

from authproxy.config import load, shown
from authproxy.config.webhooks import signing_key
from authproxy.domain.events import Event
from tests.config.conftest import LEAST, SECRET, Complaining, Loading

HOOK = """\
webhooks:
- name: ops
  url: https://ops.example.com/hooks/authproxy?team=a
  secret: {file: pw}
  events: [upload.done, key.revoked]
"""


def test_a_webhook_is_read(loaded: Loading) -> None:
    """With its secret, which is in no picture of it."""
    config = loaded(LEAST + HOOK)
    [hook] = config.webhooks
    assert (hook.name, hook.url) == ("ops", "https://ops.example.com/hooks/authproxy?team=a")
    assert hook.secret == SECRET.encode()
    assert config.wanted == {"ops": {Event.UPLOAD_DONE, Event.KEY_REVOKED}}
    assert SECRET not in repr(config)
    assert shown(config)["webhooks"] == [
        {"name": "ops", "url": hook.url, "secret": {"file": "pw"}, "events": ["key.revoked", "upload.done"]}
    ]
    assert loaded(LEAST).webhooks == ()


def test_without_secrets(loaded: Loading, file: Path) -> None:
    """A file can be compared where its secrets are not."""
    file.write_text(LEAST + HOOK.replace("pw", "gone"))
    [hook] = load(file, {}, secrets=False).webhooks
    assert hook.secret is None


MISTAKES = {
    "an event that there is not": (
        ("upload.done,", "upload.dome,"),
        "8:12: webhooks[0].events[0] takes upload.done, ",
        "did you mean upload.done?",
    ),
    "no event": (("[upload.done, key.revoked]", "[]"), "8:11: webhooks[0].events takes a list", "empty"),
    "a star": (("upload.done,", '"*",'), "8:12: webhooks[0].events[0] takes upload.done, ", ""),
    "no secret": (("  secret: {file: pw}\n", ""), "5:3: webhooks[0].secret is missing", ""),
    "the secret itself": (("{file: pw}", "hunter2hunter2hunter2"), "7:11: webhooks[0].secret: a secret never stands in this file", ""),
    "a secret that is not there": (("file: pw", "file: gone"), "7:11: webhooks[0].secret: there is no file", "gone"),
    "a secret that is short": (("file: pw", "file: short"), "7:11: webhooks[0].secret: it has 15 bytes and takes 16", "openssl"),
    "a broken whsec": (("file: pw", "file: broken"), "7:11: webhooks[0].secret: what stands behind whsec_ is no Base64", ""),
    "a short whsec": (("file: pw", "file: encoded"), "7:11: webhooks[0].secret: it has 15 bytes and takes 16", ""),
    "credentials in the URL": (("https://ops", "https://me:pw@ops"), "6:8: webhooks[0].url: it takes a URL", "credentials"),
    "another scheme": (("https://ops", "ftp://ops"), "6:8: webhooks[0].url: it takes a URL", "http or https"),
    "a fragment": (("?team=a", "#team"), "6:8: webhooks[0].url: it takes a URL", "no #"),
    "a space": (("?team=a", "?team=a b"), "6:8: webhooks[0].url: it takes a URL", "spaces"),
    "a name with a slash": (("name: ops", "name: o/s"), "5:9: webhooks[0].name: 'o/s' is no name", ""),
    "a key that there is not": (("  events", "  retries: 3\n  events"), "8:3: 'retries' is no key of webhooks[0]", ""),
}  # fmt: skip


@pytest.mark.parametrize(("change", "start", "part"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake(complaints: Complaining, file: Path, change: tuple[str, str], start: str, part: str) -> None:
    """One sentence, where it stands."""
    for name, text in {
        "short": "x" * 15,
        "broken": "whsec_!!!!",
        "encoded": "whsec_" + base64.b64encode(b"x" * 15).decode(),
    }.items():
        (file.parent / name).write_text(text)
        (file.parent / name).chmod(0o600)
    [found] = complaints(LEAST + HOOK.replace(*change))
    assert found.startswith(start), found
    assert part in found


def test_two_of_one_name(complaints: Complaining) -> None:
    """Their events would wait in one queue."""
    again = HOOK.replace("webhooks:\n", "")
    assert complaints(LEAST + HOOK + again) == ["9:9: 'ops' is the name of another webhook already: choose another"]


def test_a_secret_that_everybody_may_read_is_a_warning(loaded: Loading, file: Path) -> None:
    """As with the index's password."""
    (file.parent / "pw").chmod(0o644)
    [warning] = loaded(LEAST + HOOK).warnings
    assert (warning.line, "webhooks[0].secret: everybody" in warning.sentence) == (7, True)


def test_a_reference_to_a_secret_is_shown(complaints: Complaining, file: Path) -> None:
    """The line that is wrong can be seen; a secret that somebody wrote there cannot."""
    [found] = [str(each) for each in problems(file, HOOK.replace("file: pw", "file: gone"))]
    assert "secret: {file: gone}" in found
    [found] = [str(each) for each in problems(file, HOOK.replace("{file: pw}", "hunter2hunter2hunter2"))]
    assert "hunter2" not in found


def problems(file: Path, text: str) -> list[object]:
    from authproxy.config import ConfigProblems

    file.write_text(LEAST + text)
    with pytest.raises(ConfigProblems) as caught:
        load(file, {})
    return list(caught.value.problems)


def test_a_secret_in_either_form() -> None:
    """The text itself, or what stands behind whsec_, as libraries for receivers take it."""
    assert signing_key("0123456789abcdef") == b"0123456789abcdef"
    assert signing_key("pässwörd-pässwörd") == "pässwörd-pässwörd".encode()
    raw = bytes(range(256))[100:132]
    assert signing_key("whsec_" + base64.b64encode(raw).decode()) == raw
