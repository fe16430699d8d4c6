"""The house rules that a machine can hold: a test for every module, small files, honest names, imports that go down."""

import ast
import asyncio
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from authproxy.domain.refusal import Code

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "authproxy"
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if "versions" not in p.parts)
TESTS = sorted((ROOT / "tests").rglob("*.py"))
LONGEST_FILE = 300  # lines
LONGEST_FUNCTION = 40  # lines, without its docstring

# A name that fits everything says nothing.
EMPTY_WORDS = {"manager", "helper", "helpers", "util", "utils", "data", "info", "process"}

UNTESTED = {
    "__init__.py": "the version, which tests of the command line ask for",
    "__main__.py": "two lines; every end-to-end test starts the program through them",
    "store/migrations/env.py": "Alembic's entry; every test that opens a store has gone through it",
}


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def is_empty(path: Path) -> bool:
    """Whether a module has nothing but a docstring and imports."""
    return all(
        isinstance(node, ast.Import | ast.ImportFrom | ast.Expr) or ast.unparse(node).startswith("__all__")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
    )


def mirror_of(module: Path) -> Path:
    """Where the tests of a module stand: tests/a/test_b.py for authproxy/a/b.py, tests/a/test_a.py for a/__init__.py."""
    inside = module.relative_to(PACKAGE)
    name = inside.parent.name if inside.name == "__init__.py" else inside.stem
    return ROOT / "tests" / inside.parent / f"test_{name}.py"


@pytest.mark.parametrize("module", [m for m in MODULES if not is_empty(m)], ids=shown)
def test_every_module_has_its_test_file(module: Path) -> None:
    """One test file for each module, in the mirrored place, or a reason why not."""
    if module.relative_to(PACKAGE).as_posix() not in UNTESTED:
        assert mirror_of(module).is_file()


@pytest.mark.parametrize("module", UNTESTED)
def test_what_is_excused_is_there(module: str) -> None:
    """An excuse ends with the module that it was for."""
    assert (PACKAGE / module).is_file()


@pytest.mark.parametrize("path", [*MODULES, *TESTS], ids=shown)
def test_no_file_is_long(path: Path) -> None:
    """A file that outgrows 300 lines is two rooms."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


def definitions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node


def words(name: str) -> set[str]:
    """The words of a name: `KeyManager` and `key_manager` have the same two."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


@pytest.mark.parametrize("module", MODULES, ids=shown)
def test_names_say_something(module: Path) -> None:
    """No module, class or function is called manager, helper, utils, data, info or process, where the name is ours."""
    given = {*dir(HTMLParser), *dir(asyncio.Protocol)}  # a subclass answers to the names of its base
    names = [module.stem, module.parent.name, *(node.name for node in definitions(module) if node.name not in given)]
    assert [name for name in names if words(name) & EMPTY_WORDS] == []


@pytest.mark.parametrize("module", MODULES, ids=shown)
def test_no_function_is_long(module: Path) -> None:
    """A function of more than 40 lines has a noun hidden in it."""
    long = []
    for node in definitions(module):
        if isinstance(node, ast.ClassDef):
            continue
        body = node.body[1:] if ast.get_docstring(node) else node.body
        if body and (node.end_lineno or 0) - body[0].lineno + 1 > LONGEST_FUNCTION:
            long.append(node.name)
    assert long == []


@pytest.mark.parametrize("path", [p for p in TESTS if p.name.startswith("test_")], ids=shown)
def test_every_test_says_what_it_proves(path: Path) -> None:
    """The docstring of a test is the sentence that its failure contradicts."""
    tests = [node for node in definitions(path) if node.name.startswith("test_")]
    assert [node.name for node in tests if not ast.get_docstring(node)] == []


def test_imports_go_down_only() -> None:
    """The contract in pyproject.toml holds: the ladder, and no I/O in the domain."""
    program = Path(sys.executable).parent / "lint-imports"
    ran = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("code", list(Code))
def test_every_code_of_refusal_is_used(code: Code) -> None:
    """A code that nobody answers with would be a promise in the documentation and no more."""
    elsewhere = [m for m in MODULES if shown(m) not in {"authproxy/domain/refusal.py", "authproxy/web/errors.py"}]
    assert any(f"Code.{code.name}" in m.read_text(encoding="utf-8") for m in elsewhere)


# Imported by name, and brought along by what is declared: aiohttp's, pydantic's and devpi-server's own types.
BROUGHT_ALONG = {"multidict", "yarl", "pydantic_core", "devpi_common", "pyramid"}
OWNERS = packages_distributions()


def imported(path: Path) -> set[str]:
    """The top-level modules that a file imports from outside of the standard library and the project."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {"authproxy", "tests"}


def declared(*extras: str) -> set[str]:
    """The distributions that pyproject.toml asks for, by their normalised names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = project["dependencies"] + [line for extra in extras for line in project["optional-dependencies"][extra]]
    return {canonicalize_name(Requirement(line).name) for line in lines}


@pytest.mark.parametrize("path", [*MODULES, *TESTS], ids=shown)
def test_what_is_imported_is_declared(path: Path) -> None:
    """`pip install` of the project brings everything that it imports; the demo and the tests have their extras."""
    rooms = {
        "demo": "demo",
        "postgres": "postgres",
        "client": "keyring",
        "attesting.py": "sigstore",
        "recording.py": "otel",
    }
    extras = [extra for room, extra in rooms.items() if room in path.parts]
    if ROOT / "tests" in path.parents:
        extras = ["demo", "demo-devpi", "otel", "postgres", "test"]
    known = declared(*extras)
    wanted = {name: {canonicalize_name(owner) for owner in OWNERS.get(name, [name])} for name in imported(path)}
    missing = [name for name, owners in wanted.items() if not known & owners and name not in BROUGHT_ALONG]
    assert missing == []


def checked_in() -> list[Path]:
    """What is or would be committed; without git, everything that is not obviously made here."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        found = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        found = [p for top in ("authproxy", "tests", "docs", "bench", "systemd") for p in (ROOT / top).rglob("*")]
        found += ROOT.glob("*.*")
    return [path for path in found if path.is_file() and "__pycache__" not in path.parts]


# Written apart, so that this file may be searched too.
REGISTRIES = ["pypi" + ".org", "python" + "hosted.org", "npm" + "js.org", "deb." + "debian.org", "docker" + ".io"]
HERE = ["/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/", "/tmp/" + "w/", "/tmp/" + "plan"]


@pytest.mark.parametrize("path", checked_in(), ids=shown)
def test_no_file_names_a_registry_or_a_path_of_somebodys_machine(path: Path) -> None:
    """The project can be built and tested anywhere, against any mirror."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    assert [word for word in [*REGISTRIES, *HERE] if word in text] == []
