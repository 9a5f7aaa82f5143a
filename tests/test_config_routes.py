"""The route language in a file: forty mistakes told at once, what is allowed and probably not meant, and what routes inherit."""

from pathlib import Path

import pytest

from proxy.config import check_config
from proxy.config.choices import Absent, Missing, Mode
from proxy.config.dialects import BUILT_IN
from proxy.core.dialect import Compare, Place, Post, Token, Written
from proxy.core.version import FieldSource, Strategy
from tests.test_config import UPSTREAM, load, mistakes

DIALECTS = ", ".join(f'"{name}"' for name in BUILT_IN)
POINTERS = 'is no JSON Pointer: it must begin with "/"'
TEMPLATES = 'a path template such as "/api/journeys/{id}" or "/files/{path*}"'

# A line of the file -> what is said of it, from the key on, up to what was read; "" for a line without a mistake.
FORTY: list[tuple[str, str]] = [
    ("[serve]", 'serve: is unknown, read the key "serve"'),
    ("[server]", ""),
    ("listen = 8080", "server.listen: is not a text, read 8080"),
    ("modes = 'observe'", 'server.modes: is unknown, read the key "modes"'),
    ("mode = 'watch'", 'server.mode: is none of the choices, read "watch"'),
    ("drain_seconds = -1", "server.drain_seconds: is out of range, read -1"),
    ("[protocol]", ""),
    ("lease_seconds = 'long'", 'protocol.lease_seconds: is not a number, read "long"'),
    ("[store]", ""),
    ("url = 'mysql://h'", 'store.url: is not the URL of a store of this version, read "mysql://h"'),
    ("history = 'lost'", 'store.history: is none of the choices, read "lost"'),
    ("[[dialect]]", "dialect[0].name: is missing, read nothing"),
    ("base = 'standart'", 'dialect[0].base: is the name of no dialect, read "standart"'),
    ("[[dialect]]", ""),
    ("name = 'scim'", 'dialect[1].name: is taken by a built-in one, read "scim"'),
    ("stale_status = 500", "dialect[1].stale_status: is out of range, read 500"),
    ("token = 'cookie:v'", 'dialect[1].token: names no place of a request, read "cookie:v"'),
    ("compare = 'exact'", 'dialect[1].compare: is none of the choices, read "exact"'),
    ("stale_body = '{\"error\": ${details}}'", "dialect[1].stale_body: has ${details}, which is no named value"),
    ("gone_body = '${detail'", 'dialect[1].gone_body: has a "${" without its "}", read "${detail"'),
    ("media_type = 'json'", 'dialect[1].media_type: is no media type, read "json"'),
    ("inject = ['/a', 'version']", f'dialect[1].inject[1]: {POINTERS}, read "version"'),
    ("members = 'items'", f'dialect[1].members: {POINTERS}, read "items"'),
    ("written = 'digit'", 'dialect[1].written: is none of the choices, read "digit"'),
    ("member_key = 'Job'", 'dialect[1].member_key: names no resource: it is neither "GROUP/TEMPLATE" nor a path, read "Job"'),
    ("[[route]]", "route[0].name: is missing, read nothing"),
    ("path = '/jobs/{id:number}'", 'route[0].path: has the unknown form "number": there are int, uuid, hex, read "/jobs/{id:number}"'),
    ("methods = ['GET', 'put']", 'route[0].methods[1]: is no method: their names are in capitals, read "put"'),
    ("host = 'http://h'", 'route[0].host: is no host name, read "http://h"'),
    ("group = 'Job'", 'route[0].group: has other characters than a-z, 0-9 and -, read "Job"'),
    ("key = '{cookie:id}'", "route[0].key: has {cookie:id}, which is none of {name}, {query:name}, {header:Name} and {body:/pointer}"),
    ("representation = 'jobs/{id}'", 'route[0].representation: must begin with "/", read "jobs/{id}"'),
    ("field = 'updatedAt'", f'route[0].field: {POINTERS}, read "updatedAt"'),
    ("first_version = 1.5", "route[0].first_version: is not a whole number, read 1.5"),
    ("override_field = 'X Force'", 'route[0].override_field: is not the name of a field, read "X Force"'),
    ("override_principals = ['']", 'route[0].override_principals[0]: is empty, or has spaces around it, read ""'),
    ("dialect = 'bodyversion'", 'route[0].dialect: is the name of no dialect, read "bodyversion"'),
    ("[[route]]", ""),
    ("name = 'a'", ""),
    ("path = '/a/{id}'", ""),
    ("key = '{ids}-{query:x}'", 'route[1].key: has {ids}, which is no parameter of path, read "{ids}-{query:x}"'),
    ("changes = [ 'jobs/{id}' ]", 'route[1].changes: names the group "jobs", which no route has, read "jobs/{id}"'),
    ("verify = 'trust-store'", 'route[1].verify: is only safe where nobody writes around noclobber, read "trust-store"'),
    ("strategy = 'field'", 'route[1].field: is missing beside strategy = "field", read nothing'),
    ("write_timeout_seconds = 4", "route[1].write_timeout_seconds: is not at least lease_seconds, read 4.0"),
    ("[[route]]", ""),
    ("name = 'a'", 'route[2].name: is taken by the route in line 38, read "a"'),
    ("path = '/a/{number:int}'", 'route[2].path: is never reached: the route in line 38 takes all of it first, read "/a/{number:int}"'),
]


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_forty_mistakes_are_told_in_one_run_each_with_its_line() -> None:
    expected = [f"config.toml:{line}: {said}" for line, (_, said) in enumerate(FORTY, 1) if said]
    found = mistakes("\n".join(text for text, _ in FORTY))
    assert len(expected) >= 40
    assert [said[: len(start)] for said, start in zip(found, expected, strict=True)] == expected
    # Each says what is allowed, on one line.
    assert [said for said in found if ", allowed " not in said or "\n" in said] == []


