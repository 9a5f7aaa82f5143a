"""The certificates of a TLS listener: which one a client gets, and how new ones are taken in while it runs."""

import asyncio
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_logger = logging.getLogger("noclobber")

WATCH_SECONDS = 2.0
"""How often the files are looked at."""

Stamps = Mapping[Path, tuple[int, int, int]]
"""What tells that a file was replaced or changed: inode, size, time of change in nanoseconds."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What a listener speaks TLS with. All files are in PEM.

    `directory` holds further certificates, each with its chain and key in a file named after its host, `api.example.org.pem`; an
    underscore stands for any one label, `_.example.org.pem`. `client_ca` None: no client is asked for a certificate, else each is.
    """

    certificate: Path
    key: Path
    directory: Path | None = None
    client_ca: Path | None = None
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2


class Certificates:
    """Hold the contexts, and renew them. `context` is what a listener is made with, once: each handshake takes the latest from it."""

    def __init__(self, files: TlsFiles) -> None:
        """Read the files. OSError (SSLError among them) or ValueError where one cannot be used."""
        self._files = files
        self._stamps = self._look()
        self._trouble = ""
        self._fallback, self._by_name = self._read()
        self.context = self._context(files.certificate, files.key)
        self.context.sni_callback = self._choose

    async def watch(self) -> None:
        """Look for new files, for ever."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            await asyncio.to_thread(self.renew)

    def renew(self) -> None:
        """Take new files in, if there are any. What cannot be used is logged once, and the old stays."""
        try:
            stamps = self._look()
            if stamps == self._stamps:
                return
            self._stamps = stamps
            self._fallback, self._by_name = self._read()
        except (OSError, ValueError) as error:
            trouble = describe(error)
            if trouble != self._trouble:
                _logger.error("the new certificates cannot be used, the old ones stay: %s", trouble)
            self._trouble = trouble
        else:
            self._trouble = ""
            _logger.info("new certificates are in use")

    def _choose(self, handshake: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        """Put the certificate for name in place; that of the listener where name is None or there is no other."""
        found = None
        if name is not None and self._by_name:
            host = name.lower().rstrip(".")
            found = self._by_name.get(host) or self._by_name.get(f"_.{host.partition('.')[2]}")
        handshake.context = found or self._fallback

    def _read(self) -> tuple[ssl.SSLContext, dict[str, ssl.SSLContext]]:
        files = self._files
        by_name = {path.stem.lower(): self._context(path, None) for path in self._named()}
        return self._context(files.certificate, files.key), by_name

    def _context(self, certificate: Path, key: Path | None) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = self._files.minimum
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(certificate, key, password=_refuse_password)
        except (OSError, ValueError) as error:
            raise OSError(f"{certificate}: {describe(error)}") from error
        if self._files.client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            try:
                context.load_verify_locations(self._files.client_ca)
            except OSError as error:
                raise OSError(f"{self._files.client_ca}: {describe(error)}") from error
        return context

    def _named(self) -> list[Path]:
        directory = self._files.directory
        if directory is None:
            return []
        # iterdir and not glob: a directory that cannot be read must not look empty.
        return sorted(path for path in directory.iterdir() if path.suffix == ".pem")

    def _look(self) -> Stamps:
        files = self._files
        paths = [files.certificate, files.key, *([files.client_ca] if files.client_ca else []), *self._named()]
        found = {path: path.stat() for path in paths}
        return {path: (status.st_ino, status.st_size, status.st_mtime_ns) for path, status in found.items()}


def _refuse_password() -> str:
    raise ValueError("the key is encrypted: there is nobody to ask for its password")


def describe(error: Exception) -> str:
    """Say what is wrong with a file, in one line."""
    if isinstance(error, ssl.SSLError):
        return error.reason.lower().replace("_", " ") if error.reason else "it holds no certificate or key in PEM"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)
