"""docs/derived-keys.md: its table, its numbers and its program are those of the code."""

import json
import re
import subprocess
import sys
from pathlib import Path

from authproxy.domain.caveats import ITEMS_LIMIT, LEEWAY, Lifetime, Projects, read_caveat, tag_of
from authproxy.domain.derived import CAVEATS_LIMIT, COMMAS_LIMIT, DERIVED_LIMIT, mac_key, parse_derived, verifies
from authproxy.domain.keys import PublicId, mint, parse
from authproxy.domain.names import ProjectName

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "derived-keys.md").read_text(encoding="utf-8")


def test_every_caveat_of_the_table_is_read() -> None:
    """Each row has a caveat as it is written, under the tag that it says, and none is left out."""
    rows = re.findall(r"^\| [a-z]+ \| (\d+) \| `(\[.*?\])` \|", PAGE, re.MULTILINE)
    found = [(int(tag), read_caveat(text.encode())) for tag, text in rows]
    assert all(caveat is not None and tag_of(caveat) == tag for tag, caveat in found)
    assert [tag for tag, _ in found] == [0, 1, 100, 101, 102, 103, 104, 105]


def test_the_numbers_are_those_of_the_code() -> None:
    """The limits and the leeway."""
    assert f"may differ by {LEEWAY} seconds" in PAGE
    assert f"At most {CAVEATS_LIMIT} caveats, {ITEMS_LIMIT} items in a list, {COMMAS_LIMIT}\ncommas in all" in PAGE
    assert f"{DERIVED_LIMIT:,} characters" in PAGE


def test_the_program_on_the_page_derives() -> None:
    """Copied as it stands and fed with a key, it prints a derived key that verifies: the format is all on the page."""
    [program] = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    key = mint("apx", PublicId("Abc123XYZ7890"), bytes(range(32)))
    ran = subprocess.run(
        [sys.executable, "-c", program], input=key, capture_output=True, text=True, timeout=60, check=True
    )
    derived, parsed = parse_derived(ran.stdout.strip(), "apx"), parse(key, "apx")
    assert derived is not None
    assert parsed is not None
    assert verifies(derived, mac_key(parsed.secret), "apx")
    lifetime, projects = map(read_caveat, derived.caveats)
    assert isinstance(lifetime, Lifetime)
    assert lifetime.expires - lifetime.not_before == 300
    assert projects == Projects(frozenset({ProjectName("acme-core")}))


def test_the_example_has_the_form() -> None:
    """What the page shows of a derived key is parsed, and says what its caveats would."""
    [text] = re.findall(r"^(apx_\w+\.[\w-]+\.[\w-]+)$", PAGE, re.MULTILINE)
    derived = parse_derived(text, "apx")
    assert derived is not None
    assert [json.loads(each)[0] for each in derived.caveats] == [0, 1, 101, 103]


def test_every_row_of_the_table_of_thieves_is_held() -> None:
    """By a test that is there, under the name that the row says."""
    table = PAGE[PAGE.index("### What a thief gets") :].partition("\nWhoever reads")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 6
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
        assert named, row
        for path, name in named:
            assert re.search(rf"def {name}\(", (ROOT / path).read_text(encoding="utf-8")), name
