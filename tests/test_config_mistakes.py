"""What can be wrong with a configuration file: each mistake, and the one line that tells it."""

from pathlib import Path

import pytest

from proxy.config import load_config
from proxy.config.keys import KEYS
from proxy.errors import ConfigError
from tests.test_config import BACKENDS, LEVELS, ROUTE, UPSTREAM, load, mistakes

ADDRESSES = 'HOST:PORT, an IPv6 address in brackets, as in "127.0.0.1:8080", "0.0.0.0:8080" or "[::1]:8080"; or unix:/PATH'
STORES = (
    "memory://, sqlite:///RELATIVE, sqlite:////ABSOLUTE, redis://HOST[:PORT][/DB], unix:///SOCKET, "
    "redis+sentinel://HOST[:PORT],.../SERVICE[/DB] or redis+cluster://HOST[:PORT],...; rediss for TLS"
)
TEMPLATES = 'a path template such as "/api/journeys/{id}" or "/files/{path*}"'
HEADERS = "[server], [upstream], [store], [protocol], [limits], [log], [tracing], [[upstreams]], [[dialect]], [[route]]"

# What stands in the file -> the line that says what is wrong with it, without the name of the file.
MISTAKES = {
    "unknown key, near": (
        '[server]\nlissten = "x"',
        f'2: server.lissten: is unknown, read the key "lissten", allowed {", ".join(KEYS["server"])}; did you mean listen?',
    ),
    "unknown key, of another section": (
        "[store]\n\nlease_seconds = 3",
        '3: store.lease_seconds: is unknown, read the key "lease_seconds", allowed url, timeout_seconds, history, kept_conflicts; '
        "did you mean protocol.lease_seconds?",
    ),
    "unknown key, like nothing": ("[log]\nzzz = 1", '2: log.zzz: is unknown, read the key "zzz", allowed access, conflicts, level'),
    "unknown key at the top": (
        'listen = "127.0.0.1:1"',
        f'1: listen: is unknown, read the key "listen", allowed {HEADERS}; did you mean server.listen?',
    ),
    "unknown section": (
        "# first\n[[routes]]\nname = 1",
        f'2: routes: is unknown, read the key "routes", allowed {HEADERS}; did you mean [[route]]?',
    ),
    "a section that is a value": ("server = 1", "1: server: is not a table, read 1, allowed [server]"),
    "a section that is an array": ("[[log]]\n", "1: log: is not a table, read an array, allowed [log]"),
    "routes that are one table": ("\n[route]\n", "2: route: is not an array of tables, read a table, allowed [[route]]"),
    "a route that is a value": ("route = [\n1]", "2: route[0]: is not a table, read 1, allowed [[route]]"),
    "a number for a text": ("[server]\nlisten = 8080", f"2: server.listen: is not a text, read 8080, allowed {ADDRESSES}"),
    "a table for a text": ("[store]\nurl.host = 'x'", f"2: store.url: is not a text, read a table, allowed {STORES}"),
    "a text for a number": (
        "[protocol]\nlease_seconds = '5s'",
        '2: protocol.lease_seconds: is not a number, read "5s", allowed a number of seconds above 0',
    ),
    "true for a number": (
        "[protocol]\nlease_seconds = true",
        "2: protocol.lease_seconds: is not a number, read true, allowed a number of seconds above 0",
    ),
    "true for a count": (
        "[limits]\nmax_fields = true",
        "2: limits.max_fields: is not a whole number, read true, allowed a whole number of fields, 1 or more",
    ),
    "a fraction for a count": (
        "[limits]\nmax_fields = 1.5",
        "2: limits.max_fields: is not a whole number, read 1.5, allowed a whole number of fields, 1 or more",
    ),
    "a number for true or false": (
        f"{ROUTE}guarded = 1",
        "4: route[0].guarded: is not true or false, read 1, allowed true or false",
    ),
    "zero where there must be some": (
        "[upstream]\nconnect_seconds = 0",
        "2: upstream.connect_seconds: is out of range, read 0, allowed a number of seconds above 0",
    ),
    "less than none": (
        "[server]\ndrain_seconds = -0.1",
        "2: server.drain_seconds: is out of range, read -0.1, allowed a number of seconds, 0 or more",
    ),
    "for ever": (
        "[upstream]\nidle_seconds = inf",
        "2: upstream.idle_seconds: is out of range, read inf, allowed a number of seconds above 0",
    ),
    "not a number at all": (
        "[upstream]\nidle_seconds = nan",
        "2: upstream.idle_seconds: is out of range, read nan, allowed a number of seconds above 0",
    ),
    "too few bytes": (
        "[limits]\nmax_body_bytes = 0",
        "2: limits.max_body_bytes: is out of range, read 0, allowed a whole number of bytes, 1 or more",
    ),
    "fewer workers than none": (
        "[server]\nworkers = -1",
        "2: server.workers: is out of range, read -1, allowed a whole number of processes, 0 or more",
    ),
    "several workers that share nothing": (
        "[server]\nworkers = 2\n[store]\nurl = 'memory://'",
        "2: server.workers: cannot share memory://, which is in one process, read 2, allowed 1 or 0, or a [store] url of another kind",
    ),
    "observing, misspelt": (
        "[server]\nmode = 'observing'",
        '2: server.mode: is none of the choices, read "observing", allowed "enforce", "observe"; did you mean "observe"?',
    ),
    "a choice, near": (
        "[log]\nlevel = 'warn'",
        f'2: log.level: is none of the choices, read "warn", allowed {LEVELS}; did you mean "warning"?',
    ),
    "a choice, like nothing": ("[log]\nlevel = 'xyz'", f'2: log.level: is none of the choices, read "xyz", allowed {LEVELS}'),
    "a number for a choice": (f"{ROUTE}absent = 404", '4: route[0].absent: is not a text, read 404, allowed "rfc", "404", "412"'),
    "a name for Via with a space": (
        "[server]\nvia_name = 'a b'",
        "2: server.via_name: is not a token of RFC 9110: visible ASCII without spaces and delimiters, "
        'read "a b", allowed a token, as in "noclobber"',
    ),
    "both listeners on one address": (
        "[server]\nlisten = '127.0.0.1:8081'",
        '2: server.listen: is the address of admin as well, read "127.0.0.1:8081", allowed any other address than "127.0.0.1:8081"',
    ),
    "both listeners on one address, both written": (
        "[server]\nlisten = '[::1]:80'\nadmin = '[0::1]:80'",
        '3: server.admin: is the address of listen as well, read "[0::1]:80", allowed any other address than "[::1]:80"',
    ),
    "a margin as long as the lease": (
        "[protocol]\nmargin_seconds = 5",
        "2: protocol.margin_seconds: is not less than lease_seconds, read 5.0, allowed less than 5.0 (lease_seconds)",
    ),
    "a margin longer than the lease, both written": (
        "[protocol]\nmargin_seconds = 3\nlease_seconds = 2",
        "2: protocol.margin_seconds: is not less than lease_seconds, read 3.0, allowed less than 2.0 (lease_seconds)",
    ),
    "a lease as short as the margin": (
        "[protocol]\nlease_seconds = 1",
        "2: protocol.lease_seconds: is not more than margin_seconds, read 1.0, allowed more than 1.0 (margin_seconds)",
    ),
    "a write shorter than a lease": (
        "[protocol]\nwrite_timeout_seconds = 4.9",
        "2: protocol.write_timeout_seconds: is not at least lease_seconds, read 4.9, allowed at least 5.0 (lease_seconds)",
    ),
    "a route without a name": (
        "[[route]]\npath = '/'",
        "1: route[0].name: is missing, read nothing, allowed characters of a-z, 0-9 and -",
    ),
    "a route without a path": (
        "\n[[route]]\nname = 'a'",
        f"2: route[0].path: is missing, read nothing, allowed {TEMPLATES}",
    ),
    "a name in capitals": (
        "[[route]]\nname = 'Journeys'\npath = '/'",
        '2: route[0].name: has other characters than a-z, 0-9 and -, read "Journeys", allowed characters of a-z, 0-9 and -',
    ),
    "a name twice": (
        f"{ROUTE}[[route]]\npath = '/b'\nname = 'a'",
        '6: route[1].name: is taken by the route in line 1, read "a", allowed a name of its own',
    ),
    "a path without a slash": (
        "[[route]]\nname = 'a'\npath = 'x'",
        f'3: route[0].path: must begin with "/", read "x", allowed {TEMPLATES}',
    ),
    "a path with a query": (
        "[[route]]\nname = 'a'\npath = '/x?y'",
        f'3: route[0].path: has a query: routes are found by the path alone, read "/x?y", allowed {TEMPLATES}',
    ),
    "a path that is never let through": (
        "[[route]]\nname = 'a'\npath = '/x/../y'",
        f'3: route[0].path: has a dot segment: no request with such a path is let through, read "/x/../y", allowed {TEMPLATES}',
    ),
    "a path that arrives in another form": (
        "[[route]]\nname = 'a'\npath = '/%7ejoe'",
        "3: route[0].path: is not in canonical form: hex digits of escapes in capitals, unreserved characters not escaped, "
        f'read "/%7ejoe", allowed {TEMPLATES}',
    ),
    "a path that is never reached": (
        "[[route]]\nname = 'a'\npath = '/{x*}'\n[[route]]\nname = 'b'\npath = '/b'",
        '6: route[1].path: is never reached: the route in line 1 takes all of it first, read "/b", '
        'allowed a path that "/{x*}" does not take, or this route above that one',
    ),
    "trust in the store without reason": (
        f"{ROUTE}verify = 'trust-store'",
        '4: route[0].verify: is only safe where nobody writes around noclobber, read "trust-store", '
        'allowed "always", or writers = "proxy-only" where that is so',
    ),
    "a mistake deep in an inline table": (
        'route = [ { name = "a", path = "/a" },\n  { name = "b", path = "/b",  missing = "requires" } ]',
        '2: route[1].missing: is none of the choices, read "requires", allowed "allow", "require"; did you mean "require"?',
    ),
    "no TOML": ("[server]\nlisten 1", "2: syntax: is not TOML: Expected '=' after a key in a key/value pair at column 8"),
    "no TOML to its end": ("[server]\nlisten = '''\n\n", "2: syntax: is not TOML: Expected \"'''\""),
    "a key twice": ("[log]\nlevel = 'info'\nlevel = 'info'\n\n", "3: syntax: is not TOML: Cannot overwrite a value at column 15"),
}

