"""The JSON Schema of the file, for editors and for CI. It takes whatever `load` takes.

It is made from the model. What is left out of it: what several keys say together, what a secret's file holds, and
how YAML wrote a value.
"""

from typing import Any

from authproxy.config.model import FileSection

# https://json-schema.org/draft/2020-12/schema: what pydantic writes and editors read.
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """Return the schema, as JSON has it."""
    made = _tidied(FileSection.model_json_schema())
    assert isinstance(made, dict)
    return {"$schema": DIALECT, "title": "authproxy", **made}


def _tidied(node: Any) -> Any:
    """Take out pydantic's titles, which repeat the keys, and null: in the file, what has no value is left out."""
    if isinstance(node, list):
        return [_tidied(each) for each in node]
    if not isinstance(node, dict):
        return node
    kept = {
        key: _tidied(value)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str)) and not (key == "default" and not _is_word(value))
    }
    options = [option for option in kept.get("anyOf", []) if option != {"type": "null"}]
    return (
        {**{key: value for key, value in kept.items() if key != "anyOf"}, **options[0]} if len(options) == 1 else kept
    )


def _is_word(value: object) -> bool:
    return isinstance(value, str | int)
