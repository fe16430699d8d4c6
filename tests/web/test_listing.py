"""A reader sees the projects that it may read, in either form of the simple API, and no trace of the others."""

import json

import pytest

from authproxy.domain.grants import pattern
from authproxy.domain.refusal import Code, Refused
from authproxy.web.listing import narrowed

PYPISERVER = b"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Simple Index</title></head>
<body><h1>Simple Index</h1>
                <a href="acme-core/">acme-core</a><br>
                <a href="acme-web/">acme-web</a><br>
                <a href="victim/">victim</a><br>
</body></html>"""
DEVPI = b"""<!DOCTYPE html><html><head><title>team/dev: simple list (including inherited indices)</title></head>
<body><h1>team/dev: simple list (including inherited indices)</h1>
<h2>team/dev</h2><form><input type="submit" value="Refresh"></form>
<a href="Acme.Core">Acme.Core</a><br/>
<a href="victim">victim</a><br/>
</body></html>"""
JSON = json.dumps(
    {"meta": {"api-version": "1.4", "x": 1}, "projects": [{"name": "acme-core"}, {"name": "victim", "k": 1}]}
)


def acme(project: str) -> bool:
    """What a key for acme-* may read."""
    return pattern("acme-*").matches(project)  # type: ignore[arg-type]


@pytest.mark.parametrize("media", ["text/html", "text/html; charset=utf-8", "application/vnd.pypi.simple.v1+html"])
def test_html_keeps_what_may_be_read(media: str) -> None:
    """Names stay as the index spells them, links lead to the project's page."""
    page = narrowed(PYPISERVER, media, acme).decode()
    assert '<a href="acme-core/">acme-core</a>' in page
    assert '<a href="acme-web/">acme-web</a>' in page
    assert "victim" not in page


def test_devpi_html() -> None:
    """Its titles and forms go with the rest: the page is ours."""
    page = narrowed(DEVPI, "text/html", acme).decode()
    assert '<a href="acme-core/">Acme.Core</a>' in page
    assert "victim" not in page
    assert "form" not in page


@pytest.mark.parametrize("media", ["application/vnd.pypi.simple.v1+json", "application/json"])
def test_json_keeps_what_may_be_read(media: str) -> None:
    """PEP 691: meta and the names; nothing that the index hung on another project."""
    assert json.loads(narrowed(JSON.encode(), media, acme)) == {
        "meta": {"api-version": "1.0"},
        "projects": [{"name": "acme-core"}],
    }


def test_nobody_else_s_projects_is_an_empty_list() -> None:
    """A key that reads nothing here learns nothing here."""
    assert b"<a" not in narrowed(PYPISERVER, "text/html", lambda _: False)
    assert json.loads(narrowed(JSON.encode(), "application/json", lambda _: False))["projects"] == []


STRANGE = {
    "a link that is no project": b'<a href="x"><script>alert(1)</script></a><a href="../">..</a>',
    "a name in another script": '<a href="x">acme-\u212aore</a>'.encode(),
    "a marked section": b'<![x[ <a href="x">..</a>',
    "an escape": b'<a href="x">acme-&lt;b&gt;</a>',
}


@pytest.mark.parametrize("page", STRANGE.values(), ids=STRANGE.keys())
def test_what_is_no_name_is_left_out(page: bytes) -> None:
    """An index's page is data: nothing of it is passed on unread."""
    assert b"<a" not in narrowed(page, "text/html", lambda _: True)


UNREADABLE = {
    "a type that is no listing": (PYPISERVER, "application/zip"),
    "no type": (PYPISERVER, ""),
    "broken JSON": (b"{", "application/json"),
    "JSON of another kind": (b"[]", "application/json"),
    "JSON without projects": (b"{}", "application/json"),
    "another encoding": (b"\xff\xfe", "text/html"),
}


@pytest.mark.parametrize(("page", "media"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_cannot_be_read_is_not_shown(page: bytes, media: str) -> None:
    """When in doubt the reader gets no list, not the whole list."""
    with pytest.raises(Refused) as caught:
        narrowed(page, media, lambda _: True)
    assert caught.value.denial.code is Code.INDEX_UNREACHABLE
