"""What is asked of each kind of index, and that it is the kind that it seems."""

import pytest

from authproxy.cli.checkup.dialect import DEVPI, DIALECTS, NO_UPLOAD, NO_UPLOAD_HEADERS, PYPISERVER, UNKNOWN, answers_as
from authproxy.cli.checkup.wire import Answer, ask
from authproxy.config import FlavourName
from tests.peers.pypiserver import PypiServer

WELCOME = "<p>This instance is running version 2.4.2 of the <a>pypiserver</a> software.</p>"


def test_there_is_a_dialect_for_each_flavour() -> None:
    """What the configuration may name can be looked at."""
    assert set(map(str, FlavourName)) <= set(DIALECTS)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param(Answer(200, {}, WELCOME), "pypiserver", id="pypiserver's welcome page"),
        pytest.param(Answer(200, {"x-devpi-server-version": "6.20.3"}, "{}"), "devpi", id="devpi"),
        pytest.param(Answer(200, {}, "Welcome to ACME"), None, id="a page of somebody's own"),
    ],
)
def test_what_kind_of_index_it_is(answer: Answer, kind: str | None) -> None:
    """By what it says of itself; nothing is guessed."""
    assert answers_as(answer) == kind


def test_versions() -> None:
    """Where each of the two says it."""
    assert PYPISERVER.version(Answer(200, {}, WELCOME)) == "2.4.2"
    assert PYPISERVER.version(Answer(200, {}, "running version <script> of")) is None
    assert DEVPI.version(Answer(200, {"x-devpi-server-version": "6.20.3"}, "")) == "6.20.3"


def test_the_upload_of_nothing_is_one(index: PypiServer) -> None:
    """The real index reads it, finds an action that it does not know, and keeps nothing.

    The control: with an action that it does know, the same form is understood as such.
    """
    answer = ask(index.url, "/", NO_UPLOAD_HEADERS, method="POST", body=NO_UPLOAD)
    assert (answer.status, "Unsupported &#039;:action&#039; field: authproxy_doctor" in answer.text) == (400, True)
    known = NO_UPLOAD.replace(b"authproxy_doctor", b"file_upload")
    assert "Missing &#039;content&#039;" in ask(index.url, "/", NO_UPLOAD_HEADERS, method="POST", body=known).text
    assert index.files() == {}


def test_targets_name_the_index() -> None:
    """devpi has many, pypiserver one without a name."""
    assert (PYPISERVER.upload.format(""), DEVPI.upload.format("team/dev")) == ("/", "/team/dev/")
    assert DEVPI.page.format("team/dev") == f"/team/dev/+simple/{UNKNOWN}/"
