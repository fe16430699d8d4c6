"""The list of all projects, as far as one reader may see it: the index's own page, without the projects of others.

Both forms of the simple API's root (PEP 503, PEP 691) are read and written anew; the page of an index is data, so what
cannot be read as a project's name is left out. This room does not know who reads, only which projects that one may.
"""

import html
import json
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any, Final

from authproxy.domain.names import ProjectName, project_name
from authproxy.domain.refusal import Code, Refused, refuse

JSON_TYPE: Final = "application/vnd.pypi.simple.v1+json"
JSON_TYPES: Final = (JSON_TYPE, "application/json")
HTML_TYPES: Final = ("application/vnd.pypi.simple.v1+html", "text/html")

MayRead = Callable[[ProjectName], bool]


class _Names(HTMLParser):
    """The texts of a page's links: PEP 503 has a project's name there."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found.append("")
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._inside = False

    def parse_marked_section(self, i: int, report: bool = True) -> int:  # noqa: FBT001, FBT002 - not our signature
        # The inherited one raises AssertionError at `<![x[` (CPython 77057); browsers read a comment there.
        return self.parse_bogus_comment(i, report)

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.found[-1] += data


def narrowed(page: bytes, content_type: str, may_read: MayRead) -> bytes:
    """Write a listing anew with the projects that may be read, in the form and the order in which it came.

    `content_type` is the header's value. Raises Refused (index-unreachable) where the page is no listing.
    """
    media = content_type.partition(";")[0].strip().lower()
    try:
        text = page.decode("utf-8")
        if media in JSON_TYPES:
            return _json(json.loads(text), may_read)
    except ValueError as exc:
        raise refuse(Code.INDEX_UNREACHABLE, UNREADABLE) from exc
    if media in HTML_TYPES:
        return _html(text, may_read)
    raise refuse(Code.INDEX_UNREACHABLE, UNREADABLE)


UNREADABLE: Final = "the index's list of projects cannot be read: its operator must look at it"


def _html(text: str, may_read: MayRead) -> bytes:
    names = _Names()
    names.feed(text)
    names.close()
    links = "".join(
        f'<a href="{project}/">{html.escape(shown)}</a><br>\n' for shown, project in _readable(names.found, may_read)
    )
    head = '<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>Simple index</title></head>\n<body>\n'
    return f"{head}{links}</body></html>\n".encode()


def _json(document: Any, may_read: MayRead) -> bytes:
    if not isinstance(document, dict) or not isinstance(document.get("projects"), list):
        raise refuse(Code.INDEX_UNREACHABLE, UNREADABLE)
    names = [str(each.get("name", "")) for each in document["projects"] if isinstance(each, dict)]
    projects = [{"name": shown} for shown, _ in _readable(names, may_read)]
    return json.dumps({"meta": {"api-version": "1.0"}, "projects": projects}).encode()


def _readable(names: list[str], may_read: MayRead) -> Iterator[tuple[str, ProjectName]]:
    for name in names:
        shown = name.strip()
        try:
            project = project_name(shown)
        except Refused:
            continue
        if may_read(project):
            yield shown, project
