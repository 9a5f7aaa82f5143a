"""Answers: documents and problems as HTTP has them."""

from datetime import datetime
from http import HTTPStatus

import msgspec
from aiohttp import web

from .documents import Document, Problem

NO_STORE = {"Cache-Control": "no-store"}
# What any page of a browser is told, so that nothing is made of an answer that it is not.
SAFE = {
    "Server": "noclobber",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Refused(Exception):
    """A request that is not answered with what it asks for. `headers` are further fields of the answer."""

    def __init__(self, status: int, detail: str, until_at: datetime | None = None, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.problem = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, until_at=until_at)
        self.headers = headers or {}

    @property
    def answer(self) -> web.Response:
        """The problem, as it goes out."""
        fields = {"Content-Type": "application/problem+json", **NO_STORE, **SAFE, **self.headers}
        return web.Response(status=self.problem.status, body=_text(self.problem), headers=fields)


def answer(document: Document | tuple[Document, ...], status: int = 200) -> web.Response:
    """A document, as it goes out."""
    return web.Response(status=status, body=_text(document), headers={"Content-Type": "application/json", **NO_STORE, **SAFE})


def _text(document: Document | tuple[Document, ...]) -> bytes:
    return msgspec.json.encode(document) + b"\n"
