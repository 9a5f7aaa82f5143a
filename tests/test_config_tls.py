"""What `noclobber check` says of TLS and of Unix sockets, with the line of each."""

from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.origin.certificate import CERTIFICATE, KEY
from tests.test_config import load, mistakes

PEM = "a file in PEM that this process can read"
URL = '[upstream]\nurl = "https://h"\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pair that fits, a certificate alone, and something else."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.crt").write_text(CERTIFICATE)
    (tmp_path / "c.key").write_text(KEY)
    (tmp_path / "x.txt").write_text("nothing")
    (tmp_path / "names").mkdir()
    (tmp_path / "names" / "a.example.pem").write_text(CERTIFICATE + KEY)
    return tmp_path


PAIR = 'tls_certificate = "c.crt"\ntls_key = "c.key"\n'
# What stands in the file -> the line that says what is wrong with it.
MISTAKES = {
    "a preface that nobody looks for": (
        '[server]\nproxy_protocol = true\ntrusted_proxies = "10.0.0.0/8"\n' + PAIR,
        "2: server.proxy_protocol: comes before the TLS handshake, where this version does not look for it, read true, "
        "allowed false, or no tls_certificate",
    ),
    "a certificate alone": (
        '[server]\ntls_certificate = "c.crt"',
        '2: server.tls_certificate: stands without tls_key, read "c.crt", allowed both',
    ),
    "a key alone": ('[server]\n\ntls_key = "c.key"', '3: server.tls_key: stands without tls_certificate, read "c.key", allowed both'),
    "no file": (
        '[server]\ntls_key = "c.key"\ntls_certificate = "none"',
        f'3: server.tls_certificate: cannot be used with its key (No such file or directory), read "none", allowed {PEM}',
    ),
    "no PEM": (
        '[server]\ntls_key = "c.key"\ntls_certificate = "x.txt"',
        f'3: server.tls_certificate: cannot be used with its key (it holds no certificate or key in PEM), read "x.txt", allowed {PEM}',
    ),
    "no authority": (
        f'[server]\n{PAIR}tls_client_ca = "x.txt"',
        f'4: server.tls_client_ca: cannot be used (*), read "x.txt", allowed {PEM}',
    ),
    "an authority without a certificate": (
        '[server]\ntls_client_ca = "c.crt"',
        '2: server.tls_client_ca: has no effect without tls_certificate, read "c.crt", allowed tls_certificate and tls_key as well',
    ),
    "no directory": (
        f'[server]\n{PAIR}tls_directory = "none"',
        '4: server.tls_directory: cannot be read (No such file or directory), read "none", allowed a directory',
    ),
    "an old version": (
        "[server]\ntls_minimum = '1.1'",
        '2: server.tls_minimum: is none of the choices, read "1.1", allowed "1.2", "1.3"; did you mean "1.3"?',
    ),
    "a mode": (
        "[server]\nsocket_mode = '8'",
        '2: server.socket_mode: is not three octal digits, read "8", allowed three octal digits, as in "660"',
    ),
}


@pytest.mark.parametrize(("text", "line"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_with_its_place(folder: Path, text: str, line: str) -> None:
    found = mistakes(text)
    assert len(found) == 1
    # What stands for * are the words of the TLS library, and differ between its versions.
    assert fnmatchcase(found[0], f"config.toml:{line}")


NO_TLS = "has no effect: the backend is not spoken to over TLS"
UPSTREAMS = {
    "http": (
        '[upstream]\nurl = "http://h"\nserver_name = "a"',
        f"3: upstream.server_name: {NO_TLS}",
    ),
    "a socket": (
        '[upstream]\nurl = "http+unix:///h"\nca_file = "c.crt"',
        f"3: upstream.ca_file: {NO_TLS}",
    ),
    "no file": (f'{URL}ca_file = "none"', "3: upstream.ca_file: cannot be used (No such file or directory)"),
    "half a pair": (f'{URL}client_key = "c.key"', "3: upstream.client_key: stands without client_certificate"),
    "no name": (f'{URL}server_name = "a b"', "3: upstream.server_name: has a host that is neither a name nor an address"),
}


@pytest.mark.parametrize(("text", "start"), UPSTREAMS.values(), ids=UPSTREAMS)
def test_a_mistake_of_the_upstream(folder: Path, text: str, start: str) -> None:
    (found,) = mistakes(text, flags={})
    assert found.startswith(f"config.toml:{start}, read ")


def test_a_broken_file_among_the_names_is_named(folder: Path) -> None:
    (folder / "names" / "b.example.pem").write_text(CERTIFICATE)
    (found,) = mistakes(f'[server]\n{PAIR}tls_directory = "names"')
    assert found.startswith("config.toml:4: server.tls_directory: cannot be used with its key (")
    assert 'read "names/b.example.pem"' in found


def test_what_fits_is_taken(folder: Path) -> None:
    config = load(f'[server]\n{PAIR}tls_directory = "names"\ntls_client_ca = "c.crt"\ntls_minimum = "1.3"\nlisten = "unix:/run/n.sock"')
    assert str(config.server.listen_address) == "unix:/run/n.sock"
    config = load(f'{URL}ca_file = "c.crt"\nclient_certificate = "c.crt"\nclient_key = "c.key"\nserver_name = "a.example"', flags={})
    assert config.upstream.endpoint.is_tls


@pytest.mark.parametrize("text", ["unix:run/n.sock", "unix:", "unix:/run/", "unix:/" + "a" * 107])
def test_a_socket_has_an_absolute_path_that_fits(folder: Path, text: str) -> None:
    (found,) = mistakes(f'[server]\nlisten = "{text}"')
    assert "has " in found
    assert "of a socket" in found or "no socket can have" in found
