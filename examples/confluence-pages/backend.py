"""A page store with the paths of Confluence's REST API, and without its version checks: it keeps what it is sent, the last save wins.

There is no version number anywhere in it, though its clients cannot work without one. noclobber is put in front of it.
"""

import argparse
import json
import re
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Page = dict[str, Any]

PAGE = re.compile(r"/rest/api/content/(?P<id>\d+)(?P<history>/history)?")
COLLECTION = re.compile(r"/rest/api/content/?")
# What is only shown where `expand` names it.
EXPANDABLE = ("body", "metadata", "ancestors")

pages: dict[str, Page] = {}
lock = threading.Lock()


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def save(page_id: str, sent: Page) -> Page:
    with lock:
        page = {"status": "current", "history": {"createdDate": now()}, **pages.get(page_id, {}), **sent, "id": page_id}
        page["lastUpdated"] = {"when": now(), "by": {"type": "known", "username": "admin"}}
        pages[page_id] = page
        return page


def shown(page: Page, expand: str) -> Page:
    """A page as a GET shows it: with those of its parts that `expand` names."""
    names = {name.partition(".")[0] for name in expand.split(",")}
    hidden = {"lastUpdated", *(name for name in EXPANDABLE if name not in names)}
    return {key: value for key, value in page.items() if key not in hidden}


def history(page: Page) -> Page:
    return {"latest": True, **page["history"], "lastUpdated": page["lastUpdated"]}


class Handler(BaseHTTPRequestHandler):
    """Confluence's `content` resource: one page, its history, the collection."""

    protocol_version = "HTTP/1.1"
    # Head and body of an answer leave as two segments, and the second would wait for the first to be acknowledged.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        if COLLECTION.fullmatch(url.path):
            found = [page for page in list(pages.values()) if query.get("title") in (None, page.get("title"))]
            results = [shown(page, query.get("expand", "")) for page in found]
            return self.answer(200, {"results": results, "start": 0, "limit": 25, "size": len(results)})
        named = PAGE.fullmatch(url.path)
        if named is None or named["id"] not in pages:
            return self.answer_missing()
        page = pages[named["id"]]
        return self.answer(200, history(page) if named["history"] else shown(page, query.get("expand", "")))

    def do_POST(self) -> None:
        sent = self.read()
        if not COLLECTION.fullmatch(urlsplit(self.path).path):
            return self.answer_missing()
        page_id = str(max(map(int, pages), default=65536) + 1)
        return self.answer(200, save(page_id, sent))

    def do_PUT(self) -> None:
        sent = self.read()
        named = PAGE.fullmatch(urlsplit(self.path).path)
        if named is None or named["history"] or named["id"] not in pages:
            return self.answer_missing()
        return self.answer(200, save(named["id"], sent))

    def do_DELETE(self) -> None:
        named = PAGE.fullmatch(urlsplit(self.path).path)
        if named is None or pages.pop(named["id"], None) is None:
            return self.answer_missing()
        return self.answer(204, None)

    def read(self) -> Page:
        sent = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        assert isinstance(sent, dict)
        return sent

    def answer(self, status: int, document: object) -> None:
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        if document is not None:
            self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer_missing(self) -> None:
        self.answer(404, {"statusCode": 404, "message": "No content found"})

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: noclobber's log tells of every request."""


class Server(ThreadingHTTPServer):
    """A thread for each connection. Many clients at once are let in before the first is served."""

    request_queue_size = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=9003)
    server = Server(("127.0.0.1", parser.parse_args().port), Handler)
    save("65537", {"type": "page", "title": "Release notes", "space": {"key": "DOC"}, "body": storage("<p>First draft.</p>")})
    print(f"listening on {server.server_address[1]}", flush=True)
    server.serve_forever()


def storage(value: str) -> Page:
    return {"storage": {"value": value, "representation": "storage"}}


if __name__ == "__main__":
    main()