# What stands in the file -> what was probably meant.
MEANT = {
    "dialect": ("[[route]]\nname = 'a'\npath = '/'\ndialect = 'conflict-408'", '"conflict-409"'),
    "base": ("[[dialect]]\nname = 'a'\nbase = 'bodyversion'", '"body-version"'),
    "key": ("[[route]]\nname = 'a'\npath = '/'\nrepresentations = '/a'", "representation"),
    "parameter": ("[[route]]\nname = 'a'\npath = '/{job}'\nkey = '{jobs}'", "{job}"),
    "group": (
        "[[route]]\nname = 'a'\npath = '/a/{id}'\ngroup = 'journey'\n[[route]]\nname = 'b'\npath = '/b/{id}'\nchanges = ['journy/{id}']",
        '"journey/{id}"',
    ),
}


@pytest.mark.parametrize(("text", "word"), MEANT.values(), ids=MEANT)
def test_what_was_probably_meant_is_said(text: str, word: str) -> None:
    (line,) = mistakes(text)
    assert line.endswith(f"; did you mean {word}?")


def route(name: str, path: str, *lines: str) -> str:
    """A route of a file."""
    return "\n".join(["[[route]]", f'name = "{name}"', f'path = "{path}"', *lines, ""])


REVISION = 'strategy = "revision"'
GROUP = 'representation = "/a"\ngroup = "g"'

