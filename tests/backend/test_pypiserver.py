"""pypiserver's routes, and its project page as the real template writes it."""

import hashlib
import io
import time
import warnings
from contextlib import redirect_stderr

import pytest

from authproxy.backend.flavour import IndexFile, match
from authproxy.backend.pypiserver import INDEX, PYPISERVER, files, page, reading
from authproxy.domain.grants import Action
from authproxy.domain.names import ProjectName, artifact
from authproxy.domain.refusal import Code, Refused

with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
    warnings.simplefilter("ignore")  # pypiserver imports cgi, which Python 3.11 deprecates
    import pypiserver


@pytest.mark.parametrize(
    ("target", "project"),
    [
        pytest.param("/", None, id="the welcome page"),
        pytest.param("/simple", None, id="the list of projects, before its redirect"),
        pytest.param("/simple/", None, id="the list of projects"),
        pytest.param("/packages", None, id="the list of files, before its redirect"),
        pytest.param("/packages/", None, id="the list of files"),
        pytest.param("/simple/foo", "foo", id="a project, before its redirect"),
        pytest.param("/simple/Foo.Bar_baz/", "foo-bar-baz", id="a project in a spelling of its own"),
        pytest.param("/simple/json/", "json", id="a project called json"),
        pytest.param("/simple/json", "json", id="the same, which its router takes for a project too"),
        pytest.param("/foo/json", "foo", id="a project's JSON"),
        pytest.param("/foo", "foo", id="a project at the root, which it redirects"),
        pytest.param("/Foo/", "foo", id="the same with a slash"),
        pytest.param("/packages/foo-1.0.tar.gz", "foo", id="an sdist"),
        pytest.param("/packages/foo-1.0-py3-none-any.whl", "foo", id="a wheel"),
        pytest.param("/packages/foo-1.0-3-py3-none-any.whl", "foo", id="a wheel with a build"),
        pytest.param("/packages/foo-1.0+local-py3-none-any.whl", "foo", id="a plus"),
        pytest.param("/packages/foo-1.0%2Blocal-py3-none-any.whl", "foo", id="an escaped plus"),
        pytest.param("/packages/foo-1.0%2blocal-py3-none-any.whl", "foo", id="an escaped plus in lower case"),
        pytest.param("/packages/foo-1%212.0.tar.gz", "foo", id="an escaped epoch"),
        pytest.param("/packages/team/old/foo-1.0.zip", "foo", id="a file in a folder"),
        pytest.param("/packages/foo-1.0-py3.8.egg", "foo", id="an egg from before our time"),
        pytest.param("/packages/foo-1.0.tar.gz.asc", "foo", id="a signature"),
        pytest.param("/packages/foo-bar-2x-1.0.tar.gz", None, id="a file of two readings"),
        pytest.param("/packages/notes.txt", None, id="a file that is no package"),
        pytest.param("/packages/_.zip", None, id="a package without a name"),
    ],
)
def test_reads_are_passed_on(target, project):
    """Every page and file that pypiserver serves to pip and uv, by GET and HEAD, under the project it belongs to."""
    for method in ("GET", "HEAD"):
        asked = match(PYPISERVER, method, target)
        assert (asked.action, asked.index, asked.project, asked.target) == (Action.READ, "pypiserver", project, target)


def test_a_search_is_a_read():
    """pip's search posts to /RPC2 and changes nothing."""
    assert match(PYPISERVER, "POST", "/RPC2").project is None


@pytest.mark.parametrize(
    ("method", "target"),
    [
        pytest.param("POST", "/", id="an upload is no read"),
        pytest.param("POST", "/simple/", id="a form where none is taken"),
        pytest.param("PUT", "/packages/foo-1.0.tar.gz", id="a file put"),
        pytest.param("DELETE", "/simple/foo/", id="a project deleted"),
        pytest.param("GET", "/packages/.hidden/foo-1.0.tar.gz", id="a hidden folder"),
        pytest.param("GET", "/packages/.foo-1.0.tar.gz", id="a hidden file"),
        pytest.param("GET", "/packages/a%2B/foo-1.0.tar.gz", id="an escape in a folder"),
        pytest.param("GET", "/simple/foo/bar/", id="a level too many"),
        pytest.param("GET", "/simple/-/", id="a project that is none"),
        pytest.param("GET", "/foo/json/", id="a slash too many"),
        pytest.param("GET", "/%2Bsimple/foo/", id="what hatch asks devpi"),
        pytest.param("GET", "/-/healthz", id="a path of our own"),
    ],
)
def test_everything_else_is_not(method, target):
    """What is not in the table never reaches the index."""
    with pytest.raises(Refused) as caught:
        match(PYPISERVER, method, target)
    assert caught.value.denial.code is Code.NO_ROUTE


def test_uploads_go_to_one_exact_target():
    """pypiserver has one index, and some servers would take `//` or `/%2f` for it."""
    assert dict(PYPISERVER.uploads) == {"/": "pypiserver"}


@pytest.mark.parametrize(
    ("filename", "read"),
    [
        pytest.param("foo-1.0-3-py3-none-any.whl", ("foo", "1.0"), id="a build is no part of the version"),
        pytest.param("foo-bar-2x-1.0.tar.gz", ("foo-bar", "2x-1.0"), id="a number with a letter begins the version"),
        pytest.param("victim-1.0-2.tar.gz", ("victim", "1.0-2"), id="the first number with a dot does"),
        pytest.param("Foo.Bar-1.0.egg", ("foo-bar", "1.0"), id="an egg is a package"),
        pytest.param("foo.zip", ("foo", ""), id="a version may lack"),
        pytest.param("-1.0.zip", None, id="a name may not"),
        pytest.param("foo-1.0.rpm", None, id="another ending"),
        pytest.param("foo-1.whl", None, id="a wheel without tags"),
        pytest.param("\N{KELVIN SIGN}-1.0.zip", None, id="what is not ASCII is nobody's"),
        pytest.param("a" * 260 + "-1.0.zip", None, id="nor what no file system holds"),
    ],
)
def test_its_reading_of_a_filename(filename, read):
    """The cases of its reading; that it is the real one is tested in test_pypiserver_against_real."""
    assert reading(filename) == read


