"""`authproxy push`: one request with the key in its header alone, the answer's sentence, and four exit statuses."""

import json
from pathlib import Path

import pytest

from authproxy.cli import push
from tests.cli.conftest import CONFIG, Cli
from tests.peers.recording import Raw, RecordingIndex, Reply, Script
from tests.peers.wire import basic

KEY = "apx_Ab0123456789x_" + "s" * 49
ASKED = ("push", "acme-core==1.0", "team/dev", "team/stable")
PAGE = {"message": "pushed acme-core 1.0 from team/dev to team/stable: a.whl", "pushed": True, "files": ["a.whl"]}
DONE = Reply(200, json.dumps(PAGE).encode())


def saying(status: int, message: str) -> Reply:
    """A refusal as the proxy writes it."""
    page = {"message": message, "code": f"{status} {message}", "title": "No"}
    return Reply(status, json.dumps(page).encode())


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key and no web proxy of whoever runs the tests."""
    for name in (push.KEY_VARIABLE, "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_what_is_asked(cli: Cli, recording: RecordingIndex) -> None:
    """One POST to the proxy's own path, strict JSON, the key as the password of __token__; the sentence on stdout."""
    recording.answer = lambda _: DONE
    ran = cli(*ASKED, "--url", recording.url, input=KEY + "\n")
    assert (ran.status, ran.stdout, ran.stderr) == (0, PAGE["message"] + "\n", "")  # type: ignore[operator]
    [seen] = recording.requests
    assert (seen.method, seen.target, seen.header("Authorization")) == ("POST", "/-/push", basic("__token__", KEY))
    assert seen.header("Content-Type") == "application/json"
    assert json.loads(seen.body) == {
        "name": "acme-core", "version": "1.0", "source": "team/dev", "target": "team/stable",
    }  # fmt: skip
    assert cli(*ASKED, "--url", recording.url, "--json", input=KEY).json == PAGE


