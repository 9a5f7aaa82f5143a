"""The configuration: each mistake is told with its place, all at once, and values override each other in one order."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from proxy.config import EVERYTHING, Address, Config, NamedUpstream, Route, Upstream, Verify, Writers, load_config, masked
from proxy.config.dialect import NamedDialect
from proxy.config.keys import ARRAYS, KEYS, VARIABLES
from proxy.core.version import Strategy
from proxy.errors import ConfigError

ROOT = Path(__file__).parent.parent
URL = "http://127.0.0.1:9000"
UPSTREAM = {"upstream": URL}
UPSTREAM_VARIABLE = {"NOCLOBBER__UPSTREAM__URL": URL}
BACKENDS = 'http://HOST[:PORT] or https://HOST[:PORT] without a path, as in "http://127.0.0.1:9000"; or http+unix:///PATH of a socket'
LEVELS = '"debug", "info", "warning", "error"'
ROUTE = '[[route]]\nname = "a"\npath = "/a"\n'


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(text: str, environ: Mapping[str, str] | None = None, flags: Mapping[str, str] = UPSTREAM) -> Config:
    """Load text as the file config.toml."""
    Path("config.toml").write_text(text, encoding="utf-8")
    return load_config(Path("config.toml"), environ or {}, flags)


def mistakes(text: str, environ: Mapping[str, str] | None = None, flags: Mapping[str, str] = UPSTREAM) -> list[str]:
    """Every mistake of text, as the file config.toml."""
    with pytest.raises(ConfigError) as caught:
        load(text, environ, flags)
    return caught.value.mistakes


def test_all_mistakes_of_all_sources_come_at_once_and_in_order() -> None:
    text = '[protocol]\nlease_seconds = 0\nmargin = 1\n[server]\nlisten = ""\n[[route]]\nname = "A"\n'
    environ = {"NOCLOBBER__LOG__LEVEL": "loud", "NOCLOBBER__LIMITS__MAX_FIELDS": "x"}
    found = mistakes(text, environ, {"workers": "-1", "mode": "watch"})
    assert [line.rpartition(", read ")[0] for line in found] == [
        "config.toml:1: upstream.url: is missing",
        "config.toml:2: protocol.lease_seconds: is out of range",
        "config.toml:3: protocol.margin: is unknown",
        "config.toml:5: server.listen: has no port",
        "config.toml:6: route[0].path: is missing",
        "config.toml:7: route[0].name: has other characters than a-z, 0-9 and -",
        "NOCLOBBER__LIMITS__MAX_FIELDS: limits.max_fields: is not a whole number",
        "NOCLOBBER__LOG__LEVEL: log.level: is none of the choices",
        "--workers: server.workers: is out of range",
        "--mode: server.mode: is none of the choices",
    ]


def test_a_file_that_cannot_be_read_hides_no_other_mistake_and_is_not_told_what_it_lacks() -> None:
    assert mistakes("[", {"NOCLOBBER__X__Y": "1"}, {})[0] == "config.toml:1: syntax: is not TOML: Invalid initial character for a key part"
    assert len(mistakes("[", {"NOCLOBBER__X__Y": "1"}, {})) == 2


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^missing\.toml: cannot be read: No such file or directory$"):
        load_config(Path("missing.toml"), {}, {})


@pytest.mark.parametrize(
    ("raw", "line"),
    [(b"\n# caf\xe9\n", "config.toml:2: syntax: is not UTF-8"), (b"x = " + b"[" * 5000, "config.toml:1: syntax: is not TOML: ")],
    ids=["latin-1", "nested too deep"],
)
def test_a_file_that_no_parser_likes_is_refused(raw: bytes, line: str) -> None:
    Path("config.toml").write_bytes(raw)
    with pytest.raises(ConfigError) as caught:
        load_config(Path("config.toml"), {}, UPSTREAM)
    assert len(caught.value.mistakes) == 1
    assert caught.value.mistakes[0].startswith(line)


def test_a_byte_order_mark_and_windows_line_ends_are_no_mistake() -> None:
    Path("config.toml").write_bytes(b"\xef\xbb\xbf[upstream]\r\nurl = 'http://h'\r\nx = 1\r\n")
    with pytest.raises(ConfigError, match=r"^config\.toml:3: upstream\.x: is unknown") as caught:
        load_config(Path("config.toml"), {}, {})
    assert len(caught.value.mistakes) == 1


def test_without_an_upstream_it_is_said_where_one_can_be_given() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(None, {}, {})
    others = "; also as url in [upstream] of a file, or in NOCLOBBER__UPSTREAM__URL"
    assert caught.value.mistakes == [f"--upstream: upstream.url: is missing, read nothing, allowed {BACKENDS}{others}"]


def test_with_only_an_upstream_everything_else_is_default() -> None:
    config = load_config(None, {}, UPSTREAM)
    assert config == Config(upstream=Upstream(url=URL))
    assert config.routes == (EVERYTHING,)
    assert config.grace_seconds == 17.0


def test_a_later_source_overrides_an_earlier_one() -> None:
    text = f'[upstream]\nurl = "{URL}"\n[store]\nurl = "redis://file"\ntimeout_seconds = 2\n[server]\nlisten = "file:1"'
    environ = {"NOCLOBBER__STORE__URL": "redis://environment", "NOCLOBBER__SERVER__LISTEN": "environment:1", "OTHER": "x"}
    config = load(text, environ, {"store": "redis://flag"})
    assert (config.store.url, config.server.listen, config.upstream.url) == ("redis://flag", "environment:1", URL)
    assert (config.store.timeout_seconds, config.server.admin) == (2.0, "127.0.0.1:8081")


def test_a_mistake_counts_even_where_it_is_overridden() -> None:
    assert len(mistakes("[log]\nlevel = 1", {"NOCLOBBER__LOG__LEVEL": "info"})) == 1


def test_a_relation_is_told_where_it_was_broken_last() -> None:
    found = mistakes("[protocol]\nmargin_seconds = 2", {"NOCLOBBER__PROTOCOL__LEASE_SECONDS": "2"})
    where = "NOCLOBBER__PROTOCOL__LEASE_SECONDS: protocol.lease_seconds"
    assert found == [f"{where}: is not more than margin_seconds, read 2.0, allowed more than 2.0 (margin_seconds)"]


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("SERVER__LISTEM", "x", "variable: is unknown, read NOCLOBBER__SERVER__LISTEM, allowed "),
        ("ROUTE__NAME", "x", "route: is not possible in the environment, read a variable, allowed [[route]] in the file"),
        ("SERVER__WORKERS", "1\nx = 2", 'server.workers: is not a whole number, read "1\\nx = 2", allowed a whole number of processes'),
        ("STORE__TIMEOUT_SECONDS", "true", "store.timeout_seconds: is not a number, read true, allowed a number of seconds above 0"),
        ("STORE__TIMEOUT_SECONDS", "", 'store.timeout_seconds: is not a number, read "", allowed a number of seconds above 0'),
        ("LOG__LEVEL", "9", f'log.level: is none of the choices, read "9", allowed {LEVELS}'),
        ("STORE__URL_FILE", "none", 'store.url: cannot be read (No such file or directory), read "none", allowed the path of a text file'),
        ("STORE__URL_FILE", "latin", 'store.url: cannot be read (it is not UTF-8), read "latin", allowed the path of a text file'),
        ("STORE__URL_FILE", "bad", 'store.url: is not the URL of a store of this version, read the content of "bad", allowed memory://'),
    ],
)
def test_a_mistake_in_a_variable_names_the_variable(name: str, text: str, line: str) -> None:
    Path("latin").write_bytes(b"\xe9")
    Path("bad").write_text("top secret")
    found = mistakes("", {f"NOCLOBBER__{name}": text})
    assert len(found) == 1
    assert found[0].startswith(f"NOCLOBBER__{name}: {line}")


def test_an_unknown_variable_is_met_with_the_nearest_known_one() -> None:
    assert mistakes("", {"NOCLOBBER__SERVER__LISTEM": "x"})[0].endswith("; did you mean NOCLOBBER__SERVER__LISTEN?")


def test_a_secret_is_read_from_a_file_without_its_last_line_end() -> None:
    Path("secret").write_text("redis://u:p@h\n")
    assert load_config(None, {"NOCLOBBER__STORE__URL_FILE": "secret"}, UPSTREAM).store.url == "redis://u:p@h"


def test_a_value_and_a_file_for_it_are_one_too_many() -> None:
    found = mistakes("", {"NOCLOBBER__STORE__URL_FILE": "secret", "NOCLOBBER__STORE__URL": "memory://"})
    where = "NOCLOBBER__STORE__URL_FILE: store.url"
    assert found == [f"{where}: is set twice, read NOCLOBBER__STORE__URL as well, allowed one of them"]


@pytest.mark.parametrize("variable", VARIABLES)
def test_every_key_can_be_set_from_the_environment(variable: str) -> None:
    key = VARIABLES[variable]
    text = URL if key.name == "url" and key.section == "upstream" else key.shown_default.strip('"')
    assert load_config(None, UPSTREAM_VARIABLE | {variable: text}, {}) == Config(upstream=Upstream(url=URL))


def test_a_route_fills_in_what_depends_on_other_keys() -> None:
    config = load(
        "[protocol]\napply_delay_seconds = 3\nmax_replica_lag_seconds = 5\n"
        + "[[route]]\nname = 'a'\npath = '/a/{id}'\nwriters = 'proxy-only'\napply_delay_seconds = 4\nstrategy = 'content'\n"
        + "[[route]]\nname = 'b'\npath = '/a/{id*}'\nwriters = 'proxy-only'\nverify = 'always'\n"
        + "[[route]]\nname = 'c'\npath = '/c'\n"
    )
    first, second, third = config.routes
    expected = Route(
        name="a",
        path="/a/{id}",
        writers=Writers.PROXY_ONLY,
        verify=Verify.TRUST_STORE,
        strategy=Strategy.CONTENT,
        apply_delay_seconds=4.0,
    )
    assert first == expected
    assert (second.verify, second.apply_delay_seconds) == (Verify.ALWAYS, 3.0)
    assert (third.verify, third.writers) == (Verify.ALWAYS, Writers.OTHERS_TOO)
    assert first.template.segments == (b"a", None)
    assert config.grace_seconds == 5 + 1 + 4 + 5 + 1


def test_the_only_route_takes_the_apply_delay_of_the_protocol() -> None:
    assert load("[protocol]\napply_delay_seconds = 3").routes[0].apply_delay_seconds == 3.0


@pytest.mark.parametrize(
    ("earlier", "later", "is_covered"),
    [
        ("/a", "/a", True),
        ("/{x}", "/a", True),
        ("/{x}", "/{y}", True),
        ("/{x}", "/", False),
        ("/a", "/{x}", False),
        ("/{x}", "/a/b", False),
        ("/{x}", "/{x*}", False),
        ("/a/{x*}", "/a", True),
        ("/a/{x*}", "/a/b/{y*}", True),
        ("/a/{x*}", "/{y*}", False),
        ("/a/b", "/a", False),
    ],
)
def test_a_route_that_an_earlier_one_covers_is_refused(earlier: str, later: str, is_covered: bool) -> None:
    text = f"[[route]]\nname = 'a'\npath = '{earlier}'\n[[route]]\nname = 'b'\npath = '{later}'\n"
    if is_covered:
        assert "route[1].path: is never reached" in mistakes(text)[0]
    else:
        assert len(load(text).routes) == 2


@pytest.mark.parametrize(
    "text",
    [
        "[protocol]\nlease_seconds = 0\nmargin_seconds = 9",
        "[server]\nlisten = 'x'\nadmin = '127.0.0.1:8080'",
        f"{ROUTE}x = 1\n{ROUTE}y = 1",
    ],
    ids=["times", "listeners", "routes"],
)
def test_what_was_refused_is_not_compared_with_anything(text: str) -> None:
    assert not any("is not less than" in line or "as well" in line for line in mistakes(text))


def test_two_listeners_may_both_take_any_free_port() -> None:
    config = load("[server]\nlisten = '127.0.0.1:0'\nadmin = '127.0.0.1:0'")
    assert config.server.listen_address == config.server.admin_address == Address("127.0.0.1", 0)


@pytest.mark.parametrize(
    ("url", "address", "is_tls", "authority"),
    [
        ("http://h", "h:80", False, "h"),
        ("https://h/", "h:443", True, "h"),
        ("HTTPS://h:8443", "h:8443", True, "h:8443"),
        ("http://[0:0::1]", "[::1]:80", False, "[0:0::1]"),
    ],
)
def test_the_url_of_the_upstream_is_taken_apart(url: str, address: str, is_tls: bool, authority: str) -> None:
    endpoint = Upstream(url=url).endpoint
    assert (str(endpoint.address), endpoint.is_tls, endpoint.authority) == (address, is_tls, authority)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("redis://:secret@h", "redis://:***@h"),
        ("redis://user:secret@h", "redis://user:***@h"),
        ("redis://user:se/cr@et@h", "redis://user:***@h"),
        ("redis://h?password=secret&db=1", "redis://h?password=***&db=1"),
        (
            "redis+sentinel://u:secret@h,i/s?sentinel_username=v&sentinel_password=secret",
            "redis+sentinel://u:***@h,i/s?sentinel_username=v&sentinel_password=***",
        ),
        ("user:secret@h", "user:***@h"),
        ("sqlite:///a@b.db", "sqlite:///a@b.db"),
    ],
)
def test_a_password_is_masked(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize("url", ["redis://u:hunter2@h:x", "reddis://u:hunter2@h", "redis://u:hunt/er2@h", "u:hunter2@h"])
def test_no_mistake_shows_a_password(url: str) -> None:
    found = mistakes(
        f"[store]\nurl = '{url}'\npassword = 'hunter2'\n[upstream]\nurl = '{url}'", {"NOCLOBBER__STORE__URL": url}, {"store": url}
    )
    assert len(found) == 5
    assert not any("hunt" in line or "er2" in line for line in found)


def test_a_long_value_is_cut() -> None:
    assert f'read "{"x" * 79}...", allowed' in mistakes(f"[log]\nlevel = '{'x' * 500}'")[0]


def test_a_configuration_cannot_be_changed() -> None:
    config = load_config(None, {}, UPSTREAM)
    with pytest.raises(AttributeError, match="immutable"):
        config.server.listen = "x"  # type: ignore[misc]


def test_the_file_of_the_demo_is_as_the_defaults_are() -> None:
    assert load((ROOT / "config.toml").read_text(encoding="utf-8"), flags={}) == Config(upstream=Upstream(url=URL))


def test_the_file_of_the_demo_shows_every_key_with_its_default() -> None:
    # What is commented out begins right after the "#", prose after a space.
    text = (ROOT / "config.toml").read_text(encoding="utf-8")
    text = "\n".join(line[1:] if line.startswith("#") and not line.startswith("# ") else line for line in text.split("\n"))
    files = NamedUpstream(name="files", url="http://127.0.0.1:9001")
    assert load(text, flags={}) == Config(upstream=Upstream(url=URL), upstreams=(files,), dialects=(NamedDialect(name="ours"),))
    document = tomllib.loads(text)
    assert {section: list(document[section]) for section in KEYS if section not in ARRAYS} == {
        section: list(keys) for section, keys in KEYS.items() if section not in ARRAYS
    }
    for section in ARRAYS:
        # TOML cannot write what is absent: such a key stands in prose.
        written = [name for name, key in KEYS[section].items() if key.default is not None]
        assert [list(table) for table in document[section]] == [written]
        assert all(f"\n# {name} = " in text for name in KEYS[section] if name not in written)


def test_the_schema_can_be_told_to_editors() -> None:
    schema = msgspec.json.schema(Config)
    assert schema["$defs"]["Protocol"]["properties"]["lease_seconds"]["exclusiveMinimum"] == 0