@pytest.mark.parametrize("algorithm", ["md5", "sha256", None])
def test_the_real_page_is_read(algorithm, tmp_path):
    """What the real application answers for a project: every file of ours with its path and digest, and nothing else."""
    names = ["foo-1.0.tar.gz", "foo-1.0+a.1-py3-none-any.whl", "foo-1!2.0-3-py3-none-any.whl", "team/foo-1.1.zip"]
    ignored = ["foo-0.9-py3.8.egg", "foo-1.0.tar.gz.asc", "foo-0.8 (copy).zip"]
    for name in [*names, *ignored]:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    app = pypiserver.app(roots=[tmp_path], hash_algo=algorithm, authenticate=[], password_file=".")
    status: list[str] = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": page(INDEX, ProjectName("foo")),
        "wsgi.url_scheme": "http",
        "HTTP_HOST": "a",
    }
    content = b"".join(app(environ, lambda line, _headers: status.append(line)))
    assert status == ["200 OK"]
    digests = {
        name: (algorithm, hashlib.new(algorithm, name.encode()).hexdigest()) if algorithm else None for name in names
    }
    assert set(files(content)) == {
        IndexFile(artifact(n.rpartition("/")[2]), f"/packages/{n}", digests[n]) for n in names
    }
    for file in files(content):
        assert match(PYPISERVER, "GET", file.path).project == "foo"


@pytest.mark.parametrize(
    ("href", "found"),
    [
        pytest.param("../../packages/foo-1.0.zip", "/packages/foo-1.0.zip", id="relative, as the template writes it"),
        pytest.param("/packages/foo-1.0.zip", "/packages/foo-1.0.zip", id="absolute, as it leaves the server"),
        pytest.param("/packages/foo-1.0%2Ba.zip", "/packages/foo-1.0+a.zip", id="escaped for a URL"),
        pytest.param("/packages/foo-1.0&#43;a.zip", "/packages/foo-1.0+a.zip", id="escaped for HTML"),
        pytest.param("http://evil/packages/foo-1.0.zip", None, id="another host"),
        pytest.param("//evil/packages/foo-1.0.zip", None, id="another host, without a scheme"),
        pytest.param("/packages/../simple/foo-1.0.zip", None, id="a way out"),
        pytest.param("/packages/%2e%2e/foo-1.0.zip", None, id="an escaped way out"),
        pytest.param("/packages/%2Fevil/foo-1.0.zip", None, id="an escaped slash"),
        pytest.param("/packages//foo-1.0.zip", None, id="an empty segment"),
        pytest.param("../../../packages/foo-1.0.zip", None, id="a climb too high"),
        pytest.param("foo-1.0.zip", None, id="beside the page"),
        pytest.param("/other/foo-1.0.zip", None, id="outside /packages/"),
        pytest.param("/packages/foo-1.0.zip?x=1", None, id="a query"),
        pytest.param("/packages/", None, id="a folder"),
        pytest.param("/packages/notes.txt", None, id="no artifact"),
        pytest.param("javascript:alert(1)", None, id="a script"),
    ],
)
def test_a_link_stays_inside_packages(href, found):
    """What a page says is followed only to a file of that index."""
    paths = [
        file.path
        for file in files(f'<p><A class="x" HREF="{href}">foo</A><a>b</a><b href="/packages/b-1.zip">'.encode())
    ]
    assert paths == ([found] if found else [])


@pytest.mark.parametrize(
    ("fragment", "digest"),
    [
        pytest.param("sha256=" + "A1" * 32, ("sha256", "a1" * 32), id="a sha256 in upper case"),
        pytest.param("md5=" + "0" * 32, ("md5", "0" * 32), id="an md5"),
        pytest.param("sha256=" + "a1" * 31, None, id="too short"),
        pytest.param("sha256=xyz", None, id="no hex"),
        pytest.param("crc=00", None, id="an algorithm that is none"),
        pytest.param("sha256", None, id="no digest"),
    ],
)
def test_a_digest_is_whole_or_none(fragment, digest):
    """Half a digest would be compared with a whole one and found different."""
    assert [file.digest for file in files(f'<a href="/packages/foo-1.0.zip#{fragment}">'.encode())] == [digest]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff\xfe<a href='/packages/\xff-1.0.zip'>", id="bytes that are no UTF-8"),
        pytest.param(b"<a href='/packages/foo-1.0.zip", id="a tag that does not end"),
        pytest.param(b"<!-- <a href='/packages/foo-1.0.zip'> -->", id="a comment"),
        pytest.param(b"<![x[<![CDATA[<a", id="a broken declaration"),
    ],
)
def test_a_broken_page_has_no_files(content):
    """A page that is none neither fails nor names files."""
    assert files(content) == ()


def test_a_hostile_filename_is_read_in_no_time():
    """The patterns have nested repeats; no name that they are tried on makes them try for long."""
    began = time.process_time()
    for part in ("-1", "-", "1-", "-1-a", "a-1.", "-py3.8-", ".-", "-a"):
        for ending in (".whl", ".tar.gz", ".zip.asc", "-1.zip", "-py3.8.egg", "!"):
            reading((part * 130)[: 250 - len(ending)] + ending)
            reading("a" + (part * 130)[: 250 - len(ending)] + ending)
    assert time.process_time() - began < 2
