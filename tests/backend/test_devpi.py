"""The table of devpi: which targets pass, whose they are, where an upload lands, what a listing says."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.backend.devpi import devpi, files, filing, page, reading
from authproxy.backend.flavour import Asked, IndexFile, agree, match
from authproxy.domain.grants import Action
from authproxy.domain.names import ProjectName, artifact
from authproxy.domain.refusal import Code, Refused

DEVPI = devpi(("team/dev", "team/prod"))
ACME = ProjectName("acme-core")
WHEEL = "acme_core-1.0-py3-none-any.whl"
FOLDER = "24d/958b7edb4ffef"


def refused(call, *arguments) -> Code:
    with pytest.raises(Refused) as caught:
        call(*arguments)
    assert len(caught.value.denial.reason) <= 400
    return caught.value.denial.code


PASSED = [
    ("/+api", "*", None),
    ("/team/+api", "*", None),
    ("/team/dev/+api", "team/dev", None),
    ("/", "*", None),
    ("/team", "*", None),
    ("/team/", "*", None),
    ("/team/dev", "team/dev", None),
    ("/team/dev/", "team/dev", None),
    ("/team/dev?no_projects=", "team/dev", None),
    ("/team/dev/+simple", "team/dev", None),
    ("/team/dev/+simple/", "team/dev", None),
    ("/team/dev/+simple/acme-core", "team/dev", ACME),
    ("/team/dev/+simple/Acme.Core/", "team/dev", ACME),
    ("/team/dev/acme-core", "team/dev", ACME),
    ("/team/dev/acme_core/", "team/dev", ACME),
    ("/team/dev/acme-core?ignore_bases=", "team/dev", ACME),
    ("/team/dev/acme-core/?ignore_bases=", "team/dev", ACME),
    ("/team/dev/acme-core/1.0", "team/dev", ACME),
    ("/team/dev/acme-core/1.0+a.1/", "team/dev", ACME),
    ("/team/dev/acme-core/1%212.0", "team/dev", ACME),
    (f"/team/dev/+f/{FOLDER}/{WHEEL}", "team/dev", ACME),
    (f"/team/dev/%2Bf/{FOLDER}/{WHEEL}", "team/dev", ACME),
    (f"/team/dev/+f/{FOLDER}/{WHEEL}.metadata", "team/dev", ACME),
    (f"/team/dev/+f/{FOLDER}/acme_core-1.0%2Ba.1.tar.gz", "team/dev", ACME),
    (f"/team/dev/+f/{FOLDER}/acme-core-1.0.doc.zip", "team/dev", ACME),
    (f"/team/dev/+f/{FOLDER}/{WHEEL}.toxresult-20260101-0", "team/dev", None),
    ("/other/mirror/+e/https_pypi.acme.test_acme-core/acme-core-1.0.tar.gz", "other/mirror", ACME),
    ("/other/mirror/+simple/acme-core/", "other/mirror", ACME),
]


@pytest.mark.parametrize(("target", "index", "project"), PASSED, ids=[row[0] for row in PASSED])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_is_passed_on(method, target, index, project):
    """Each read names its index and, where it concerns one, its project; the target goes on as it came."""
    asked = match(DEVPI, method, target)
    assert (asked.action, asked.index, asked.project, asked.target) == (Action.READ, index, project, target)


def test_whose_credentials_may_go_along():
    """Ours only into the indexes of the config, and never to what tells a reader whose they are."""
    lent = {target for target, _, _ in PASSED if match(DEVPI, "GET", target).lends}
    assert lent == {target for target, index, _ in PASSED if index == "team/dev" and not target.endswith("+api")}
    assert {target for target, _, _ in PASSED if match(DEVPI, "GET", target).spare} == {"/", "/team", "/team/"}


NO_ROUTE = [
    ("POST", "/+login"),
    ("GET", "/+login"),
    ("GET", "/+status"),
    ("GET", "/+authcheck"),
    ("GET", "/+changelog/0"),
    ("GET", "/+changelog/0-"),
    ("POST", "/team/dev/+simple/acme-core/refresh"),
    ("GET", "/team/dev/+simple/acme-core/refresh"),
    ("POST", f"/team/dev/+f/{FOLDER}/{WHEEL}"),
    ("DELETE", f"/team/dev/+f/{FOLDER}/{WHEEL}"),
    ("DELETE", "/team/dev/acme-core/1.0"),
    ("DELETE", "/team/dev/acme-core"),
    ("DELETE", "/team/dev"),
    ("DELETE", "/team"),
    ("PUT", "/team"),
    ("PUT", "/team/dev"),
    ("PATCH", "/team/dev"),
    ("PATCH", "/team"),
    ("PUSH", "/team/dev"),
    ("POST", "/team/dev/"),
    ("POST", "/"),
    ("POST", "/team"),
    ("OPTIONS", "/team/dev/"),
    ("GET", "/team/dev/%2Bsimple/acme-core/"),
    ("GET", "/team/dev/+f/24D/958B7EDB4FFEF/" + WHEEL),
    ("GET", f"/team/dev/+f/{FOLDER}"),
    ("GET", f"/team/dev/+f/{FOLDER}/"),
    ("GET", f"/team/dev/+f/{FOLDER}/a/{WHEEL}"),
    ("GET", f"/team/dev/+f/{WHEEL}"),
    ("GET", "/team/dev/+doc/acme-core/1.0/"),
    ("GET", "/team/dev/acme-core/1.0/+d/index.html"),
    ("GET", "/+static/style.css"),
    ("GET", "/+search"),
]


@pytest.mark.parametrize(("method", "target"), NO_ROUTE, ids=[" ".join(row) for row in NO_ROUTE])
def test_what_is_not_passed_on(method, target):
    """Whatever else devpi has, the proxy has not."""
    assert refused(match, DEVPI, method, target) is Code.NO_ROUTE


QUERIES = ["?", "?no_projects", "?no_projects=1", "?no_projects=&force", "?ignore_bases=", "?force", "?no_projects=#"]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_is_allowed_where_devpi_client_asks_it_and_nowhere_else(query):
    """Exactly as it writes it: another spelling is another question."""
    assert refused(match, DEVPI, "GET", f"/team/dev{query}") is Code.REQUEST_INVALID
    other = query if query != "?ignore_bases=" else "?no_projects="
    assert refused(match, DEVPI, "GET", f"/team/dev/acme-core{other}") is Code.REQUEST_INVALID
    assert refused(match, DEVPI, "GET", f"/team/dev/+simple/{query}") is Code.REQUEST_INVALID


def test_uploads_go_to_the_indexes_of_the_config_and_nowhere_else():
    """With and without the final slash, which is where clients differ; they are sent on with it."""
    assert dict(DEVPI.uploads) == {
        "/team/dev": "team/dev",
        "/team/dev/": "team/dev",
        "/team/prod": "team/prod",
        "/team/prod/": "team/prod",
    }
    assert {DEVPI.target(index) for index in DEVPI.indexes} == {"/team/dev/", "/team/prod/"}


@pytest.mark.parametrize(
    ("name", "version", "filename", "filed"),
    [
        pytest.param("acme-core", "1.0", WHEEL, ("acme-core", "1.0"), id="the usual"),
        pytest.param("Acme.Core", "1.0", WHEEL, ("acme-core", "1.0"), id="a name in another spelling"),
        pytest.param("acme", "1.0", WHEEL, ("acme", "1.0"), id="a name that the filename only begins with"),
        pytest.param("acme-core", "0", WHEEL, ("acme-core", "0"), id="a version that stands somewhere in it"),
        pytest.param("acme-core", "1.0.0", WHEEL, None, id="a version that does not"),
        pytest.param("core", "1.0", WHEEL, None, id="a name that it does not begin with"),
        pytest.param("acme-core", "1.0+a-b", "acme_core-1.0_a_b-py3-none-any.whl", ("acme-core", "1.0+a-b"), id="escaped"),
        pytest.param("acme-core", "1.0", "acme_core-1.0.txt", None, id="no archive"),
        pytest.param("acme-core", "1.0", "acme_core-1.0.zip1", None, id="no archive, but for its end"),
        pytest.param("-acme", "1.0", "-acme-1.0.tar.gz", None, id="a name that is none"),
    ],
)  # fmt: skip
def test_where_an_upload_lands(name, version, filename, filed):
    """By the form's name and version, as long as the filename puts up with them."""
    assert filing(name, version, filename) == filed


