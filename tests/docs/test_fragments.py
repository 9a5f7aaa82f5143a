"""What the documents show of configurations and of JSON is right."""

import json
import re
from pathlib import Path

import pytest

from proxy.config import load_config
from proxy.errors import ConfigError
from tests.docs.blocks import LANGUAGES, ROOT, Block, blocks, documents, name_of

DOCUMENTS = documents()
ALL = [
    pytest.param(document, block, id=f"{name_of(document)}:{block.line}")
    for document in DOCUMENTS
    for block in blocks(document.read_text(encoding="utf-8"))
]
CONFIGURATIONS = [param for param in ALL if isinstance(param.values[1], Block) and param.values[1].language == "toml"]
ABSENT = "(No such file or directory)"


def mistakes(block: Block, directory: Path) -> list[str]:
    """Everything that is wrong with a configuration that a document shows. Nobody's environment counts."""
    file = directory / "config.toml"
    file.write_text(block.text, encoding="utf-8")
    try:
        load_config(file, {}, {} if block.verb == "file" or "[upstream]" in block.text else {"upstream": "http://127.0.0.1:9000"})
    except ConfigError as error:
        found = [str(mistake) for mistake in error.mistakes]
        return [line for line in found if not (block.argument == "files are absent" and ABSENT in line)]
    return []


@pytest.mark.parametrize(("document", "block"), CONFIGURATIONS)
def test_a_configuration_that_is_shown_has_no_mistakes(document: Path, block: Block, tmp_path: Path) -> None:
    match block.verb:
        case "part of":
            assert block.text in (ROOT / block.argument).read_text(encoding="utf-8"), f"{block.argument} does not say so"
        case "file" | "part":
            assert mistakes(block, tmp_path) == []
        case _:
            pytest.fail("a TOML block is marked `file: NAME`, `part`, `part: files are absent` or `part of: PATH`")


def test_a_mistake_is_noticed(tmp_path: Path) -> None:
    assert mistakes(Block(1, "toml", '[server]\nmode = "observed"\n', "part"), tmp_path)
    assert mistakes(Block(1, "toml", '[server]\nmode = "observe"\n', "file: x.toml"), tmp_path), "it names no backend"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_json_that_is_shown_is_json(document: Path) -> None:
    for block in blocks(document.read_text(encoding="utf-8")):
        if block.language == "json":
            json.loads(block.text)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_block_has_a_language(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert [block.line for block in blocks(text) if block.language not in LANGUAGES] == [], f"allowed: {LANGUAGES}"
    # A block by indentation has none, and no mark: it would be overlooked. Inside lists it is the text of an item.
    outside = re.sub(r"^( *)```.*?^\1```$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert re.findall(r"(?m)^\n {4}\S.*$", outside) == []
    # What the pattern for blocks has overlooked.
    assert outside.count("```") == 0
