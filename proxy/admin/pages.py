"""Pages: the files of the console, held in memory. They are ours, and load nothing from elsewhere."""

import mimetypes
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from aiohttp import web

from .answers import SAFE

CONSOLE = Path(__file__).parent / "console"
INDEX = "index.html"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".webmanifest": "application/manifest+json"}
_TEXTS = frozenset({"text/javascript", "image/svg+xml", "application/json", "application/manifest+json"})


@dataclass(frozen=True, slots=True)
class Page:
    """A file as it goes out. `tag` is its strong entity tag."""

    body: bytes
    media_type: str
    tag: str

    def answer(self, named: str) -> web.Response:
        """Send it, unless the tags named in If-None-Match show that the client has it."""
        fields = {"Content-Security-Policy": POLICY, "ETag": self.tag, "Cache-Control": "no-cache", **SAFE}
        if named.strip() == "*" or self.tag in [each.strip().removeprefix("W/") for each in named.split(",")]:
            return web.Response(status=304, headers=fields)
        return web.Response(body=self.body, headers={"Content-Type": self.media_type, **fields})


def read_pages(folder: Path = CONSOLE) -> dict[str, Page]:
    """All files of the console, by their paths on the listener; the index stands at `/`."""
    pages = {f"/console/{file.relative_to(folder).as_posix()}": _page(file) for file in sorted(folder.rglob("*")) if file.is_file()}
    return {"/": pages.pop(f"/console/{INDEX}"), **pages}


def _page(file: Path) -> Page:
    body = file.read_bytes()
    media_type = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    if media_type.startswith("text/") or media_type in _TEXTS:
        media_type += "; charset=utf-8"
    return Page(body, media_type, f'"{sha256(body).hexdigest()[:24]}"')
