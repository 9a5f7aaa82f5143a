"""The legacy backend of the Jobs Manager: a JSON API over jobs as its authors wrote it. No versions, no entity tags: the last save wins.

It is deliberately ordinary. noclobber is put in front of it without changing a line here.
"""

import argparse
import json
import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

Record = dict[str, Any]

STATUSES = {"draft": "Draft", "awaiting_approval": "Awaiting approval", "in_progress": "In progress", "archived": "Archived"}
BASIC = ("id", "job_number", "name", "description", "delivery_date", "order_number", "notes")
HEADER = ("id", "job_number", "name", "client", "status", "fully_invoiced", "quoted")
WRITABLE = ("name", "client", "contact", "description", "delivery_date", "order_number", "notes", "status", "complex_job")
LINE = ("kind", "desc", "quantity", "unit_cost", "unit_rev")
RENDER_SECONDS = 0.0


class Problem(Exception):
    """An answer other than a success."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def job(job_id: str, number: int, name: str, client: str, status: str) -> Record:
    return {
        "id": job_id,
        "job_number": number,
        "name": name,
        "client": client,
        "contact": "",
        "description": "",
        "status": status,
        "delivery_date": None,
        "order_number": "",
        "notes": "",
        "complex_job": False,
        "quoted": False,
        "quote_acceptance_date": None,
        "fully_invoiced": False,
        "events": [{"id": str(uuid4()), "timestamp": now(), "event_type": "job_created", "description": "Job created", "staff": "System"}],
        "invoices": [],
    }


def line(line_id: str, job_id: str, kind: str, desc: str, quantity: float, unit_cost: float, unit_rev: float) -> Record:
    return dict(zip(("id", "job_id", *LINE), (line_id, job_id, kind, desc, quantity, unit_cost, unit_rev), strict=True))


BALUSTRADE, TANK, TRAILER = (f"0b0d3a52-7c1e-4c57-9a64-3f8e1d2c4b0{n}" for n in (1, 2, 3))
JOBS = {
    BALUSTRADE: job(BALUSTRADE, 4101, "Stair balustrade", "Harbour Apartments", "in_progress"),
    TANK: job(TANK, 4102, "Stainless tank repair", "Southern Dairy", "awaiting_approval"),
    TRAILER: job(TRAILER, 4103, "Boat trailer axle", "Kauri Marine", "draft"),
}
LINES = {
    "71": line("71", BALUSTRADE, "material", "Handrail 42 mm", 12.0, 18.5, 27.0),
    "72": line("72", BALUSTRADE, "time", "Welding", 6.5, 45.0, 98.0),
    "73": line("73", TANK, "material", "Plate 316 3 mm", 2.0, 210.0, 290.0),
}
CLIENTS = {"9": {"id": "9", "name": "Harbour Apartments", "phone": "09 555 0134"}}
LOCK = threading.Lock()


def find(table: dict[str, Record], key: object, what: str) -> Record:
    try:
        return table[str(key)]
    except KeyError:
        raise Problem(404, f"{what} not found") from None


def named_in(body: Record) -> Record:
    """The job that a body names, in any spelling of its UUID."""
    try:
        return find(JOBS, UUID(str(body.get("job_id"))), "Job")
    except ValueError:
        raise Problem(400, "job_id must be a UUID") from None


def costs(job_id: str) -> Record:
    lines = [entry for entry in LINES.values() if entry["job_id"] == job_id]
    cost, revenue = (round(sum(entry["quantity"] * entry[unit] for entry in lines), 2) for unit in ("unit_cost", "unit_rev"))
    return {"actual": {"cost": cost, "rev": revenue, "profitMargin": round(revenue - cost, 2)}, "lines": len(lines)}


def full(record: Record) -> Record:
    return {"success": True, "data": {"job": {**record, "cost_summary": costs(record["id"])}}}


# ---- a job and its views ------------------------------------------------------------------------------------------------------------


def get_job(request: "Request", job_id: str) -> Record:
    return full(find(JOBS, job_id, "Job"))


def create_job(request: "Request") -> Record:
    record = job(str(uuid4()), 4101 + len(JOBS), "", "", "draft")
    JOBS[record["id"]] = record
    request.status = 201
    return {"success": True, "job_id": patch_job(request, record["id"])["data"]["job"]["id"]}


def put_job(request: "Request", job_id: str) -> Record:
    record = find(JOBS, job_id, "Job")
    record.update({name: request.body.get(name, "") for name in WRITABLE})
    return full(record)


def patch_job(request: "Request", job_id: str) -> Record:
    record = find(JOBS, job_id, "Job")
    record.update({name: value for name, value in request.body.items() if name in WRITABLE})
    return full(record)


def delete_job(request: "Request", job_id: str) -> Record:
    del JOBS[find(JOBS, job_id, "Job")["id"]]
    return {"success": True, "message": "Job deleted"}


def get_header(request: "Request", job_id: str) -> Record:
    record = find(JOBS, job_id, "Job")
    return {name: record[name] for name in HEADER}


def get_basic_info(request: "Request", job_id: str) -> Record:
    record = find(JOBS, job_id, "Job")
    return {name: record[name] for name in BASIC}


def get_costs_summary(request: "Request", job_id: str) -> Record:
    return costs(find(JOBS, job_id, "Job")["id"])


def get_events(request: "Request", job_id: str) -> Record:
    return {"events": find(JOBS, job_id, "Job")["events"]}


def create_event(request: "Request", job_id: str) -> Record:
    description = str(request.body.get("description", "")).strip()
    if not description:
        raise Problem(400, "A description is required")
    event = {"id": str(uuid4()), "timestamp": now(), "event_type": "manual_note", "description": description, "staff": "Workshop"}
    find(JOBS, job_id, "Job")["events"].append(event)
    request.status = 201
    return {"success": True, "event": event}


def get_invoices(request: "Request", job_id: str) -> Record:
    return {"invoices": find(JOBS, job_id, "Job")["invoices"]}


def get_quote(request: "Request", job_id: str) -> Record:
    record = find(JOBS, job_id, "Job")
    return {
        "job_id": job_id,
        "quoted": record["quoted"],
        "acceptance_date": record["quote_acceptance_date"],
        "total": costs(job_id)["actual"]["rev"],
    }


def accept_quote(request: "Request", job_id: str) -> Record:
    record = find(JOBS, job_id, "Job")
    record.update(quoted=True, quote_acceptance_date=now(), status="in_progress")
    return {"success": True, "job_id": job_id, "quote_acceptance_date": record["quote_acceptance_date"]}


def toggle_complex(request: "Request") -> Record:
    record = named_in(request.body)
    record["complex_job"] = bool(request.body.get("complex_job"))
    return {"success": True, "complex_job": record["complex_job"]}


# ---- no job, or several -------------------------------------------------------------------------------------------------------------


def get_status_choices(request: "Request") -> Record:
    return {"statuses": STATUSES}


def get_weekly_metrics(request: "Request") -> list[Record]:
    return [{"job_number": record["job_number"], "name": record["name"], **costs(record["id"])["actual"]} for record in JOBS.values()]


def get_lines(request: "Request") -> list[Record]:
    wanted = request.query.get("job_id")
    return [entry for entry in LINES.values() if wanted in (None, entry["job_id"])]


def create_line(request: "Request") -> Record:
    job_id = named_in(request.body)["id"]
    entry = {"id": str(uuid4()), "job_id": job_id, **{name: request.body.get(name) for name in LINE}}
    LINES[entry["id"]] = entry
    request.status = 201
    return entry


def get_line(request: "Request", line_id: str) -> Record:
    return find(LINES, line_id, "Cost line")


def patch_line(request: "Request", line_id: str) -> Record:
    entry = find(LINES, line_id, "Cost line")
    if named_in(request.body)["id"] != entry["job_id"]:
        raise Problem(400, "The cost line is not one of this job's")
    entry.update({name: value for name, value in request.body.items() if name in LINE})
    return entry


def delete_line(request: "Request", line_id: str) -> None:
    entry = find(LINES, line_id, "Cost line")
    if request.query.get("job_id") != entry["job_id"]:
        raise Problem(400, "The cost line is not one of this job's")
    del LINES[line_id]
    request.status = 204


def get_client(request: "Request", client_id: str) -> Record:
    return find(CLIENTS, client_id, "Client")


def put_client(request: "Request", client_id: str) -> Record:
    CLIENTS[client_id] = {**request.body, "id": client_id}
    return CLIENTS[client_id]


JOB = "/job/rest/jobs/(?P<job_id>[0-9a-f-]{36})"
COST_LINE = "/job/rest/cost_lines/(?P<line_id>[0-9a-f-]+)/"
VIEWS: dict[tuple[str, str], Callable[..., Any]] = {
    ("GET", f"{JOB}/"): get_job,
    ("PUT", f"{JOB}/"): put_job,
    ("PATCH", f"{JOB}/"): patch_job,
    ("DELETE", f"{JOB}/"): delete_job,
    ("GET", f"{JOB}/header/"): get_header,
    ("GET", f"{JOB}/basic-info/"): get_basic_info,
    ("GET", f"{JOB}/costs/summary/"): get_costs_summary,
    ("GET", f"{JOB}/events/"): get_events,
    ("POST", f"{JOB}/events/create/"): create_event,
    ("GET", f"{JOB}/invoices/"): get_invoices,
    ("GET", f"{JOB}/quote/"): get_quote,
    ("POST", f"{JOB}/quote/accept/"): accept_quote,
    ("POST", "/job/rest/jobs/"): create_job,
    ("POST", "/job/rest/jobs/toggle-complex-job/"): toggle_complex,
    ("GET", "/job/rest/jobs/status-choices/"): get_status_choices,
    ("GET", "/job/rest/jobs/weekly-metrics/"): get_weekly_metrics,
    ("GET", "/job/rest/cost_lines/"): get_lines,
    ("POST", "/job/rest/cost_lines/"): create_line,
    ("GET", COST_LINE): get_line,
    ("PATCH", COST_LINE): patch_line,
    ("DELETE", COST_LINE): delete_line,
    ("GET", "/clients/(?P<client_id>[0-9]+)/"): get_client,
    ("PUT", "/clients/(?P<client_id>[0-9]+)/"): put_client,
}


class Request(BaseHTTPRequestHandler):
    """One request, and its answer."""

    protocol_version = "HTTP/1.1"
    # Head and body leave in one packet.
    wbufsize = -1
    body: Record
    query: dict[str, str]
    status: int

    def answer(self) -> None:
        target = urlsplit(self.path)
        self.query = {name: values[-1] for name, values in parse_qs(target.query).items()}
        self.status = 200
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            self.body = json.loads(content or b"{}")
            if not isinstance(self.body, dict):
                raise Problem(400, "A JSON object is expected")
            time.sleep(RENDER_SECONDS)
            with LOCK:
                text = json.dumps(self.call(target.path))
        except ValueError:
            self.status, text = 400, json.dumps({"error": "JSON is expected"})
        except Problem as problem:
            self.status, text = problem.status, json.dumps({"error": str(problem)})
        self.send(text.encode())

    def call(self, path: str) -> Any:
        is_known = False
        for (method, pattern), view in VIEWS.items():
            if found := re.fullmatch(pattern, path):
                is_known = True
                if method == self.command:
                    return view(self, **found.groupdict())
        raise Problem(405, "Method not allowed") if is_known else Problem(404, "Not found")

    def send(self, content: bytes) -> None:
        self.send_response(self.status)
        if self.status != 204:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.status != 204:
            self.wfile.write(content)

    do_GET = do_PUT = do_PATCH = do_DELETE = do_POST = answer  # noqa: N815 (the names that http.server calls)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing: one line a request is noise here."""


def main() -> None:
    global RENDER_SECONDS
    parser = argparse.ArgumentParser(description="A legacy jobs API without versions: the last save wins.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--render-seconds", type=float, default=0.0, help="how long every answer takes (default 0)")
    options = parser.parse_args()
    RENDER_SECONDS = options.render_seconds
    print(f"jobs on http://{options.host}:{options.port}/job/rest/jobs/{BALUSTRADE}/", flush=True)
    ThreadingHTTPServer((options.host, options.port), Request).serve_forever()


if __name__ == "__main__":
    main()