BAD_URLS = {
    "upstream.url": {
        "ftp://h": "is not an http://, https:// or http+unix:// URL",
        "127.0.0.1:9000": "is not an http://, https:// or http+unix:// URL",
        "http://h/api": "has a path, a query or a fragment: requests go upstream under the path they came with",
        "http://h?x": "has a path, a query or a fragment: requests go upstream under the path they came with",
        "http://u@h": "has user information: credentials belong to the requests, which pass through",
        "http://": "has no host",
        "http://h:0": "has port 0, which nothing can be reached at",
        "http://h:": "has a port that is not a number from 0 to 65535",
        "http://::1": "has an IPv6 address without brackets",
        "http://[::g]": "has no IPv6 address between its brackets",
        "http://a b": "has a host that is neither a name nor an address",
    },
    "server.listen": {
        "8080": "has no port",
        ":8080": "has no host",
        "h:65536": "has a port that is not a number from 0 to 65535",
        "*:80": "has a host that is neither a name nor an address",
    },
    "store.url": {
        "noclobber.db": "is not the URL of a store of this version",
        "redis+sentinels://h/s": "is not the URL of a store of this version",
        "redis+sentinel://h": "names no service after its sentinels: /SERVICE or /SERVICE/DB",
        "redis+sentinel://h/": "names no service after its sentinels: /SERVICE or /SERVICE/DB",
        "redis+sentinel://h/s/x": "names no service after its sentinels: /SERVICE or /SERVICE/DB",
        "redis+sentinel://h,,i/s": "has no host",
        "redis+sentinel://h,i:port/s": "has a port that is not a number from 0 to 65535",
        "redis+cluster://": "has no host",
        "redis+cluster://h,i/1": "has something after the nodes of a Cluster, which has no databases",
        "rediss+cluster://h,::1": "has an IPv6 address without brackets",
        "memory://x": "has something after memory://, which has neither a place nor options",
        "sqlite://x.db": "has one slash too few: three before a relative path, four before an absolute one",
        "sqlite:///": "has no path of a file",
        "sqlite:////tmp/": "has no path of a file",
        "sqlite:///:memory:": "gives each connection a database of its own: memory:// is what keeps records in memory",
        "sqlite:///x.db?mode=ro": "has options after the path",
        "redis://": "has no host",
        "redis://h/x": "has something other than the number of a database after its host",
        "unix://relative": "has no absolute path of a socket",
        "unix:///run/": "has no absolute path of a socket",
    },
}
ALLOWED = {"upstream.url": BACKENDS, "server.listen": ADDRESSES, "store.url": STORES}

