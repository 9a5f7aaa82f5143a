"""A certificate authority of a test's own, and what it issues: made by openssl, worthless outside of the test."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SECONDS = 30.0


@dataclass(frozen=True)
class Issued:
    """A certificate and its key, in two files and in one."""

    certificate: Path
    key: Path
    both: Path


class Authority:
    """Issue certificates that are valid for a day."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._name = name
        self.file = folder / f"{name}.crt"
        self._key = folder / f"{name}.key"
        more = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
        _openssl("req", "-x509", *_fresh(self._key), "-days", "1", "-subj", f"/CN={name}", "-out", str(self.file), *more)

    def issue(self, name: str, file: str = "", folder: Path | None = None) -> Issued:
        """A certificate for the host or the client called name. `file` is what its files are called, empty: as it is."""
        base = (folder or self._folder) / (file or name)
        certificate, key, both = (base.with_name(f"{base.name}{end}") for end in (".crt", ".key", ".pem"))
        request, extensions = base.with_name(f"{base.name}.csr"), base.with_name(f"{base.name}.ext")
        extensions.write_text(f"subjectAltName=DNS:{name}\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\n")
        _openssl("req", *_fresh(key), "-subj", f"/CN={name}", "-out", str(request))
        signer = ["-CA", str(self.file), "-CAkey", str(self._key), "-CAcreateserial"]
        _openssl("x509", "-req", "-in", str(request), *signer, "-days", "1", "-extfile", str(extensions), "-out", str(certificate))
        both.write_bytes(certificate.read_bytes() + key.read_bytes())
        return Issued(certificate, key, both)


def _fresh(key: Path) -> list[str]:
    return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(key)]


def _openssl(*arguments: str) -> None:
    done = subprocess.run([_binary(), *arguments], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr


def _binary() -> str:
    """Find Debian's openssl; install it if this is root. The tests fail, and do not skip, where that is impossible."""
    found = shutil.which("openssl")
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        for step in (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", "openssl"]):
            subprocess.run(step, check=False, capture_output=True, timeout=100, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
        found = shutil.which("openssl")
    if found is None:
        pytest.fail("openssl is missing and could not be installed: apt-get install openssl")
    return found
