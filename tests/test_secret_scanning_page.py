"""docs/secret-scanning.md: its patterns are those of the keys, its program settles what they find, its numbers are ours."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from authproxy.authority.canaries import QUIET
from authproxy.domain.caveats import Lifetime, Projects
from authproxy.domain.derived import derive
from authproxy.domain.keys import CHECK_LENGTH, PUBLIC_ID_LENGTH, SECRET_LENGTH, PublicId, mint, parse
from authproxy.domain.names import ProjectName
from authproxy.web import leakreports, revocations, revoking
from authproxy.web.reportsignature import HEADERS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "secret-scanning.md").read_text(encoding="utf-8")
KEY = mint("apx", PublicId("Abc123XYZ7890"), bytes(range(32)))
DERIVED = derive(KEY, [Lifetime(1_790_000_000, 1_789_999_700)], "apx")
# From what the keys are made of, and from nowhere else.
FORM = rf"apx_[0-9A-Za-z]{{{PUBLIC_ID_LENGTH}}}_[0-9A-Za-z]{{{SECRET_LENGTH + CHECK_LENGTH}}}"
DERIVED_FORM = rf"apx_[0-9A-Za-z]{{{PUBLIC_ID_LENGTH}}}\.[0-9A-Za-z_-]{{8,}}\.[0-9A-Za-z_-]{{43}}"


def block(language: str) -> str:
    found: str = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[0]
    return found


RULES: dict[str, dict[str, Any]] = {each["id"]: each for each in tomllib.loads(block("toml"))["rules"]}
DETECTORS: dict[str, dict[str, Any]] = {each["name"]: each for each in yaml.safe_load(block("yaml"))["detectors"]}


def found_in(text: str, rule: str = "authproxy-key") -> list[str]:
    """What gitleaks takes for a secret: the group that the rule names, where a keyword is in the text."""
    table = RULES[rule]
    if not any(word in text.lower() for word in table["keywords"]):
        return []
    return [each[table["secretGroup"]] for each in re.finditer(table["regex"], text, re.MULTILINE)]


def test_the_patterns_are_those_of_the_keys() -> None:
    """In all three places, to the letter."""
    assert f"{FORM} " in PAGE
    assert f"{DERIVED_FORM} " in PAGE
    assert RULES["authproxy-key"]["regex"] == f"({FORM})(?:[^0-9A-Za-z]|$)"
    assert RULES["authproxy-derived-key"]["regex"] == f"({DERIVED_FORM})(?:[^0-9A-Za-z_-]|$)"
    assert DETECTORS["authproxy key"]["regex"] == {"key": FORM}
    assert DETECTORS["authproxy derived key"]["regex"] == {"key": DERIVED_FORM}


AROUND = {
    "alone": "{}",
    "a shell": "export TWINE_PASSWORD={}\n",
    "quotes": "password = '{}'",
    "JSON with a newline in it": '{{"token": "x\\n{}\\n"}}',
    "YAML": "  PYPI_TOKEN: {} # of the release job",
    "a URL": "https://__token__:{}@pypi.example.com/simple/",
    "an escaped URL": "https%3A%2F%2F__token__%3A{}%40pypi.example.com",
    "the end of a sentence": "use {}.",
    "a .netrc": "machine pypi.example.com login __token__ password {}\r\n",
    "a name before it": "MY_{}",
    "a comma": "{},other",
}


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
@pytest.mark.parametrize(("rule", "key"), [("authproxy-key", KEY), ("authproxy-derived-key", DERIVED)])
def test_a_key_is_found_wherever_it_stands(around: str, rule: str, key: str) -> None:
    """And nothing is found of it but itself, by the rule that is its own."""
    text = around.format(key)
    assert found_in(text, rule) == [key]
    assert [name for name in RULES if found_in(text, name)] == [rule]


NEAR_MISSES = {
    "one character less": KEY[:-1],
    "one more": KEY + "x",
    "another prefix": KEY.replace("apx", "abc"),
    "in capitals": KEY.replace("apx", "APX"),
    "a dash in the secret": KEY[:30] + "-" + KEY[31:],
    "an id that is short": KEY[:4] + KEY[5:],
    "cut in two lines": KEY[:40] + "\n" + KEY[40:],
    "an example": "apx_Kb3Yw9ZtQx1f0_...",
    "a public id": "apx_Kb3Yw9ZtQx1f0",
    "a derived key that is cut": DERIVED[:-1],
    "one that goes on": DERIVED + "a",
}


@pytest.mark.parametrize("text", NEAR_MISSES.values(), ids=NEAR_MISSES)
def test_what_is_no_key_is_not_found(text: str) -> None:
    """By none of the rules."""
    assert [name for name in RULES if found_in(text, name)] == []


@given(st.binary(min_size=32, max_size=32), st.from_regex(r"[0-9A-Za-z]{13}", fullmatch=True))
def test_every_key_that_is_made_is_found(entropy: bytes, public_id: str) -> None:
    """Plain, and derived."""
    key = mint("apx", PublicId(public_id), entropy)
    made = derive(key, [Projects(frozenset({ProjectName("acme-core")}))], "apx")
    assert found_in(f"x={key}\n") == [key]
    assert found_in(f"x={made}\n", "authproxy-derived-key") == [made]


def test_the_program_settles_what_was_found() -> None:
    """Copied as it stands: a key is one, a typing error none; it prints no secret, and agrees with `parse`."""
    wrong = KEY[:-1] + ("a" if KEY[-1] != "a" else "b")
    swapped = KEY[:30] + KEY[31] + KEY[30] + KEY[32:]
    own = mint("acme1", PublicId("Own123XYZ7890"), bytes(32))
    given_texts = f"a {KEY}, '{wrong}' {swapped}\n{own} {KEY}x\n"
    ran = subprocess.run(
        [sys.executable, "-c", block("python")],
        input=given_texts,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert [line.partition(" ")[2][:9] for line in ran.stdout.splitlines()] == [
        "is a key",
        "is none: ",
        "is none: ",
        "is a key",
    ]
    assert [parse(each, "apx") is not None for each in (KEY, wrong, swapped)] == [True, False, False]
    assert KEY[18:34] not in ran.stdout
    assert len(block("python").splitlines()) <= 16


def test_the_numbers_and_the_words_are_those_of_the_program() -> None:
    """Paths, headers, limits, metrics, fates."""
    assert f"{leakreports.MATCHES} matches and {leakreports.LIMIT // 1024**2} MiB" in PAGE
    assert f"({revocations.ANSWERED:,} reports" in PAGE
    assert leakreports.PATH in PAGE
    assert revoking.PATH in PAGE
    assert {name.partition("-")[2] for pair in HEADERS for name in pair} == {
        "Public-Key-Identifier",
        "Public-Key-Signature",
    }
    assert all(name in PAGE for name in HEADERS[0])
    assert (QUIET, "once a minute for each canary" in PAGE) == (60, True)
    assert '"label": "true_positive"' in PAGE


def test_the_line_that_ends_a_key_is_the_one_that_was_run() -> None:
    """`tests/e2e/test_leaks.py` runs curl as docs/leak-response.md shows it."""
    page = (ROOT / "docs" / "leak-response.md").read_text(encoding="utf-8")
    [line] = re.findall(r"^curl (.*) https://pypi.example.com/-/revoke$", page, re.MULTILINE)
    ran = (ROOT / "tests" / "e2e" / "test_leaks.py").read_text(encoding="utf-8")
    assert ", ".join(f'"{word}"' for word in ["curl", *line.split()]) in ran


def test_the_scanners_own_line_signs(tmp_path: Path) -> None:
    """The openssl lines, run as they stand, make a report that is believed."""
    from multidict import CIMultiDict

    from authproxy.config.reporters import ReportKey
    from authproxy.web.reportsignature import signed_by

    [lines] = [each for each in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if "openssl" in each]
    (tmp_path / "report.json").write_bytes(b'[{"token": "x"}]')
    script = "\n".join(line for line in lines.splitlines() if "openssl" in line)
    script += '\nprintf %s "$SIGNATURE"'
    ran = subprocess.run(["bash", "-ec", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    given_headers = CIMultiDict([(HEADERS[0][0], "our-scanner"), (HEADERS[0][1], ran.stdout)])
    keys = [ReportKey("our-scanner", (tmp_path / "scanner.pem").read_bytes(), "scanner.pem")]
    assert signed_by(given_headers, (tmp_path / "report.json").read_bytes(), keys) == "our-scanner"
