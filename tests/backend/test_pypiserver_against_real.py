"""Whatever we accept, the real pypiserver files under the project that was authorised (law 4).

The real code runs in this process: its reading of a filename, its listing of a folder, its router, and pip's own reading
of a link on a page. Each check is also turned on a naive proxy that trusts the packaging standards alone, and must
catch it.
"""

import io
import re
import tempfile
import warnings
from contextlib import redirect_stderr
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from authproxy.backend.flavour import agree, match
from authproxy.backend.pypiserver import PYPISERVER, guess, reading
from authproxy.domain.names import artifact
from authproxy.domain.refusal import Refused
from tests.backend.filenames import AGREED, CUT_SHORT, HOSTILE, KELVIN, hostile_names

with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
    warnings.simplefilter("ignore")  # pypiserver imports cgi, which Python 3.11 deprecates
    from pip._internal.index.package_finder import _extract_version_from_fragment
    from pypiserver import _app
    from pypiserver.backend import SimpleFileBackend
    from pypiserver.pkg_helpers import guess_pkgname_and_version, normalize_pkgname


def filed(filename: str) -> tuple[str, str] | None:
    """Project and version as the real index sees them."""
    real = guess_pkgname_and_version(filename)
    return None if real is None else (normalize_pkgname(real[0]), real[1])


def accepted(filename: str) -> tuple[str, str] | None:
    """Project and version as the proxy authorises them, or None where it refuses."""
    try:
        file = artifact(filename)
        agree(PYPISERVER, file, "", "")
    except Refused:
        return None
    return file.project, file.version


def naively_accepted(filename: str) -> tuple[str, str] | None:
    """The control: a proxy that asks the packaging standards alone."""
    parse = parse_wheel_filename if filename.endswith(".whl") else parse_sdist_filename
    try:
        project, version = parse(filename)[:2]
    except ValueError:
        return None
    return project, str(version)


def escapes(filename: str, authorised: tuple[str, str] | None) -> bool:
    """Whether an authorised upload lands under another project or version, for the index or for pip."""
    if authorised is None:
        return False
    real = filed(filename)
    if real is None or real[0] != authorised[0]:
        return True
    wheel = filename.endswith(".whl")
    seen = [real[1].partition("-")[0] if wheel else real[1]]
    if not wheel:
        stem = filename.removesuffix(".zip").removesuffix(".tar.gz")
        seen.append(_extract_version_from_fragment(stem, canonicalize_name(authorised[0])) or "")
    try:
        return any(Version(version) != Version(authorised[1]) for version in seen)
    except InvalidVersion:
        return True


@given(hostile_names)
def test_no_accepted_filename_lands_elsewhere(filename):
    """The index files what we accept under the same project, as an equal version, and so does pip on that page."""
    assert not escapes(filename, accepted(filename))


@pytest.mark.parametrize("filename", HOSTILE)
def test_no_hostile_filename_lands_elsewhere(filename):
    """The known ways out are closed."""
    assert accepted(filename) is None


@pytest.mark.parametrize(
    "filename",
    ["foo-bar-2x-1.0.tar.gz", "victim-1.0-2.tar.gz", "victim-py3.8-x-1.0.tar.gz", "victim-1a-x-1.0.tar.gz", "foo-bar-v1.0.tar.gz"],
)  # fmt: skip
def test_the_check_catches_a_naive_proxy(filename):
    """The control: the same check fails a proxy that reads filenames by the standards alone."""
    assert escapes(filename, naively_accepted(filename))
    assert accepted(filename) is None


def test_generated_names_catch_a_naive_proxy():
    """The control of the generator: among what it makes are names by which a naive proxy loses a project."""
    found: list[str] = []

    @settings(max_examples=2_000, derandomize=True)  # the same names in every run: one in some hundred is found
    @given(hostile_names)
    def search(filename: str) -> None:
        if escapes(filename, naively_accepted(filename)):
            found.append(filename)

    search()
    assert found != []


@pytest.mark.parametrize(("filename", "project", "version"), AGREED, ids=[row[0] for row in AGREED])
def test_honest_names_pass(filename, project, version):
    """Local versions, epochs, pre-, post- and dev-releases and builds pass wherever all readings agree."""
    assert accepted(filename) == (None if project is None else (project, version))