# What stands in the file -> the line and key of each warning, and a word of it.
CAUTIONS: dict[str, tuple[str, list[str]]] = {
    "nothing odd": (
        route("a", "/a/{id}", REVISION, "first_version = 1", 'compare = "equal"', 'token = "body:/v"', 'written = "number"'),
        [],
    ),
    "counting without the store": (
        route("a", "/a", REVISION, 'on_store_loss = "open"'),
        ["5: route[0].on_store_loss: lets writes through"],
    ),
    "native tags on changed bodies": (
        route("a", "/a", 'strategy = "native"', 'inject = ["/v"]'),
        ["4: route[0].strategy: takes the backend's own tags"],
    ),
    "numbers without counting": (route("a", "/a", "first_version = 1", 'compare = "bare"'), ["4: route[0].first_version: does nothing"]),
    "ignore without json": (route("a", "/a", 'ignore = ["/v"]'), ["4: route[0].ignore: does nothing"]),
    "a field without its strategy": (route("a", "/a", 'field = "/v"'), ["4: route[0].field: does nothing"]),
    "no numbers to compare": (route("a", "/a", 'compare = "equal"'), ["4: route[0].compare: compares numbers, and no version is one"]),
    "no numbers to compare, as what is taken from a field is a digest": (
        route("a", "/a", 'strategy = "field"', 'field = "/v"', 'compare = "equal"'),
        ["6: route[0].compare: compares numbers, and no version is one"],
    ),
    "numbers with tags": (route("a", "/a", REVISION, "first_version = 1"), ["1: route[0].compare: compares entity tags"]),
    "weak tags, strongly": (route("a", "/a", "weak_tags = true"), ["4: route[0].weak_tags: sends tags that a strong comparison never"]),
    "no numbers to write": (
        route("a", "/a", 'inject = ["/v"]', 'written = "number"'),
        ["5: route[0].written: writes numbers, and there is none"],
    ),
    "members of nobody": (route("a", "/a", 'inject = ["/v"]', 'members = "@"'), ["5: route[0].members: names the members of a list"]),
    "members that are not counted": (
        route("a", "/a", 'inject = ["/v"]', 'members = "@"', 'member_key = "/a/{body:/id}"'),
        ["5: route[0].members: names the members of a list, whose versions are only known"],
    ),
    "a version that tells resources apart": (
        route("a", "/a", 'token = "query:v"', 'query = "significant"'),
        ["4: route[0].token: is in the query, which tells resources apart here"],
    ),
    "a version among what tells resources apart": (
        route("a", "/a", 'token = "query:v"', 'query = ["id", "v"]'),
        ["4: route[0].token: is in the query, which tells resources apart here"],
    ),
    "a version beside what tells resources apart": (route("a", "/a", 'token = "query:v"', 'query = ["id"]'), []),
    "members nowhere": (route("a", "/a", 'member_key = "/a/{body:/id}"'), ["4: route[0].member_key: names the members of a list"]),
    "a group of other things": (route("a", "/a/{id}", 'group = "g"'), ["4: route[0].group: makes the lock common, and not the version"]),
    "a group that nothing shows whole": (
        route("a", "/a/{id}", REVISION, 'group = "g"'),
        ["5: route[0].group: has several URLs, and nothing says which"],
    ),
    "a group that is only read": (route("a", "/a/{id}", REVISION, 'group = "g"', 'methods = ["GET"]'), []),
    "a query beside a key": (
        route("a", "/a", REVISION, 'key = "{query:id}"', 'query = ["id"]'),
        ["6: route[0].query: does nothing beside"],
    ),
    "reads without a body": (route("a", "/a", REVISION, 'key = "{body:/id}"'), ["5: route[0].key: is in the body, and a GET has none"]),
    "no reads": (route("a", "/a", REVISION, 'key = "{body:/id}"', 'methods = ["POST"]'), []),
    "a field for nobody": (route("a", "/a", 'override_field = "X-Force"'), ["4: route[0].override_field: may be used by nobody"]),
    "somebody without a field": (route("a", "/a", 'override_principals = ["*"]'), ["4: route[0].override_principals: do nothing"]),
    "numbers that are forgotten": (
        '[store]\nurl = "memory://"\n' + route("a", "/a", REVISION, "first_version = 1", 'compare = "bare"'),
        ["7: route[0].first_version: begins anew with every start"],
    ),
    "one path by two keys": (
        route("a", "/a/{id}", REVISION, GROUP, 'methods = ["GET"]') + route("b", "/{x}/{y}", REVISION),
        ["10: route[1].path: leads to resources of the route in line 1 too, by other methods, with another key"],
    ),
    "one path by two keys, of which one takes what is left": (
        route("a", "/a/go", REVISION, GROUP, 'methods = ["POST"]')
        + route("b", "/a/go", "guarded = false")
        + route("c", "/a/{y}", REVISION),
        [],
    ),
    "one path with two strategies": (
        route("a", "/a/{id}", 'methods = ["GET"]', 'strategy = "json"') + route("b", "/a/{id}"),
        ["8: route[1].path: leads to resources of the route in line 1 too, by other methods, with another strategy"],
    ),
    "one path in two spellings": (
        route("a", "/a/{id}", 'methods = ["GET"]', 'case = "insensitive"') + route("b", "/a/{rest*}"),
        ["8: route[1].path: leads to resources of the route in line 1 too, by other methods, with other spellings of one path"],
    ),
    "one path by one key": (
        route("a", "/a/{id}", REVISION, GROUP, 'methods = ["GET"]') + route("b", "/a/{job}", REVISION, GROUP),
        [],
    ),
    "two hosts": (route("a", "/a", 'host = "x"', 'methods = ["GET"]', 'strategy = "json"') + route("b", "/a", 'host = "y"'), []),
    "the same methods": (
        route("a", "/a", 'methods = ["GET"]', 'strategy = "json"') + route("b", "/{x}", 'methods = ["HEAD"]', 'host = "x"'),
        [],
    ),
    "an action on what its body names": (
        route("a", "/a/lock", REVISION, GROUP, 'key = "{body:/id}"', 'methods = ["POST"]') + route("b", "/a/{id}", REVISION, GROUP),
        [],
    ),
    "a list and what creates its members": (
        route("a", "/a", 'methods = ["GET"]', 'strategy = "json"') + route("b", "/a", 'methods = ["POST"]', 'post = "create"'),
        [],
    ),
    "a group with two strategies": (
        route("a", "/a/{id}", REVISION, GROUP) + route("b", "/b/{id}", REVISION, GROUP, "first_version = 1", 'compare = "bare"'),
        ["12: route[1].group: has another strategy than the route in line 1"],
    ),
}


