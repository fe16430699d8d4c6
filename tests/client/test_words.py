"""Command lines of others: who is called, and which word belongs to which option."""

import pytest

from authproxy.client.words import called, line


@pytest.mark.parametrize(
    ("argv", "wanted"),
    [
        pytest.param("twine upload dist/*", "twine upload dist/*", id="by its name"),
        pytest.param("/opt/venv/bin/twine upload", "twine upload", id="by its path"),
        pytest.param("python -m twine upload", "twine upload", id="as a module"),
        pytest.param("/usr/bin/python3.12 -I -X dev -m twine upload", "twine upload", id="as a module, with options"),
        pytest.param("python -Im twine upload", "twine upload", id="as a module, in one option"),
        pytest.param("python /venv/bin/twine upload", "twine upload", id="as a script"),
        pytest.param("python /venv/lib/twine/__main__.py upload", "twine upload", id="as a module sees itself"),
        pytest.param("python /lib/pip/__pip-runner__.py install", "__pip-runner__ install", id="pip inside of pip"),
        pytest.param("uvx twine upload", "twine upload", id="by uvx"),
        pytest.param("uv tool run twine upload", "twine upload", id="by uv tool run"),
        pytest.param("uv run python -m twine upload", "twine upload", id="by uv run and python"),
        pytest.param("poetry run twine upload", "twine upload", id="by poetry run"),
        pytest.param("uv run --with twine twine upload", "uv run --with twine twine upload", id="not past options"),
        pytest.param("uv publish", "uv publish", id="a runner that does it itself"),
        pytest.param("python -c pass", "python -c pass", id="no program"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_the_program_is_found_behind_what_starts_it(argv: str, wanted: str) -> None:
    """Its plain name and its own arguments."""
    assert called(argv.split()) == tuple(wanted.split())


VALUES = frozenset({"-r", "--repository", "--repository-url", "-c"})
FLAGS = frozenset({"--sign", "--verbose"})


@pytest.mark.parametrize(
    ("arguments", "words", "options"),
    [
        pytest.param("upload a b", "upload a b", {}, id="words alone"),
        pytest.param("-r x upload a", "upload a", {"-r": "x"}, id="a value behind its option"),
        pytest.param("-rx upload", "upload", {"-r": "x"}, id="a value in its option"),
        pytest.param("-vsr x upload", "upload", {"-v": "", "-s": "", "-r": "x"}, id="flags and a value in one word"),
        pytest.param("--repository=x upload", "upload", {"--repository": "x"}, id="behind an equals sign"),
        pytest.param("--repository x upload", "upload", {"--repository": "x"}, id="a long option"),
        pytest.param("--verbose upload a", "upload a", {"--verbose": ""}, id="a flag takes nothing"),
        pytest.param("upload -- -r x", "upload -r x", {}, id="no options behind two dashes"),
        pytest.param("upload - a", "upload - a", {}, id="one dash is a word"),
        pytest.param("upload -r", "upload", {"-r": ""}, id="a value that is missing"),
        pytest.param("--repository-u x upload", "upload", {"--repository-url": "x"}, id="an option cut short"),
        pytest.param("--verb upload", "upload", {"--verbose": ""}, id="a flag cut short"),
        pytest.param("--repo x", "x", {"--repo": ""}, id="cut too short to be one option"),
    ],
)
def test_words_and_options_are_told_apart(arguments: str, words: str, options: dict[str, str]) -> None:
    """As argparse and click do it."""
    found = line(arguments.split(), VALUES, FLAGS, abbreviates=True)
    assert (found.words, found.options) == (tuple(words.split()), options)


def test_options_are_cut_short_for_argparse_alone() -> None:
    """click and clap take no beginnings."""
    assert line(["--verb"], VALUES, FLAGS).options == {"--verb": ""}
    assert line(["-r", "x", "-c", "y"], VALUES, FLAGS).first("--repository", "-c", "-r") == "y"
    assert line([], VALUES, FLAGS).first("-r") is None
