"""Forms: what a text in the configuration must look like (addresses, URLs, names, path templates), and how one is shown.

The rule of this file: a `check_` returns nothing and raises ValueError with what is wrong, as the end of the sentence "The value ...".
No message quotes the value: it may hold a password, and only `masked` knows how to show one.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address

from ..core.target import RefusedTarget, parse_target
from ..core.template import parse_template

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*)://(?P<authority>[^/?#]*)(?P<rest>.*)", re.DOTALL)
# Underscores are no part of a host name by RFC 1123, but container networks give such names out.
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._\-]*[A-Za-z0-9_.])?")
_PORT = re.compile(r"[0-9]{1,5}")
_DATABASE = re.compile(r"(?:/[0-9]*)?(?:\?[^#]*)?")
_SERVICE = re.compile(r"/[^/?#]+(?:/[0-9]+)?/?(?:\?[^#]*)?")
_MODE = re.compile(r"0?[0-7]{3}")
_NAME = re.compile(r"[a-z0-9\-]+")
_SUFFIX = re.compile(r"\.[A-Za-z0-9_\-]+")
# RFC 9110 §5.6.2: token = 1*tchar
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# Greedy, up to the last "@": a password may hold an "@", or a "/" that should have been escaped.
_USERINFO = re.compile(r"(?P<user>://[^:@/]*):.*@", re.DOTALL)
_USERINFO_ALONE = re.compile(r"(?P<user>^[^:@/]*):.*@", re.DOTALL)
_PASSWORD = re.compile(r"((?:[?&]|^)(?:sentinel_|ssl_)?password=)[^&#]*")
# RFC 6750 §2.1: b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
_BEARER = re.compile(r"[A-Za-z0-9\-._~+/]+=*")

MIN_SECRET_CHARS = 16
UNIX = "unix:"
HTTP_UNIX = "http+unix://"
MEMORY = "memory://"
MAX_SOCKET_BYTES = 107
"""sun_path of Linux, its closing NUL apart."""
HTTP_PORT = 80
HTTPS_PORT = 443


@dataclass(frozen=True, slots=True)
class Address:
    """A host, without brackets, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixPath:
    """The file of a Unix socket."""

    path: str

    def __str__(self) -> str:
        return f"{UNIX}{self.path}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a backend is spoken to. `authority` is host and port as its URL wrote them, the form of a Host field; empty for a socket."""

    address: Address | UnixPath
    is_tls: bool
    authority: str


def parse_address(text: str) -> Address:
    """Read HOST:PORT, an IPv6 address in brackets. Raise ValueError saying what is wrong."""
    host, colon, port = text.rpartition(":")
    if not colon:
        raise ValueError("has no port")
    return Address(_host(host), _port(port))


def parse_listener(text: str) -> Address | UnixPath:
    """Read HOST:PORT, or unix: and the absolute path of a socket. Raise ValueError saying what is wrong."""
    return _unix_path(text.removeprefix(UNIX)) if text.startswith(UNIX) else parse_address(text)


def _unix_path(path: str) -> UnixPath:
    if not path.startswith("/") or path.endswith("/"):
        raise ValueError("has no absolute path of a socket")
    if len(path.encode()) > MAX_SOCKET_BYTES or "\0" in path:
        raise ValueError(f"has a path that no socket can have: at most {MAX_SOCKET_BYTES} bytes")
    return UnixPath(path)


def parse_upstream(text: str) -> Endpoint:
    """Read the URL of a backend. Raise ValueError saying what is wrong."""
    if text.startswith(HTTP_UNIX):
        return Endpoint(_unix_path(text.removeprefix(HTTP_UNIX)), False, "")
    url = _URL.fullmatch(text)
    if url is None or url["scheme"].lower() not in ("http", "https"):
        raise ValueError("is not an http://, https:// or http+unix:// URL")
    if "@" in url["authority"]:
        raise ValueError("has user information: credentials belong to the requests, which pass through")
    if url["rest"] not in ("", "/"):
        raise ValueError("has a path, a query or a fragment: requests go upstream under the path they came with")
    is_tls = url["scheme"].lower() == "https"
    authority = url["authority"]
    has_port = authority.rpartition("]")[2].count(":") > 0
    address = parse_address(authority if has_port else f"{authority}:{HTTPS_PORT if is_tls else HTTP_PORT}")
    if address.port == 0:
        raise ValueError("has port 0, which nothing can be reached at")
    return Endpoint(address, is_tls, authority)


def check_listener(text: str) -> None:
    """Accept HOST:PORT or unix:PATH."""
    parse_listener(text)


def check_mode(text: str) -> None:
    """Accept the permissions of a file as chmod takes them, in octal."""
    if _MODE.fullmatch(text) is None:
        raise ValueError("is not three octal digits")


def check_server_name(text: str) -> None:
    """Accept a host name, or nothing."""
    if text:
        _host(text)


def check_upstream(text: str) -> None:
    """Accept the URL of a backend."""
    parse_upstream(text)


def check_store_url(text: str) -> None:
    """Accept the URL of a store that this version can speak to."""
    url = _URL.fullmatch(text)
    match url and url["scheme"]:
        case "memory":
            _check_memory(text)
        case "sqlite":
            _check_sqlite(text)
        case "redis" | "rediss":
            _check_redis(text)
        case "redis+sentinel" | "rediss+sentinel":
            _check_sentinel(text)
        case "redis+cluster" | "rediss+cluster":
            _check_cluster(text)
        case "unix":
            _check_unix(text)
        case _:
            raise ValueError("is not the URL of a store of this version")