@pytest.mark.parametrize(
    ("name", "version", "filename"),
    [
        pytest.param("acme", "1.0", WHEEL, id="another project"),
        pytest.param("acme-core", "0", WHEEL, id="another version"),
        pytest.param("acme-core", "1.0", "acme_core-1.0.0-py3-none-any.whl", id="an equal version, another release"),
        pytest.param("acme-core", "1.0.0", WHEEL, id="a version that devpi does not find in the filename"),
        pytest.param("acme-core", "1.0", "acme_core-11.0-py3-none-any.whl", id="a version inside another"),
    ],
)
def test_a_form_that_devpi_would_file_elsewhere_is_refused(name, version, filename):
    """The filename says whose it is, and devpi must put it there."""
    assert refused(agree, DEVPI, artifact(filename), name, version) is Code.MISMATCH


@pytest.mark.parametrize(
    ("name", "version", "filename"),
    [
        ("acme-core", "1.0", WHEEL),
        ("Acme_Core", "1.0", "acme-core-1.0.tar.gz"),
        ("acme-core", "1.0a1", "acme_core-1.0a1.zip"),
        ("acme-core", "1.0+local.1", "acme_core-1.0+local.1.tar.gz"),
        ("acme-core", "1!2.0", "acme_core-1!2.0-py3-none-any.whl"),
        ("acme-py3", "1.0", "acme-py3-1.0.tar.gz"),
    ],
)
def test_an_honest_form_agrees(name, version, filename):
    """What clients send, in the spellings that they have."""
    agree(DEVPI, artifact(filename), name, version)


