"""The content API of TRAVI CMS as it was before anybody thought of conflicts: the last save wins.

No versions and no entity tags, only a Last-Modified that nobody compares. noclobber is put in front of it without changing a line here.
"""

import argparse
import json
import re
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any

Content = dict[str, Any]

ITEM = re.compile(r"/api/contents/(\d+)")
FIXED = ("id", "createdAt")


def content(number: int, title: str, author: str, status: str, updated: str, tags: list[str], body: str) -> Content:
    slug = "-".join(re.findall(r"[a-z0-9]+", title.lower()))
    dates = {"createdAt": "2025-11-03T08:00:00.000Z", "updatedAt": updated}
    return {"id": number, "title": title, "slug": slug, "status": status, "author": author, "tags": tags, "body": body, **dates}


SEED = [
    content(
        121, "Ten quiet beaches in Madeira", "Inês Carvalho", "published", "2026-01-09T16:20:11.000Z", ["madeira", "beaches"],
        "Praia da Calheta is where everybody goes. These ten are where the people of Funchal go instead.",
    ),
    content(
        122, "Night trains are back: Vienna to Rome", "Lukas Brandt", "published", "2026-01-12T07:45:02.000Z", ["trains", "italy"],
        "You board after dinner, and the coffee at Orte is still warm when the hills turn pink.",
    ),
    content(
        123, "A long weekend in Porto", "Inês Carvalho", "draft", "2026-01-14T10:02:37.000Z", ["porto", "city-break"],
        "Start on the Gaia side, where the whole town stands in front of you, and cross the upper deck on foot.",
    ),
    content(
        124, "What to pack for the Faroe Islands", "Maja Holm", "review", "2026-01-15T18:31:54.000Z", ["faroe", "packing"],
        "Four seasons a day is no joke. Bring wool, a hat that cannot fly, and patience.",
    ),
    content(
        125, "Kyoto before the crowds", "Aiko Tanaka", "draft", "2026-01-16T05:12:40.000Z", ["kyoto", "temples"],
        "Fushimi Inari at six in the morning belongs to cats and to one old man with a broom.",
    ),
]  # fmt: skip

contents: dict[int, Content] = {item["id"]: item for item in SEED}
lock = Lock()


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body of an answer are two writes: without this the second waits for an acknowledgement.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.path.partition("?")[0] == "/api/contents":
            with lock:
                self.answer(200, list(contents.values()))
        elif (found := self.find()) is not None:
            self.answer(200, found)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        data = self.read_object()
        if self.path != "/api/contents":
            self.answer(404, {"error": "Not found"})
        elif data is not None:
            with lock:
                number = max(contents, default=0) + 1
                contents[number] = {"status": "draft", "tags": [], **data, "id": number, "createdAt": now(), "updatedAt": now()}
            self.answer(201, contents[number], Location=f"/api/contents/{number}")

    def do_PATCH(self) -> None:
        data = self.read_object()
        if data is not None and (found := self.find()) is not None:
            changes = {name: value for name, value in data.items() if name not in FIXED}
            with lock:
                contents[found["id"]] = {**contents.get(found["id"], found), **changes, "updatedAt": now()}
            self.answer(200, contents[found["id"]])

    def do_PUT(self) -> None:
        data = self.read_object()
        if data is not None and (found := self.find()) is not None:
            with lock:
                contents[found["id"]] = {**data, **{name: found[name] for name in FIXED}, "updatedAt": now()}
            self.answer(200, contents[found["id"]])

    def do_DELETE(self) -> None:
        if (found := self.find()) is not None:
            with lock:
                contents.pop(found["id"], None)
            self.answer(204)

    def find(self) -> Content | None:
        """The content that the path names. None: there is none, and the answer is sent."""
        match = ITEM.fullmatch(self.path.partition("?")[0])
        with lock:
            found = contents.get(int(match[1])) if match else None
        if found is None:
            self.answer(404, {"error": "Content not found"})
        return found

    def read_object(self) -> Content | None:
        """The object that was sent. None: there is none, and the answer is sent."""
        try:
            data = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        except ValueError:
            data = None
        if not isinstance(data, dict):
            self.answer(400, {"error": "A JSON object is expected"})
            return None
        return data

    def answer(self, status: int, document: object = None, **fields: str) -> None:
        text = b"" if document is None else json.dumps(document, ensure_ascii=False).encode()
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        if document is not None:
            self.send_header("Content-Type", "application/json; charset=utf-8")
        if isinstance(document, dict) and "updatedAt" in document:
            self.send_header("Last-Modified", format_datetime(datetime.fromisoformat(document["updatedAt"]), usegmt=True))
        if status != 204:
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)


def main() -> None:
    parser = argparse.ArgumentParser(description="The content API of TRAVI CMS: the last save wins.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9000)
    options = parser.parse_args()
    with ThreadingHTTPServer((options.host, options.port), Handler) as server:
        print(f"contents on http://{options.host}:{server.server_port}/api/contents", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