GOOD_URLS = {
    "upstream.url": ("http://h", "https://h.example:8443/", "HTTP://[::1]:9000", "http://my_service:80", "https://[::1]"),
    "server.listen": ("0.0.0.0:0", "[::]:8080", "localhost:80"),
    "store.url": (
        "memory://",
        "sqlite:///a/b.db",
        "sqlite:////var/lib/x.db",
        "redis://h",
        "rediss://u:p@h:6380/3?ssl_cert_reqs=none",
        "redis://[::1]:6379/0",
        "unix:///run/redis.sock",
        "unix://u:p@/run/redis.sock?db=2",
        "redis+sentinel://h/service",
        "rediss+sentinel://u:p@h,[::1]:26379,i:1/service/3?sentinel_password=x&ssl_ca_certs=/ca.pem",
        "redis+cluster://h",
        "rediss+cluster://u:p@h:1,i,[::1]/?ssl_cert_reqs=none",
    ),
}


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("text", "line"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_with_its_place(text: str, line: str) -> None:
    assert mistakes(text) == [f"config.toml:{line}"]


@pytest.mark.parametrize(
    ("key", "url", "what"), [(key, url, what) for key, urls in BAD_URLS.items() for url, what in urls.items()], ids=str
)
def test_an_address_that_leads_nowhere_is_refused(key: str, url: str, what: str) -> None:
    section, name = key.split(".")
    assert mistakes(f'[{section}]\n{name} = "{url}"') == [f'config.toml:2: {key}: {what}, read "{url}", allowed {ALLOWED[key]}']


@pytest.mark.parametrize(("key", "url"), [(key, url) for key, urls in GOOD_URLS.items() for url in urls])
def test_an_address_is_kept_as_it_was_written(key: str, url: str) -> None:
    section, name = key.split(".")
    assert getattr(getattr(load(f'[{section}]\n{name} = "{url}"', flags={} if section == "upstream" else UPSTREAM), section), name) == url


@pytest.mark.parametrize("token", ["hunter2", "no spaces are allowed here"])
@pytest.mark.parametrize("source", ["file", "variable", "secret"])
def test_a_secret_is_in_no_mistake(tmp_path: Path, token: str, source: str) -> None:
    file, secret = tmp_path / "config.toml", tmp_path / "token"
    file.write_text(f'[upstream]\nurl = "http://a"\n[server]\nadmin_token = "{token if source == "file" else ""}"\n')
    secret.write_text(token)
    variable = "NOCLOBBER__SERVER__ADMIN_TOKEN"
    environ = {"file": {}, "variable": {variable: token}, "secret": {f"{variable}_FILE": str(secret)}}[source]
    with pytest.raises(ConfigError) as refused:
        load_config(file, environ, {})
    assert "server.admin_token: is shorter than 16" in str(refused.value)
    assert token not in str(refused.value)
