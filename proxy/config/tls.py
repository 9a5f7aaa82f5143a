"""What must hold between the keys of TLS and of Unix sockets, and of the files that they name."""

import ssl
from pathlib import Path

from .forms import HTTP_UNIX
from .keys import shown
from .mistakes import Mistakes
from .reading import Section

_PEM = "a file in PEM that this process can read"


def check_server_tls(mistakes: Mistakes, section: Section) -> None:
    """Look at the keys of [server]."""
    _check_pair(mistakes, section, "tls_certificate", "tls_key")
    for name in ("tls_directory", "tls_client_ca"):
        if _text(section, name) and not _text(section, "tls_certificate"):
            what, allowed = "has no effect without tls_certificate", "tls_certificate and tls_key as well"
            mistakes.add(section.place_of(name), f"{section.name}.{name}", what, read=shown(_text(section, name)), allowed=allowed)
    _check_authorities(mistakes, section, "tls_client_ca")
    directory = _text(section, "tls_directory")
    if not directory:
        return
    try:
        files = sorted(path for path in Path(directory).iterdir() if path.suffix == ".pem")
    except OSError as error:
        what = f"cannot be read ({error.strerror})"
        place = section.place_of("tls_directory")
        mistakes.add(place, f"{section.name}.tls_directory", what, read=shown(directory), allowed="a directory")
        return
    for path in files:
        _check_chain(mistakes, section, "tls_directory", str(path), str(path))


def check_upstream_tls(mistakes: Mistakes, section: Section) -> None:
    """Look at the keys of [upstream]."""
    _check_pair(mistakes, section, "client_certificate", "client_key")
    _check_authorities(mistakes, section, "ca_file")
    url = _text(section, "url")
    if not url or url.lower().startswith("https:"):
        return
    for name in ("ca_file", "client_certificate", "server_name"):
        if _text(section, name):
            what = "has no effect: the backend is not spoken to over TLS"
            kind = "a Unix socket" if url.startswith(HTTP_UNIX) else "http"
            allowed = f"an https:// url instead of {kind}, or nothing"
            mistakes.add(section.place_of(name), f"{section.name}.{name}", what, read=shown(_text(section, name)), allowed=allowed)


def _check_pair(mistakes: Mistakes, section: Section, certificate: str, key: str) -> None:
    texts = _text(section, certificate), _text(section, key)
    if all(texts):
        _check_chain(mistakes, section, certificate, *texts)
    elif any(texts) and not section.refused & {certificate, key}:
        there, missing = (certificate, key) if texts[0] else (key, certificate)
        mistakes.add(
            section.place_of(there),
            f"{section.name}.{there}",
            f"stands without {missing}",
            read=shown(texts[0] or texts[1]),
            allowed="both",
        )


def _check_chain(mistakes: Mistakes, section: Section, name: str, certificate: str, key: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:
        what = f"cannot be used with its key ({_why(error)})"
        mistakes.add(section.place_of(name), f"{section.name}.{name}", what, read=shown(certificate), allowed=_PEM)


def _check_authorities(mistakes: Mistakes, section: Section, name: str) -> None:
    path = _text(section, name)
    if not path:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as error:
        what = f"cannot be used ({_why(error)})"
        mistakes.add(section.place_of(name), f"{section.name}.{name}", what, read=shown(path), allowed=_PEM)


def _text(section: Section, name: str) -> str:
    value = section.values.get(name, "")
    return value if isinstance(value, str) else ""


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason.lower().replace("_", " ") if error.reason else "it holds no certificate or key in PEM"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _no_password() -> str:
    raise ValueError("the key is encrypted, and nobody is there to be asked for its password")