@given(hostile_names)
def test_our_reading_is_the_real_one(filename):
    """On everything that can be uploaded or served, our `guess` says what the real one says, but for a wheel's build."""
    ours, real = guess(filename), guess_pkgname_and_version(filename)
    if re.fullmatch(r"[A-Za-z0-9_+!-][A-Za-z0-9._+!-]*", filename) is None:
        assert ours is None
        return
    if real is not None and filename.removesuffix(".asc").endswith(".whl"):
        assert ours is not None
        assert (real[0], real[1] == ours[1] or real[1].startswith(f"{ours[1]}-")) == (ours[0], True)
        return
    assert ours == real


@pytest.mark.parametrize(
    "filename", [*HOSTILE, *(row[0] for row in AGREED), *CUT_SHORT, "a-1.0-2-py3-none-any.whl", "x-1.0.tar.gz.ascc.asc"]
)
def test_our_reading_is_the_real_one_on_known_names(filename):
    """The normal form of the project is the index's own, too."""
    ours, real = reading(filename), filed(filename)
    if ours is not None:
        assert real is not None
        assert ours == (real[0], real[1].partition("-")[0] if ".whl" in filename else real[1])
    else:
        assert real is None or not filename.isascii() or filename != filename.strip()


class Roots:
    """What `SimpleFileBackend` wants to know of a configuration."""

    hash_algo = None

    def __init__(self, folder: Path) -> None:
        self.roots = [folder]


@given(st.lists(hostile_names, min_size=1, max_size=12))
def test_accepted_files_are_listed_under_their_project(filenames):
    """The real listing of a folder of accepted files shows each one under the project that was authorised, and no other."""
    taken = {filename: read[0] for filename in filenames if (read := accepted(filename)) is not None}
    with tempfile.TemporaryDirectory() as name:
        for filename in taken:
            (Path(name) / filename).touch()
        backend = SimpleFileBackend(Roots(Path(name)))
        assert backend.get_projects() == set(taken.values())
        listed = {
            Path(file.fn).name: project
            for project in set(taken.values())
            for file in backend.find_project_packages(project)
        }
        assert listed == taken


@pytest.mark.parametrize(
    "spelling",
    [
        pytest.param("Key-1.0.tar.gz", id="case of the name"),
        pytest.param(f"{KELVIN}ey-1.0.tar.gz", id="a Kelvin sign in the name"),
        pytest.param("key-1.0.0.tar.gz", id="a zero more in the version"),
        pytest.param("key-1.0.zip", id="another archive"),
        pytest.param("key-1.0.TAR.GZ", id="an ending in upper case"),
        pytest.param("key-1.0.tgz", id="a short ending"),
        pytest.param("key-1.0-py3.8.egg", id="an egg"),
    ],
)
def test_no_second_spelling_lands_beside_a_file(spelling, tmp_path):
    """The index's no-overwrite compares strings (the control: it would take every one of these); identities do not."""
    (tmp_path / "key-1.0.tar.gz").touch()
    backend = SimpleFileBackend(Roots(tmp_path))
    assert not backend.exists(spelling)
    (tmp_path / spelling).touch()
    beside = [(normalize_pkgname(file.pkgname), Version(file.version)) for file in backend.find_project_packages("key")]
    assert beside == [("key", Version("1.0"))] * 2
    assert accepted(spelling) is None or artifact(spelling).identity == artifact("key-1.0.tar.gz").identity


targets = st.lists(
    st.sampled_from(["simple", "packages", "foo", "Foo.Bar", "json", "RPC2", "favicon.ico", "foo-1.0.tar.gz", "a", "..", "%2e", "foo%2B"]),
    max_size=4,
).flatmap(lambda parts: st.sampled_from(["/" + "/".join(parts), "/" + "/".join(parts) + "/"]))  # fmt: skip


@given(targets, st.sampled_from(["GET", "HEAD", "POST"]))
def test_the_route_table_agrees_with_the_real_router(target, method):
    """What our table passes on as a question about a project, the real router takes for one about the same project."""
    try:
        asked = match(PYPISERVER, method, target)
    except Refused:
        return
    environ = {"REQUEST_METHOD": method, "PATH_INFO": target.replace("%2B", "+")}
    route, arguments = _app.app.router.match(environ)
    if "project" in arguments and route.rule != "/:project":
        assert asked.project == canonicalize_name(arguments["project"])
    if "filename" in arguments:
        real = filed(arguments["filename"])
        assert asked.project in {None, real and real[0]}
    if not arguments:
        assert asked.project is None or target == "/favicon.ico"
