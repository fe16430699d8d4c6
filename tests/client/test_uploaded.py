"""Which files a command uploads: each client's own defaults and options."""

import shlex
from pathlib import Path

import pytest

from authproxy.client.uploaded import project_of
from authproxy.client.uploaders import read_call

FILES = (
    "dist/acme_core-1.0-py3-none-any.whl",
    "dist/acme_core-1.0.tar.gz",
    "dist/acme_core-1.0.tar.gz.asc",
    "dist/acme_core-0.9.tar.gz",
    "dist/other-7.0.tar.gz",
    "dist/acme_core-1.0.egg",
    "dist/.gitignore",
    "dist/sub/acme_core-2.0.zip",
    "out/acme_core-1.0.tar.gz",
    "deep/er/nothing.txt",
)
WHEEL, SDIST, _, OLD, OTHER, EGG, _, ZIP, OUT, _ = FILES
ALL = (WHEEL, SDIST, OLD, OTHER, EGG)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "Acme.Core"\n')
    return tmp_path


@pytest.mark.parametrize(
    ("command", "here", "wanted"),
    [
        pytest.param("twine upload dist/acme_core-1.0*", "", (WHEEL, SDIST, EGG), id="twine, a pattern"),
        pytest.param("twine upload -r x --sign dist/*.whl", "", (WHEEL,), id="twine, with options"),
        pytest.param("python -m twine --no-color upload ../dist/*.whl", "deep", (WHEEL,), id="twine, from elsewhere"),
        pytest.param("uv publish", "", ALL, id="uv, of dist"),
        pytest.param("uv publish out/*", "", (OUT,), id="uv, files"),
        pytest.param("uv publish --index x --directory ..", "deep", ALL, id="uv, in another folder"),
        pytest.param("hatch publish", "deep/er", (WHEEL, SDIST, OLD, OTHER), id="hatch, of the project's dist"),
        pytest.param("hatch -v publish -n out", "", (OUT,), id="hatch, a folder"),
        pytest.param(f"hatch publish -r test {SDIST}", "", (SDIST,), id="hatch, a file"),
        pytest.param("pdm publish --no-build", "deep", (*ALL, "dist/.gitignore"), id="pdm, of the project's dist"),
        pytest.param("pdm publish --no-bu -d out", "", (OUT,), id="pdm, another folder"),
        pytest.param("pdm publish --no-build -p ..", "deep", (*ALL, "dist/.gitignore"), id="pdm, another project"),
        pytest.param("poetry publish", "deep/er", (WHEEL, SDIST), id="poetry, of the highest version"),
        pytest.param("poetry publish --dist-dir=out", "", (OUT,), id="poetry, another folder"),
        pytest.param("poetry -C .. publish -n", "deep", (WHEEL, SDIST), id="poetry, another project"),
        pytest.param("devpi upload dist/acme_core-1.0.tar.gz", "", (SDIST,), id="devpi, a file"),
        pytest.param("devpi upload --from-dir dist", "", (*ALL, ZIP), id="devpi, a folder and those within"),
        pytest.param("flit publish", "", None, id="flit builds"),
        pytest.param("pdm publish", "", None, id="pdm builds"),
        pytest.param("poetry publish --build", "", None, id="poetry is told to build"),
        pytest.param("devpi upload --wheel", "", None, id="devpi builds"),
    ],
)
def test_what_a_command_uploads(project: Path, command: str, here: str, wanted: tuple[str, ...] | None) -> None:
    """These files and no others; None where it builds them first."""
    call = read_call(tuple(shlex.split(command)))
    assert call is not None
    folder = call.uploader.folder(call.line, project / here)
    found = call.uploader.finds(call.line, folder)
    if wanted is None:
        assert found is None
    else:
        assert found is not None
        assert {path.resolve() for path in found} == {project / name for name in wanted}


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        pytest.param("pyproject.toml", '[project]\nname = "Acme.Core"\n', "acme-core", id="by PEP 621"),
        pytest.param("pyproject.toml", '[tool.poetry]\nname = "acme"\n', "acme", id="poetry's own"),
        pytest.param("pyproject.toml", '[tool.flit.metadata]\nmodule = "acme"\n', "acme", id="flit's module"),
        pytest.param(
            "pyproject.toml",
            '[tool.flit.metadata]\nmodule = "a"\ndist-name = "acme-core"\n',
            "acme-core",
            id="flit's own",
        ),
        pytest.param("setup.cfg", "[metadata]\nname = acme\n", "acme", id="setup.cfg"),
        pytest.param("setup.cfg", "[metadata", None, id="a setup.cfg that is none"),
        pytest.param("pyproject.toml", "[project]\ndynamic = ['name']\n", None, id="not written down"),
        pytest.param("pyproject.toml", "[project\n", None, id="no TOML"),
        pytest.param("pyproject.toml", "[project]\nname = 'a b'\n", None, id="no name"),
        pytest.param("README", "", None, id="no file"),
    ],
)
def test_the_name_of_a_project(tmp_path: Path, name: str, text: str, wanted: str | None) -> None:
    """Where the build backends have it from."""
    (tmp_path / name).write_text(text)
    assert project_of(tmp_path) == wanted


def test_a_project_whose_name_is_not_written_down_is_all_that_lies_in_dist(project: Path) -> None:
    """poetry knows it; we bind the highest version of whatever there is."""
    (project / "pyproject.toml").write_text("[tool.poetry]\n")
    call = read_call(("poetry", "publish"))
    assert call is not None
    found = call.uploader.finds(call.line, project)
    assert found is not None
    assert [path.name for path in found] == ["other-7.0.tar.gz"]
