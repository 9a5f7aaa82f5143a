"""Keys that take an array of texts, or a choice or such an array: what fits, and how a mistake is told."""

from pathlib import Path

import pytest

from proxy.config import Route, load_config
from proxy.core.alias import Query
from proxy.errors import ConfigError

HEAD = '[[route]]\nname = "r"\npath = "/{p*}"\n'


def load(tmp_path: Path, line: str) -> Route:
    file = tmp_path / "config.toml"
    file.write_text(HEAD + line, encoding="utf-8")
    return load_config(file, {}, {"upstream": "http://127.0.0.1:9000"}).routes[0]


def test_what_fits(tmp_path: Path) -> None:
    assert load(tmp_path, "").aliases.query is Query.IGNORED
    assert load(tmp_path, 'query = "significant"').aliases.query is Query.SIGNIFICANT
    assert load(tmp_path, 'query = ["id", "a b"]').aliases.query == ("id", "a b")
    assert load(tmp_path, 'suffixes = [".json", ".x-y"]').aliases.suffixes == (".json", ".x-y")


MISTAKES = {
    'query = "id"': 'route[0].query: is none of the choices, read "id", allowed "ignored", "significant", or names',
    "query = [1]": "route[0].query: is not a text or an array of texts, read an array",
    "query = true": "route[0].query: is not a text or an array of texts, read true",
    'query = ["x", " id"]': 'route[0].query[1]: is empty, has spaces around it, or holds one of & ; = NUL, read " id"',
    'methods = ["GET", "put"]': 'route[0].methods[1]: is no method: their names are in capitals, read "put"',
    'suffixes = ".json"': 'route[0].suffixes: is not an array of texts, read ".json"',
    'suffixes = ["json"]': 'route[0].suffixes[0]: is not a dot and letters, digits, - or _, read "json"',
    'method_override = "X-HTTP-Method"': "route[0].method_override: is none of the choices",
}


@pytest.mark.parametrize(("line", "words"), MISTAKES.items())
def test_a_mistake_is_told(tmp_path: Path, line: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, line)
    (mistake,) = caught.value.mistakes
    assert f"config.toml:4: {words}" in str(mistake)
