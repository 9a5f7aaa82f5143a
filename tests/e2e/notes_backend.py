"""A backend as they are: notes in SQLite, the last write wins, and answers that no two looks have in common.

A look is counted (`lastViewed`) and dated (`serverTime`). A write counts up `version` and dates `updatedAt` (in milliseconds),
`savedAt` (in whole seconds, as a DATETIME column keeps it) and Last-Modified. Nothing looks at any of them. It prints its port.
"""

import argparse
import json
import sqlite3
import threading
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

TABLE = "CREATE TABLE IF NOT EXISTS notes (path TEXT PRIMARY KEY, note TEXT, version INTEGER, updated REAL, viewed INTEGER)"
WRITE = """
INSERT INTO notes VALUES (?, ?, 1, ?, 0)
ON CONFLICT (path) DO UPDATE SET note = excluded.note, version = version + 1, updated = excluded.updated
"""
LOOK = "UPDATE notes SET viewed = viewed + 1 WHERE path = ? RETURNING note, version, updated, viewed"


class Notes(BaseHTTPRequestHandler):
    """GET shows a note, PUT puts one in its place."""

    protocol_version = "HTTP/1.1"
    database: ClassVar[sqlite3.Connection]
    lock: ClassVar[threading.Lock]

    def do_GET(self) -> None:
        """Show a note, as of now."""
        with self.lock, self.database:
            rows = self.database.execute(LOOK, (self.path,)).fetchall()
        if not rows:
            self._answer(404, {"error": "no such note"})
            return
        note, version, updated, viewed = rows[0]
        saved = datetime.fromtimestamp(updated, UTC)
        shown = {
            **json.loads(note),
            "serverTime": time.time(),
            "meta": {"lastViewed": viewed, "version": version},
            "updatedAt": saved.isoformat(timespec="milliseconds"),
            "savedAt": saved.strftime("%Y-%m-%d %H:%M:%S"),
        }
        self._answer(200, shown, {"Last-Modified": format_datetime(saved.replace(microsecond=0), usegmt=True)})

    def do_PUT(self) -> None:
        """Put a note in the place of whatever was there."""
        note = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        with self.lock, self.database:
            self.database.execute(WRITE, (self.path, note.decode(), time.time()))
        self._answer(200, {"saved": True})

    def _answer(self, status: int, document: object, fields: dict[str, str] | None = None) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **(fields or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def main() -> None:
    """Serve until the process is stopped."""
    parser = argparse.ArgumentParser(description="Notes behind HTTP, on a free port, which is printed.")
    parser.add_argument("--database", type=Path, required=True)
    Notes.database = sqlite3.connect(parser.parse_args().database, check_same_thread=False)
    Notes.database.execute(TABLE)
    Notes.lock = threading.Lock()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Notes)
    print(f"listening on {server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
