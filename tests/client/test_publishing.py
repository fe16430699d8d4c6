"""Audience, mint, burn: what is asked of whom, what is said where there is no key, and that every key is burned."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from authproxy.client.errors import ClientError
from authproxy.client.publishing import audience, minted, root_of
from tests.peers.desk import AUDIENCE, EXPIRES, TOKEN, Desk, refused, said
from tests.peers.recording import Hang, RecordingIndex, Reply

ROOT = Path(__file__).parents[2]
ALL = ["/_/oidc/audience", "/_/oidc/mint-token", "/_/oidc/burn-token"]


@pytest.fixture
def desk(recording: RecordingIndex, monkeypatch: pytest.MonkeyPatch) -> Desk:
    for name in ("http_proxy", "HTTP_PROXY", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    return Desk(recording)


def test_a_key_is_minted_and_burned(desk: Desk) -> None:
    """At the root of the host, whatever path the upload URL has; the token is for the audience that the proxy names."""
    asked, told = [], []

    def token_for(wanted: str) -> str:
        asked.append(wanted)
        return TOKEN

    with minted(f"{desk.url}team/dev/", token_for, told.append) as key:
        assert (key.text, key.expires) == (desk.key, EXPIRES)
        assert desk.burned == []
        assert desk.key not in repr(key)
    assert (asked, told, desk.burned, desk.asked) == ([AUDIENCE], [], [desk.key], ALL)


def test_it_is_burned_when_the_block_fails(desk: Desk) -> None:
    """Whatever the reason."""
    with pytest.raises(ZeroDivisionError), minted(desk.url, lambda _: TOKEN, print):
        _ = 1 / 0
    assert desk.burned == [desk.key]


def test_a_key_that_could_not_be_burned_is_told(desk: Desk) -> None:
    """The upload went well all the same; the key ends by itself."""
    desk.replies["/_/oidc/burn-token"] = Reply(503)
    told = []
    with minted(desk.url, lambda _: TOKEN, told.append):
        pass
    [sentence] = told
    assert "was not burned and ends by itself" in sentence
    assert "answers 503" in sentence


@pytest.mark.parametrize(
    ("path", "answer", "sentence"),
    [
        pytest.param("audience", Reply(404, b"nothing"), "no trusted publishing: its configuration names", id="off"),
        pytest.param("audience", Reply(200, b"<html>"), "what is no JSON", id="another server"),
        pytest.param("audience", said({"audience": 7}), "does not say for whom", id="no audience"),
        pytest.param("audience", said({"audience": "x"}, 500), "does not say for whom", id="a failure"),
        pytest.param(
            "mint-token",
            refused("invalid-publisher", "no trusted publisher takes this token"),
            r"no trusted publisher takes this token \(invalid-publisher\)",
            id="nobody takes it",
        ),
        pytest.param("mint-token", said({"errors": []}, 422), "it answers 422", id="no reason"),
        pytest.param("mint-token", said({"errors": [7]}, 422), "it answers 422", id="no reason that can be read"),
        pytest.param("mint-token", said({"success": True}), "what it answers has none", id="no key"),
        pytest.param("mint-token", said({"token": "x", "expires": 1}), "1 characters are no key", id="what is no key"),
    ],
)
def test_where_there_is_no_key(desk: Desk, path: str, answer: Reply, sentence: str) -> None:
    """The proxy's own words where it has some; nothing is burned, because nothing was minted, and no token is shown."""
    desk.replies[f"/_/oidc/{path}"] = answer
    with pytest.raises(ClientError, match=sentence) as caught, minted(desk.url, lambda _: TOKEN, print):
        pytest.fail("there is no key")
    assert TOKEN not in str(caught.value)
    assert desk.burned == []


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("https://pypi.acme.test/team/dev/", "https://pypi.acme.test"),
        ("https://me:x@pypi.acme.test:8443/?a", "https://pypi.acme.test:8443"),
        ("http://127.0.0.1:1/", "http://127.0.0.1:1"),
    ],
)
def test_the_root_of_a_host(url: str, root: str) -> None:
    """Without path and without what somebody wrote before the host."""
    assert root_of(url) == root


def test_a_token_does_not_travel_in_the_clear(desk: Desk) -> None:
    """It is good for a key, for whoever reads it; so nothing is even asked."""
    with pytest.raises(ClientError, match="https:// alone"), minted("http://pypi.acme.test/", lambda _: TOKEN, print):
        pytest.fail("it was sent")


def test_the_audience_alone(desk: Desk) -> None:
    """One GET."""
    assert audience(desk.url.rstrip("/")) == AUDIENCE


# A program that holds a key, says so, and then does what it is told to.
HOLDER = """\
import os, signal, subprocess, sys, time
from authproxy.client.publishing import minted
from authproxy.client.running import run
with minted(sys.argv[1], lambda _: sys.argv[2], print):
    print("minted", flush=True)
    if sys.argv[3] == "sleeps":
        time.sleep(30)
    sys.exit(run([sys.executable, "-c", sys.argv[3]], dict(os.environ)))
"""


def holder(desk: Desk, what: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, desk.url, TOKEN, what],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda each: each.name)
@pytest.mark.parametrize("what", ["sleeps", "import time; time.sleep(30)"], ids=["beside a block", "beside a client"])
def test_a_signal_burns_the_key(desk: Desk, number: signal.Signals, what: str) -> None:
    """A job that is cancelled leaves no key behind, and the status says what ended it."""
    with holder(desk, what) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "minted\n"
        time.sleep(0.3)
        os.kill(running.pid, number)
        assert running.wait(20) == 128 + number if what == "sleeps" else running.wait(20) != 0
    assert desk.burned == [desk.key]


def test_a_signal_during_the_mint_burns_what_it_gives(desk: Desk) -> None:
    """The proxy has minted and nobody has read it yet: the signal waits until the key is known."""
    plain = desk.answer

    def slowly(seen):
        if seen.target == "/_/oidc/mint-token":
            os.kill(running.pid, signal.SIGTERM)
            time.sleep(0.5)
        return plain(seen)

    desk.server.answer = slowly
    with holder(desk, "sleeps") as running:
        assert running.wait(20) == 128 + signal.SIGTERM
    assert desk.burned == [desk.key]


def test_a_second_signal_does_not_keep_the_key_alive(desk: Desk) -> None:
    """A CI that cancels sends one after the other; the burn goes on, and ends within its time."""
    plain = desk.answer

    def slowly(seen):
        if seen.target == "/_/oidc/burn-token":
            os.kill(running.pid, signal.SIGTERM)
            time.sleep(0.3)
        return plain(seen)

    desk.server.answer = slowly
    with holder(desk, "sleeps") as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "minted\n"
        os.kill(running.pid, signal.SIGTERM)
        assert running.wait(20) != 0
    assert desk.burned == [desk.key]


def test_the_status_of_what_ran_is_kept(desk: Desk) -> None:
    """A client that fails fails, and its key is burned."""
    with holder(desk, "import sys; sys.exit(7)") as running:
        assert running.wait(20) == 7
    assert desk.burned == [desk.key]


def test_a_proxy_that_hangs_is_left(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the time of one answer."""
    from authproxy.client import wire

    monkeypatch.setattr(wire, "PATIENCE", 0.3)
    desk.replies["/_/oidc/mint-token"] = Hang()
    with pytest.raises(ClientError, match="did not answer"), minted(desk.url, lambda _: TOKEN, print):
        pytest.fail("there is no key")