def test_where_the_key_comes_from(
    cli: Cli, recording: RecordingIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file before the environment before stdin; never an argument."""
    recording.answer = lambda _: DONE
    (tmp_path / "key").write_text("in-the-file\r\n")
    asked = (*ASKED, "--url", recording.url)
    assert cli(*asked, input="on-stdin\n").status == 0
    monkeypatch.setenv(push.KEY_VARIABLE, " in-the-environment\n")
    assert cli(*asked, input="on-stdin").status == 0
    assert cli(*asked, "--key-file", tmp_path / "key").status == 0
    keys = [seen.header("Authorization") for seen in recording.requests]
    assert keys == [basic("__token__", each) for each in ("on-stdin", "in-the-environment", "in-the-file")]
    assert cli(*asked, "--key", KEY).status == 2


ANSWERS = [
    pytest.param(saying(403, "key x may not push 'acme-core'"), 3, "key x may not push 'acme-core'", id="no right"),
    pytest.param(saying(400, "File already exists: 'a.whl'"), 3, "File already exists: 'a.whl'", id="other bytes"),
    pytest.param(saying(401, "the key is not valid"), 3, "the key is not valid", id="a dead key"),
    pytest.param(
        saying(403, "proxy is misconfigured: x"), 1, "proxy is misconfigured: x", id="its operator's business"
    ),
    pytest.param(saying(429, "try again in 60 s"), 1, "try again in 60 s", id="too often"),
    pytest.param(saying(502, "the index is away"), 1, "the index is away", id="no index"),
    pytest.param(Reply(403, b"<html>"), 3, "the answer was 403 Said So", id="a refusal that is not ours"),
    pytest.param(Reply(200, b"<html>"), 1, "the answer was 200 Said So", id="a page that is not ours"),
    pytest.param(Reply(200, b'{"message": "hello"}'), 1, "hello", id="a yes that is not ours"),
    pytest.param(Reply(302, headers=(("Location", "/elsewhere"),)), 1, "the answer was 302", id="a redirect"),
    pytest.param(Raw(b"", reset=True), 1, "cannot be reached", id="no answer"),
    pytest.param(Raw(b"SSH-2.0-x\r\n\r\n"), 1, "cannot be reached", id="no web server"),
    pytest.param(saying(502, "two\nlines"), 1, "two lines", id="more than a line"),
    pytest.param(saying(403, "\x1b[2J"), 3, "\\x1b[2J", id="what a terminal would obey"),
]


@pytest.mark.parametrize(("answer", "status", "words"), ANSWERS)
def test_how_it_ends(cli: Cli, recording: RecordingIndex, answer: Script, status: int, words: str) -> None:
    """A no of the proxy's is 3 and stands on stdout, what is broken is 1; nothing is asked twice or elsewhere."""
    recording.answer = lambda _: answer
    ran = cli(*ASKED, "--url", recording.url, input=KEY)
    assert ran.status == status, ran
    assert words in (ran.stdout if status == 3 else ran.stderr)
    assert len((ran.stdout + ran.stderr).splitlines()) == 1
    assert KEY not in ran.stdout + ran.stderr
    assert len(recording.requests) == 1


def test_a_no_in_json(cli: Cli, recording: RecordingIndex) -> None:
    """A script reads it in the form of the yes."""
    recording.answer = lambda _: saying(403, "no")
    ran = cli(*ASKED, "--url", recording.url, "--json", input=KEY)
    assert (ran.status, ran.json) == (3, {"pushed": False, "message": "no"})


USAGE = [
    pytest.param(("push", "acme-core", "team/dev", "team/stable"), KEY, "NAME==VERSION", id="no version"),
    pytest.param(("push", "acme-core==", "team/dev", "team/stable"), KEY, "NAME==VERSION", id="an empty version"),
    pytest.param(("push", "acme-core==1.0", "team/dev"), KEY, "TARGET", id="no target"),
    pytest.param(ASKED, "", "there is no key: write one to stdin", id="no key"),
    pytest.param((*ASKED, "--url", "file:///etc/passwd"), KEY, "it takes a URL", id="no web address"),
    pytest.param((*ASKED, "--url", "http://a:b@127.0.0.1/"), KEY, "--url", id="a password in the URL"),
]


@pytest.mark.parametrize(("arguments", "key", "words"), USAGE)
def test_wrong_usage(cli: Cli, recording: RecordingIndex, arguments: tuple[str, ...], key: str, words: str) -> None:
    """One sentence, status 2, nothing sent."""
    more = () if "--url" in arguments else ("--url", recording.url)
    ran = cli(*arguments, *more, input=key)
    assert (ran.status, ran.stdout, words in ran.stderr) == (2, "", True), ran
    recording.assert_saw_nothing()


def test_where_the_proxy_is(
    cli: Cli, recording: RecordingIndex, config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By --url, or by the configuration on a machine that has one; without both it is asked for."""
    recording.answer = lambda _: DONE
    config_file.write_text(CONFIG.replace("http://127.0.0.1:8080/", recording.url))
    assert cli(*ASKED, input=KEY).status == 0
    monkeypatch.delenv("AUTHPROXY_CONFIG")
    ran = cli(*ASKED, input=KEY)
    assert (ran.status, "say where the proxy is: --url URL" in ran.stderr) == (2, True)


def test_a_key_in_the_clear_is_said(cli: Cli, recording: RecordingIndex) -> None:
    """Before it travels over http to another machine; and what is no key is not sent."""
    port = recording.address[1]
    ran = cli(*ASKED, "--url", f"http://127.0.0.2:{port}/", input=KEY)
    assert (ran.status, "travels in the clear" in ran.stderr, "cannot be reached" in ran.stderr) == (1, True, True)
    ran = cli(*ASKED, "--url", recording.url, input="two\nlines")
    assert (ran.status, "that is no key" in ran.stderr) == (1, True)
    recording.assert_saw_nothing()
