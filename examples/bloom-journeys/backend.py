"""The journey API of BLOOM as it was when BLOOM-203 was written: a table of journeys, and the last save wins.

There is no version in it, and it takes none: what is no column of the table is an error, as the ORM of the original has it. A PUT sets
the columns that it names, without looking whether the journey is there. noclobber is put in front of it without changing a line here.
"""

import argparse
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Lock
from typing import Any

Journey = dict[str, Any]

ITEM = re.compile(r"/api/journeys/([a-z0-9]+)")
COLUMNS = ("id", "name", "description", "clientId", "stages", "status", "createdAt", "updatedAt")
REQUIRED = ("name", "clientId", "stages")


def stage(name: str, *touchpoints: str) -> dict[str, Any]:
    pairs = (text.split(": ", 1) for text in touchpoints)
    return {"name": name, "touchpoints": [{"channel": channel, "title": title} for channel, title in pairs]}


def journey(journey_id: str, name: str, description: str | None, client: str, status: str, *stages: dict[str, Any]) -> Journey:
    dates = {"createdAt": "2025-12-01T09:30:00.000Z", "updatedAt": "2026-01-12T14:05:21.000Z"}
    what = {"id": journey_id, "name": name, "description": description, "clientId": client}
    return {**what, "stages": list(stages), "status": status, **dates}


SEED = [
    journey(
        "clx2onboard01", "New customer onboarding", "From the first click to the first payment.", "northwind-bank", "draft",
        stage("Discover", "web: Compare accounts", "ad: Switch in seven days"),
        stage("Sign up", "app: Scan your passport", "email: Confirm your address"),
        stage("First month", "post: Card arrives", "call: Welcome call"),
    ),
    journey(
        "clx2spring002", "Spring collection launch", None, "atelier-fjord", "active",
        stage("Tease", "social: Fabric close-ups", "email: Early access list"),
        stage("Launch", "web: Lookbook", "store: Fitting evening"),
    ),
    journey(
        "clx2renewal03", "Policy renewal", "Nobody should find out by a letter that the price has changed.", "harbour-insurance", "active",
        stage("Remind", "email: Sixty days left", "sms: Fourteen days left"),
        stage("Renew", "app: One-tap renewal", "call: Ask an adviser"),
    ),
    journey(
        "clx2winback04", "Win back lapsed readers", None, "the-daily-lark", "archived",
        stage("Notice", "email: We saved your bookmarks"),
        stage("Return", "web: Three months for one", "app: Pick your topics"),
    ),
]  # fmt: skip

journeys: dict[str, Journey] = {item["id"]: item for item in SEED}
numbers = count(1)
lock = Lock()


class Invalid(Exception):
    """What the ORM says of data that does not fit the table."""


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def check(data: Journey) -> None:
    for name in data:
        if name not in COLUMNS:
            raise Invalid(f"Unknown argument `{name}`. Available options are {', '.join(COLUMNS)}.")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body of an answer are two writes: without this the second waits for an acknowledgement.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        match = ITEM.fullmatch(self.path)
        with lock:
            rows = list(journeys.values())
        if self.path.partition("?")[0] == "/api/journeys":
            self.answer(200, rows)
        elif match and (found := [row for row in rows if row["id"] == match[1]]):
            self.answer(200, found[0])
        else:
            self.answer(404, {"error": "Journey not found"})

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.attempt(self.create)

    def do_PUT(self) -> None:
        self.attempt(self.update)

    def do_DELETE(self) -> None:
        self.attempt(self.delete)

    def attempt(self, action: Callable[[Journey], tuple[int, Journey | None]]) -> None:
        """Run a write. What it raises is the 500 of the framework."""
        try:
            data = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            with lock:
                status, document = action(data)
        except Exception as problem:
            self.answer(500, {"error": "Internal Server Error", "message": f"{type(problem).__name__}: {problem}"})
        else:
            self.answer(status, document)

    def create(self, data: Journey) -> tuple[int, Journey]:
        check(data)
        if missing := [name for name in REQUIRED if name not in data]:
            raise Invalid(f"Argument `{missing[0]}` is missing.")
        journey_id = f"clx3new{next(numbers):06d}"
        row = {"id": journey_id, "description": None, "status": "draft", **data, "createdAt": now(), "updatedAt": now()}
        journeys[row["id"]] = {name: row[name] for name in COLUMNS}
        return 201, journeys[row["id"]]

    def update(self, data: Journey) -> tuple[int, Journey]:
        check(data)
        row = journeys[self.named()]
        journeys[row["id"]] = {**row, **data, "id": row["id"], "createdAt": row["createdAt"], "updatedAt": now()}
        return 200, journeys[row["id"]]

    def delete(self, data: Journey) -> tuple[int, None]:
        del journeys[self.named()]
        return 204, None

    def named(self) -> str:
        match = ITEM.fullmatch(self.path)
        if match is None or match[1] not in journeys:
            raise LookupError("An operation failed because it depends on one or more records that were required but not found.")
        return match[1]

    def answer(self, status: int, document: object = None) -> None:
        text = b"" if document is None else json.dumps(document, ensure_ascii=False).encode()
        self.send_response(status)
        if document is not None:
            self.send_header("Content-Type", "application/json; charset=utf-8")
        if status != 204:
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)


def main() -> None:
    parser = argparse.ArgumentParser(description="The journey API of BLOOM: the last save wins.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9000)
    options = parser.parse_args()
    with ThreadingHTTPServer((options.host, options.port), Handler) as server:
        print(f"journeys on http://{options.host}:{server.server_port}/api/journeys", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
