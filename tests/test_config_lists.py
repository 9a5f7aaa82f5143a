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


def mistakes_of(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "config.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(file, {}, {"upstream": "http://127.0.0.1:9000"})
    return [str(mistake).removeprefix(f"{file}:").split(", read", 1)[0] for mistake in caught.value.mistakes]


def test_every_wrong_item_of_an_array_is_told(tmp_path: Path) -> None:
    text = HEAD + 'methods = [\n  "put",\n  "GET",\n  "A B",\n]\nsuffixes = ["json", ".xml", "txt"]\n'
    assert mistakes_of(tmp_path, text) == [
        "5: route[0].methods[0]: is no method: their names are in capitals",
        "7: route[0].methods[2]: is no method: their names are in capitals",
        "9: route[0].suffixes[0]: is not a dot and letters, digits, - or _",
        "9: route[0].suffixes[2]: is not a dot and letters, digits, - or _",
    ]


FIRST = '[[route]]\nname = "r"\npath = "/r/{id}"\ncase = "no"\n'
BESIDE = {
    'name = "r"\npath = "/a"': "7: route[1].name: is taken by the route in line 1",
    'name = "a"\npath = "/r/{x}"': "8: route[1].path: is never reached: the route in line 1 takes all of it first",
    'name = "a"\npath = "/a/{id}"\nkey = "{x}"': "9: route[1].key: has {x}, which is no parameter of path",
    'path = "/a"\nverify = "trust-store"': "8: route[1].verify: is only safe where nobody writes around noclobber",
    'name = "a"\nstrategy = "field"': '8: route[1].field: is missing beside strategy = "field"',
    'name = "a"\nwrite_timeout_seconds = 1': "8: route[1].write_timeout_seconds: is not at least lease_seconds",
}


@pytest.mark.parametrize(("lines", "words"), BESIDE.items())
def test_a_key_that_is_refused_hides_no_mistake_of_the_others(tmp_path: Path, lines: str, words: str) -> None:
    assert words in mistakes_of(tmp_path, f'{FIRST}[[route]]\ncors = "no"\n{lines}\n')


FOLLOWERS = (
    'verify = "trust-store"\nwriters = "no"',
    'writers = "proxy-only"\non_store_loss = "open"\nverify = "no"',
    'strategy = "field"\nfield = "no"',
    'key = "{id}"\nchanges = ["no"]',
)


@pytest.mark.parametrize("lines", FOLLOWERS)
def test_a_key_that_is_refused_is_not_held_against_the_others(tmp_path: Path, lines: str) -> None:
    (mistake,) = mistakes_of(tmp_path, f'[[route]]\nname = "a"\npath = "/a/{{id}}"\n{lines}\n')
    assert "trust" not in mistake


def test_where_the_path_is_refused_nothing_is_said_of_its_parameters(tmp_path: Path) -> None:
    (mistake,) = mistakes_of(tmp_path, '[[route]]\nname = "a"\npath = "a"\nkey = "{id}"\n[[route]]\nname = "b"\npath = "/b"\n')
    assert mistake.startswith("3: route[0].path")
