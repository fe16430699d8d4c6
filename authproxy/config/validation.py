"""A Document becomes the model, or a list of sentences: what pydantic finds, said to the person who wrote the file.

pydantic's own messages and the values it quotes never get out: a value in a wrong place may be a secret.
"""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from authproxy.config.document import Document, Loc
from authproxy.config.model import FileSection
from authproxy.config.problem import named

# How alike two words must be for "did you mean": `overwrit` and `overwrite` are, `read` and `rate` are not.
_ALIKE: Final = 0.65


def dotted(loc: Loc) -> str:
    """Write a location as people do: `packages[0].match`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc)
    return text.removeprefix(".")


def _meant(word: object, known: Iterable[str]) -> str:
    close = get_close_matches(str(word), list(known), n=1, cutoff=_ALIKE)
    return f": did you mean {close[0]}?" if close else ""


def section_at(loc: Loc) -> type[BaseModel]:
    """Find the section of the model that a location lies in."""
    section: Any = FileSection
    for step in loc:
        if isinstance(section, type) and issubclass(section, BaseModel):
            section = section.model_fields[str(step)].annotation
        else:
            section = get_args(section)[-1]  # of list[...] and dict[str, ...]
    assert isinstance(section, type)
    assert issubclass(section, BaseModel)
    return section


def _unknown(loc: Loc, _error: ErrorDetails) -> str:
    known, where = section_at(loc[:-1]).model_fields, dotted(loc[:-1]) or "the file"
    meant = _meant(loc[-1], known) or f": there {'is' if len(known) == 1 else 'are'} {', '.join(known)}"
    return f"{named(str(loc[-1]))} is no key of {where}{meant}"


def _choice(loc: Loc, error: ErrorDetails) -> str:
    expected, said = error["ctx"]["expected"].replace("'", ""), error["input"]
    choices = expected.replace(" or ", ", ").split(", ")
    meant = _meant(said, choices) if isinstance(said, str) and len(choices) > 1 else ""
    return f"{dotted(loc)} takes {expected}{meant}"


def _plain(takes: str) -> Callable[[Loc, ErrorDetails], str]:
    return lambda loc, _error: f"{dotted(loc) or 'the file'} takes {takes}"


def _ours(loc: Loc, error: ErrorDetails) -> str:
    return f"{dotted(loc)}: {error['ctx']['error']}"


# pydantic's kinds of errors that this model can meet (https://docs.pydantic.dev/latest/errors/validation_errors/).
SENTENCES: Final[Mapping[str, Callable[[Loc, ErrorDetails], str]]] = {
    "missing": lambda loc, _error: f"{dotted(loc)} is missing",
    "extra_forbidden": _unknown,
    "enum": _choice,
    "value_error": _ours,
    "bool_type": _plain("true or false"),
    "int_type": _plain("a whole number"),
    "greater_than_equal": _plain("a whole number of at least 1"),
    "less_than_equal": _plain("a smaller number"),
    "string_type": _plain("text"),
    "string_too_short": _plain("text, and this is empty"),
    "list_type": _plain("a list: [a, b], or a line with a dash for each"),
    "too_short": _plain("a list with something in it: an empty one allows nothing"),
    "dict_type": _plain("a mapping: keys with a colon and a value each"),
    "model_type": _plain("a mapping: keys with a colon and a value each"),
}

# pydantic ends the location of a mapping's key, where it is the key that is wrong, with this.
_OF_KEY: Final = "[key]"


def validated(document: Document) -> FileSection | None:
    """Read the document by the model; None where it has problems, which are then in the document."""
    try:
        return FileSection.model_validate(document.top)
    except ValidationError as exc:
        for error in exc.errors(include_url=False):
            loc, of_key = error["loc"], error["type"] in {"missing", "extra_forbidden"}
            if loc and loc[-1] == _OF_KEY and error["type"] != "extra_forbidden":  # there it is a key that was written
                loc, of_key = loc[:-1], True
            sentence = SENTENCES.get(error["type"], _plain("another value"))
            document.report(loc, sentence(loc, error), key=of_key)
        return None
