"""Several backends, and several servers of one: what fits, and how a mistake is told with its line."""

from pathlib import Path

import pytest

from proxy.config import NamedUpstream
from tests.test_config import load, mistakes

HEAD = '[upstream]\nurl = "http://a"\n'
FILES = '[[upstreams]]\nname = "files"\nurl = "http://f"\n'
ROUTE = '[[route]]\nname = "r"\npath = "/{p*}"\n'
LISTS = "read an array, allowed"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory of its own, where `load` puts its file."""
    monkeypatch.chdir(tmp_path)


def test_what_fits() -> None:
    text = f'{HEAD}alternatives = ["http://a:81", "http+unix:///run/a"]\n{FILES}alternatives = ["http://g"]\n{ROUTE}upstream = "files"'
    config = load(text, flags={})
    assert [str(endpoint.address) for endpoint in config.upstream.endpoints] == ["a:80", "a:81", "unix:/run/a"]
    assert config.upstreams == (NamedUpstream(name="files", url="http://f", alternatives=("http://g",)),)
    assert config.routes[0].upstream == "files"


def test_a_route_may_name_the_default_one() -> None:
    assert load(f'{HEAD}{ROUTE}upstream = "default"', flags={}).routes == load(HEAD + ROUTE, flags={}).routes


def test_alternatives_may_come_from_the_environment() -> None:
    config = load(HEAD, {"NOCLOBBER__UPSTREAM__ALTERNATIVES": '["http://b", "http://c"]'}, flags={})
    assert config.upstream.alternatives == ("http://b", "http://c")


# What stands in the file -> the line that says what is wrong with it.
MISTAKES = {
    "an unknown name": (
        f'{FILES}{ROUTE}upstream = "fils"',
        '7: route[0].upstream: is the name of no [[upstreams]], read "fils", allowed "default", "files"; did you mean "files"?',
    ),
    "no name is known": (
        f'{ROUTE}upstream = "files"',
        '4: route[0].upstream: is the name of no [[upstreams]], read "files", allowed "default"',
    ),
    "a name twice": (
        FILES + FILES,
        '5: upstreams[1].name: is taken by the one in line 1, read "files", allowed a name of its own',
    ),
    "the name of [upstream]": (
        FILES.replace("files", "default"),
        '2: upstreams[0].name: is taken by [upstream], read "default", allowed a name of its own',
    ),
    "a key of [upstream] alone": (
        f"{FILES}connect_seconds = 1",
        '4: upstreams[0].connect_seconds: is unknown, read the key "connect_seconds", allowed name, url, alternatives, ca_file, '
        "client_certificate, client_key, server_name, tls_minimum; did you mean upstream.connect_seconds?",
    ),
    "a server twice": (
        f'{FILES}alternatives = ["http://g", "http://f:80"]',
        f"4: upstreams[0].alternatives: holds a server twice, or that of url, {LISTS} each server once",
    ),
    "two schemes": (
        f'{FILES}alternatives = ["https://g"]',
        f'4: upstreams[0].alternatives: mixes https with others, {LISTS} URLs of the scheme of "http://f"',
    ),
    "no URL": (
        f'{FILES}alternatives = ["g"]',
        "4: upstreams[0].alternatives[0]: is not an http://, https:// or http+unix:// URL, "
        'read "g", allowed URLs of the same scheme as url',
    ),
    "TLS without https": (
        f'{FILES}server_name = "g"',
        '4: upstreams[0].server_name: has no effect: the backend is not spoken to over TLS, read "g", '
        "allowed an https:// url instead of http, or nothing",
    ),
    "one table": (
        '[upstreams]\nname = "files"',
        "1: upstreams: is not an array of tables, read a table, allowed [[upstreams]]",
    ),
}


@pytest.mark.parametrize(("text", "line"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_with_its_place(text: str, line: str) -> None:
    assert mistakes(text) == [f"config.toml:{line}"]


def test_what_is_missing_is_told() -> None:
    (found,) = mistakes('[[upstreams]]\nname = "files"')
    assert found.startswith("config.toml:1: upstreams[0].url: is missing, read nothing, allowed http://HOST[:PORT] or https://")


def test_the_environment_has_no_arrays_of_tables() -> None:
    (found,) = mistakes("", {"NOCLOBBER__UPSTREAMS__URL": "http://f"})
    assert found == (
        "NOCLOBBER__UPSTREAMS__URL: upstreams: is not possible in the environment, read a variable, allowed [[upstreams]] in the file"
    )