def _check_memory(text: str) -> None:
    if text != MEMORY:
        raise ValueError("has something after memory://, which has neither a place nor options")


def _check_sqlite(text: str) -> None:
    path = text.removeprefix("sqlite://")
    if not path.startswith("/"):
        raise ValueError("has one slash too few: three before a relative path, four before an absolute one")
    if path.strip("/") == "" or path.endswith("/"):
        raise ValueError("has no path of a file")
    if path == "/:memory:":
        raise ValueError("gives each connection a database of its own: memory:// is what keeps records in memory")
    if "?" in path or "#" in path:
        raise ValueError("has options after the path")


def _check_redis(text: str) -> None:
    host, rest = _hosts_and_rest(text)
    _check_host(host)
    if _DATABASE.fullmatch(rest) is None:
        raise ValueError("has something other than the number of a database after its host")


def _check_sentinel(text: str) -> None:
    hosts, rest = _hosts_and_rest(text)
    for host in hosts.split(","):
        _check_host(host)
    if _SERVICE.fullmatch(rest) is None:
        raise ValueError("names no service after its sentinels: /SERVICE or /SERVICE/DB")


def _check_cluster(text: str) -> None:
    hosts, rest = _hosts_and_rest(text)
    for host in hosts.split(","):
        _check_host(host)
    if rest.partition("?")[0] not in ("", "/"):
        raise ValueError("has something after the nodes of a Cluster, which has no databases")


def _hosts_and_rest(text: str) -> tuple[str, str]:
    url = _URL.fullmatch(text)
    assert url is not None
    if "@" in url["rest"]:
        raise ValueError('has a "/", "?" or "#" in its password: write them as %2F, %3F and %23')
    return url["authority"].rpartition("@")[2], url["rest"]


def _check_host(text: str) -> None:
    parse_address(text if text.rpartition("]")[2].count(":") > 0 else f"{text}:1")


def _check_unix(text: str) -> None:
    path = text.removeprefix("unix://").partition("?")[0].rpartition("@")[2]
    if not path.startswith("/") or path.endswith("/"):
        raise ValueError("has no absolute path of a socket")


def check_name(text: str) -> None:
    """Accept the name of a route: it becomes the value of a metric label."""
    if _NAME.fullmatch(text) is None:
        raise ValueError("has other characters than a-z, 0-9 and -" if text else "is empty")


def check_group(text: str) -> None:
    """Accept the name of a group, or nothing."""
    if text:
        check_name(text)


def check_token(text: str) -> None:
    """Accept a token (RFC 9110 §5.6.2), as the pseudonym in Via must be one (§7.6.3)."""
    if _TOKEN.fullmatch(text) is None:
        raise ValueError("is not a token of RFC 9110: visible ASCII without spaces and delimiters")


def check_secret(text: str) -> None:
    """Accept what can be sent as a bearer token (RFC 6750 §2.1) and is long enough not to be guessed, or nothing."""
    if text and (len(text) < MIN_SECRET_CHARS or _BEARER.fullmatch(text) is None):
        raise ValueError(f"is shorter than {MIN_SECRET_CHARS} characters, or has others than letters, digits and - . _ ~ + / =")


def check_template(text: str) -> None:
    """Accept a path template whose literal parts are written as they arrive at the router: in their canonical form."""
    template = parse_template(text)
    sample = b"/" + b"/".join(b"x" if segment is None else segment for segment in template.segments)
    target = parse_target(sample, b"")
    if isinstance(target, RefusedTarget):
        raise ValueError(f"{target.why}: no request with such a path is let through")
    if b";" in sample:
        raise ValueError('has a ";": routes are found by the path without parameters')
    if target.query is not None:
        raise ValueError("has a query: routes are found by the path alone")
    if target.path != sample:
        raise ValueError("is not in canonical form: hex digits of escapes in capitals, unreserved characters not escaped")


def check_suffix(text: str) -> None:
    """Accept the end of a path that names a format."""
    if _SUFFIX.fullmatch(text) is None:
        raise ValueError("is not a dot and letters, digits, - or _")


def check_parameter(text: str) -> None:
    """Accept the name of a parameter of a query, as it is when decoded."""
    if not text or text != text.strip() or any(char in text for char in "&;=\0"):
        raise ValueError("is empty, has spaces around it, or holds one of & ; = NUL")


def masked(text: str) -> str:
    """Return text with every password of a URL in it replaced by ***."""
    userinfo = _USERINFO if "://" in text else _USERINFO_ALONE
    return _PASSWORD.sub(r"\1***", userinfo.sub(r"\g<user>:***@", text))


def _host(text: str) -> str:
    if text.startswith("[") and text.endswith("]"):
        try:
            return str(IPv6Address(text[1:-1]))
        except ValueError as error:
            raise ValueError("has no IPv6 address between its brackets") from error
    if not text:
        raise ValueError("has no host")
    if ":" in text:
        raise ValueError("has an IPv6 address without brackets")
    if _HOST.fullmatch(text) is None:
        raise ValueError("has a host that is neither a name nor an address")
    return text


def _port(text: str) -> int:
    if _PORT.fullmatch(text) is None or int(text) > 65535:
        raise ValueError("has a port that is not a number from 0 to 65535")
    return int(text)