@pytest.mark.parametrize(
    ("filename", "read"),
    [
        (WHEEL, ("acme-core", "1.0")),
        ("acme-core-1.0.tar.gz", ("acme-core", "1.0")),
        ("acme-core-1.0-1-py3-none-any.whl", ("acme", "core")),
        ("acme-core-1.0.doc.zip", ("acme-core", "1.0")),
        ("acme-py3-1.0.tar.gz", ("acme", "")),
        ("acme-1.0.txt", None),
        ("acme", None),
        ("../acme-1.0.zip", None),
        ("-acme-1.0.zip", None),
        ("_-1.0.zip", None),
        ("acme-1.0.zip\n", None),
        ("a" * 300 + "-1.0.zip", None),
    ],
)
def test_what_devpi_reads_off_a_filename(filename, read):
    """For mirrors and for what came without us; a test against the real one holds it whole."""
    assert reading(filename) == read


def listing(**releases: object) -> bytes:
    return json.dumps({"type": "projectconfig", "result": releases}).encode()


def link(href: str, **more: object) -> dict[str, object]:
    return {"rel": "releasefile", "href": href, "hashes": {"sha256": "a" * 64}, **more}


def test_the_files_of_a_project():
    """Every release's, with path and digest; the host is the one that we tell devpi, and not looked at."""
    assert page("team/dev", ACME) == "/team/dev/acme-core?ignore_bases="
    content = listing(
        **{
            "1.0": {"+links": [link(f"https://pypi.acme.test/team/dev/+f/{FOLDER}/{WHEEL}", hash_spec="x")]},
            "1.1": {
                "+links": [
                    link(f"/team/dev/+f/{FOLDER}/acme_core-1.1.tar.gz", hashes={"md5": "a" * 32}),
                    link(f"/team/dev/+f/{FOLDER}/acme_core-1.1.zip", hashes={"sha256": "A" * 64}),
                    link(f"/team/dev/+f/{FOLDER}/{WHEEL}.toxresult", rel="toxresult"),
                    link(f"/team/dev/+f/{FOLDER}/acme_core-1.1.doc.zip"),
                    link(f"/team/dev/+f/{FOLDER}/acme_core-1.1.egg"),
                    link("https://elsewhere.test/acme_core-1.1.zip"),
                ]
            },
            "1.2": {"name": "acme-core"},
        }
    )
    assert files(content) == (
        IndexFile(artifact(WHEEL), f"/team/dev/+f/{FOLDER}/{WHEEL}", ("sha256", "a" * 64)),
        IndexFile(artifact("acme_core-1.1.tar.gz"), f"/team/dev/+f/{FOLDER}/acme_core-1.1.tar.gz", None),
        IndexFile(artifact("acme_core-1.1.zip"), f"/team/dev/+f/{FOLDER}/acme_core-1.1.zip", None),
    )
    for file in files(content) or ():
        assert match(DEVPI, "GET", file.path) == Asked(Action.READ, "team/dev", ACME, file.path)


def test_a_project_without_releases_is_none_of_this_index():
    """That is how devpi lists one that only a base has; one with a release and no file is there."""
    assert files(listing()) is None
    assert files(listing(**{"1.0": {"name": "acme-core"}})) == ()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html></html>",
        b"\xff",
        b"[]",
        b"{}",
        b"5",
        b'{"result": []}',
        b'{"result": {"1.0": []}}',
        b'{"result": {"1.0": {"+links": 5}}}',
        b'{"result": {"1.0": {"+links": ["a"]}}}',
        b'{"result": {"1.0": {"+links": [{"rel": "releasefile"}]}}}',
        b'{"result": {"1.0": {"+links": [{"rel": "releasefile", "href": 5}]}}}',
        b'{"result": {"1.0": {"+links": [{"rel": "releasefile", "href": "http://[::1"}]}}}',
        b'{"result":' * 50_000,
    ],
)
def test_what_is_no_listing_is_no_empty_listing(content):
    """To take a fault for "no such project" would let a key create it, or overwrite a file."""
    assert refused(files, content) is Code.INDEX_UNREACHABLE


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_answer_is_a_listing_or_refused(content):
    """Nothing but a refusal gets out."""
    with suppress(Refused):
        assert files(content) in (None, ())


@given(st.text(alphabet="/teamdvpro+fsi%2BbE.?=#;\\ \x7f\N{KELVIN SIGN}", max_size=30))
def test_any_target_has_one_index_or_is_refused(target):
    """Whatever passes begins with the index that it was judged by, or concerns several."""
    try:
        asked = match(DEVPI, "GET", target)
    except Refused:
        return
    path = asked.target.partition("?")[0]
    assert asked.index == "*" or path == f"/{asked.index}" or path.startswith(f"/{asked.index}/")