@pytest.mark.parametrize(("text", "expected"), CAUTIONS.values(), ids=CAUTIONS)
def test_what_is_probably_not_meant_is_warned_of(text: str, expected: list[str]) -> None:
    Path("config.toml").write_text(text, encoding="utf-8")
    _, found = check_config(Path("config.toml"), {}, UPSTREAM)
    starts = [f"config.toml:{line.replace(': ', ': warning: ', 1)}" for line in expected]
    assert [str(caution)[: len(start)] for caution, start in zip(found, starts, strict=True)] == starts
    assert all(", read " in str(caution) and ", better " in str(caution) for caution in found)


@pytest.mark.parametrize("name", BUILT_IN)
def test_no_built_in_dialect_is_warned_of(name: str) -> None:
    Path("config.toml").write_text(route("a", "/a/{id}", f'dialect = "{name}"'), encoding="utf-8")
    assert check_config(Path("config.toml"), {}, UPSTREAM)[1] == []


INHERITED = """
[server]
mode = "observe"
[protocol]
write_timeout_seconds = 9
lease_wait_seconds = 7
[[dialect]]
name = "ours"
base = "body-version"
stale_status = 418
missing = "require"
[[dialect]]
name = "theirs"
base = "ours"
missing = "allow"
absent = "412"
[[route]]
name = "plain"
path = "/plain"
[[route]]
name = "a"
path = "/a/{id}"
dialect = "theirs"
first_version = 0
stale_status = 412
mode = "enforce"
lease_wait_seconds = 1
"""


def test_a_route_inherits_from_its_dialect_and_that_from_its_own() -> None:
    plain, ours = load(INHERITED).routes
    assert (plain.mode, plain.write_timeout_seconds, plain.lease_wait_seconds) == (Mode.OBSERVE, 9.0, 7.0)
    assert (plain.strategy, plain.first_version, plain.manners.name) == (Strategy.AUTO, None, "standard")
    assert (ours.mode, ours.write_timeout_seconds, ours.lease_wait_seconds) == (Mode.ENFORCE, 9.0, 1.0)
    assert (ours.strategy, ours.first_version, ours.missing, ours.absent) == (Strategy.REVISION, 0, Missing.ALLOW, Absent.FAILED)
    manners = ours.manners
    assert (manners.name, manners.token, manners.compare) == ("theirs", Token(Place.BODY, pointer=("version",)), Compare.EQUAL)
    assert manners.stale is not None
    assert (manners.stale.status, manners.inject, manners.written, manners.post) == (412, (("version",),), Written.NUMBER, Post.ACTION)
    assert manners.gone is not None
    assert manners.gone.status == 412


def test_a_flag_comes_before_what_routes_inherit() -> None:
    assert {each.mode for each in load(INHERITED, flags={**UPSTREAM, "mode": "enforce"}).routes} == {Mode.ENFORCE}


def test_what_a_field_is() -> None:
    texts = {"/a/b": FieldSource(pointer=("a", "b")), "header:X-Version": FieldSource(name=b"x-version")}
    for text, source in texts.items():
        (found,) = load(route("a", "/a", 'strategy = "field"', f'field = "{text}"')).routes
        assert found.field_source == source
    assert load(route("a", "/a")).routes[0].field_source is None


def test_not_every_pair_of_many_routes_is_looked_at() -> None:
    text = "".join(route(f"r{number}", f"/api/thing-{number}/{{id}}", 'methods = ["GET", "PUT"]') for number in range(2000))
    text += route("rest", "/{path*}")
    Path("config.toml").write_text(text, encoding="utf-8")
    config, found = check_config(Path("config.toml"), {}, UPSTREAM)
    assert (len(config.routes), found) == (2001, [])


ROOT = Path(__file__).parent.parent
EXAMPLES = sorted(ROOT.glob("examples/*/config.toml"))


@pytest.mark.parametrize("file", EXAMPLES, ids=[file.parent.name for file in EXAMPLES])
def test_an_example_runs_in_front_of_any_backend_on_any_store(file: Path) -> None:
    flags = {"upstream": "http://elsewhere:81", "store": "redis://elsewhere", "listen": "127.0.0.1:0", "admin": "127.0.0.1:0"}
    config, found = check_config(file, {}, flags)
    assert found == []
    assert (config.upstream.url, config.store.url, config.server.listen) == ("http://elsewhere:81", "redis://elsewhere", "127.0.0.1:0")
