"""A Config shown is a file that says the same."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given

from authproxy.config import Config, load, shown
from tests.config.conftest import LEAST, SECRET, Loading
from tests.config.documents import DOCUMENTS
from tests.config.test_load import WHOLE


def again(config: Config, text: str) -> Config:
    """Load a text that lies beside the file of a config; the name of the file is no setting."""
    path = config.file.with_name("again.yaml")
    path.write_text(text, encoding="utf-8")
    return replace(load(path, {}), file=config.file, warnings=config.warnings)


def named(*names: str) -> dict[str, Any]:
    """A document with key policies of these names, and rules for packages of these names."""
    top = yaml.safe_load(LEAST)
    policy = {"allow": [{"actions": ["read"], "packages": ["*"]}]}
    return top | {"key_policies": dict.fromkeys(names, policy), "packages": [{"match": name} for name in names]}


@example(named("Y", "08", "1e3", "no", "012", "0o17", "1_0", "0x1F", "1.10", "null"))
@given(DOCUMENTS)
def test_what_is_shown_loads_to_the_same(tmp_path_factory: pytest.TempPathFactory, top: dict[str, Any]) -> None:
    """As YAML and as JSON, whatever the configuration was."""
    folder: Path = tmp_path_factory.getbasetemp()
    (folder / "pw").write_text(SECRET)
    path = folder / "first.yaml"
    path.write_text(json.dumps(top))
    config = load(path, {})
    assert again(config, yaml.safe_dump(shown(config), sort_keys=False)) == config
    assert again(config, json.dumps(shown(config))) == config


def test_what_is_shown_is_for_people(loaded: Loading) -> None:
    """Units as people write them, defaults filled in, the secret as a reference."""
    document = shown(loaded(WHOLE))
    assert document["backend"]["password"] == {"file": "pw"}
    assert document["backend"]["timeouts"] == {"connect": "1s", "read": "2m", "upload": "10m"}
    assert document["limits"] == {"max_upload": "1GiB", "spool_memory": "1MiB", "upload_deadline": "1h"}
    assert document["keys"] == {"prefix": "acme", "lifetime": "never", "pause_unused": "never"}
    assert document["key_policies"]["release"]["rate"] == "10/hour"
    assert document["packages"][0]["metadata"] == "off"
    assert SECRET not in json.dumps(document)
