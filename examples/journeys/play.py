"""Play the race of session.sh with the standard library alone, and exit 0 only if it went as noclobber promises.

A machine without curl can run it: `play.py --backend HOST:PORT --proxy HOST:PORT`.
"""

import argparse
import http.client
import json
import sys
import time
from dataclasses import dataclass
from typing import Any

PATH = "/api/journeys/onboarding"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    etag: str | None
    kind: str
    body: dict[str, Any]


class Disappointed(Exception):
    """Something did not go as promised."""


def ask(address: str, method: str, body: dict[str, Any] | None = None, if_match: str | None = None) -> Answer:
    headers = {} if body is None else {"Content-Type": "application/json"}
    if if_match is not None:
        headers["If-Match"] = if_match
    connection = http.client.HTTPConnection(address, timeout=30)
    try:
        connection.request(method, PATH, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        text = response.read()
        kind = response.getheader("Content-Type", "").split(";")[0]
        try:
            parsed = json.loads(text)
        except json.JSONDecodeError:
            parsed = {"text": text.decode(errors="replace")}
        return Answer(response.status, response.getheader("ETag"), kind, parsed if isinstance(parsed, dict) else {"list": parsed})
    finally:
        connection.close()


def tell(line: str) -> None:
    print(line, flush=True)


def expect(truth: bool, what: str) -> None:
    if not truth:
        raise Disappointed(what)


def lose_an_update(backend: str) -> None:
    """Show that the backend alone loses Ana's edit."""
    tell(f"1. Straight at the backend ({backend})")
    note = f"Ana, {time.time_ns()}"
    ana, ben = ask(backend, "GET"), ask(backend, "GET")
    first = ask(backend, "PUT", {**ana.body, "notes": note})
    second = ask(backend, "PUT", {**ben.body, "status": "active"})
    tell(f"   Ana and Ben both read. Ana saves: {first.status}. Ben saves: {second.status}.")
    expect(first.status == second.status == 200, "the backend refused a write")
    lost = ask(backend, "GET").body["notes"] != note
    expect(lost, "the backend kept Ana's edit: it is not the last-write-wins backend of this demo")
    tell("   Ana's edit is gone, and nobody was told: a lost update.")


def keep_both_updates(proxy: str) -> None:
    """Show that noclobber refuses the stale write, and that a second try keeps both edits."""
    tell(f"2. The same race through noclobber ({proxy})")
    note = f"Ana, {time.time_ns()}"
    ana, ben = ask(proxy, "GET"), ask(proxy, "GET")
    expect(
        ana.status == 200 and ana.etag is not None and ana.etag == ben.etag,
        f"no ETag on a GET, or not the same twice: {ana.etag}, {ben.etag}",
    )
    tell(f"   Ana and Ben both read {ana.etag}.")
    first = ask(proxy, "PUT", {**ana.body, "notes": note}, ana.etag)
    expect(
        first.status == 200 and first.etag is not None and first.etag != ana.etag, f"Ana's save answered {first.status} with {first.etag}"
    )
    tell(f"   Ana saves: 200, now it is {first.etag}.")
    stale = ask(proxy, "PUT", {**ben.body, "status": "draft"}, ben.etag)
    expect(stale.status == 412, f"Ben's stale save answered {stale.status}, not 412")
    expect(stale.kind == "application/problem+json", f"the refusal is {stale.kind}, not a problem document")
    expect(ask(proxy, "GET").body["notes"] == note, "Ana's edit is gone in spite of the 412")
    tell(f"   Ben saves with the old tag: 412, {stale.body.get('title', 'refused')}. Ana's edit stands.")
    again = ask(proxy, "GET")
    retried = ask(proxy, "PUT", {**again.body, "status": "active"}, again.etag)
    expect(retried.status == 200, f"Ben's second save answered {retried.status}")
    final = ask(proxy, "GET").body
    expect(final["notes"] == note and final["status"] == "active", "one of the two edits is missing")
    tell("   Ben reads again and saves: 200. Both edits are there.")


def race(backend: str, proxy: str) -> int:
    """Play both halves. Returns 0 if the update was lost at the backend and refused by the proxy, else 1 and says why."""
    try:
        lose_an_update(backend)
        keep_both_updates(proxy)
    except (Disappointed, OSError, http.client.HTTPException, KeyError) as problem:
        tell(f"   FAILED: {problem}")
        return 1
    tell("The update that was lost without noclobber was refused with it.")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Play the lost-update race against the backend and through noclobber.")
    parser.add_argument("--backend", default="127.0.0.1:9000", metavar="HOST:PORT")
    parser.add_argument("--proxy", default="127.0.0.1:8080", metavar="HOST:PORT")
    options = parser.parse_args()
    return race(options.backend, options.proxy)


if __name__ == "__main__":
    sys.exit(main())
