"""The demo's legacy backend: a JSON API over journeys as its authors wrote it. No versions, no entity tags: the last save wins.

It is deliberately ordinary. noclobber is put in front of it without changing a line here.
"""

import argparse
import json
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

Journey = dict[str, Any]


def stage(name: str, *touchpoints: str) -> dict[str, Any]:
    return {
        "name": name,
        "touchpoints": [{"channel": channel, "title": title} for channel, title in (t.split(": ", 1) for t in touchpoints)],
    }


def journey(journey_id: str, name: str, client: str, owner: str, status: str, *stages: dict[str, Any]) -> Journey:
    return {
        "id": journey_id,
        "name": name,
        "clientId": client,
        "owner": owner,
        "status": status,
        "notes": "",
        "stages": list(stages),
        "createdAt": "2026-01-12T09:30:00.000Z",
        "updatedAt": "2026-01-12T09:30:00.000Z",
    }


SEED = [
    journey(
        "onboarding", "New customer onboarding", "northwind-bank", "Mara Lindqvist", "draft",
        stage("Discover", "web: Compare accounts", "ad: Switch in seven days"),
        stage("Sign up", "app: Scan your passport", "email: Confirm your address"),
        stage("First month", "post: Card arrives", "app: First payment", "call: Welcome call"),
    ),
    journey(
        "spring-launch", "Spring collection launch", "atelier-fjord", "Tomas Okafor", "active",
        stage("Tease", "social: Fabric close-ups", "email: Early access list"),
        stage("Launch", "web: Lookbook", "store: Fitting evening"),
    ),
    journey(
        "renewal", "Policy renewal", "harbour-insurance", "Priya Raman", "active",
        stage("Remind", "email: Sixty days left", "sms: Fourteen days left"),
        stage("Compare", "web: What changed in your cover"),
        stage("Renew", "app: One-tap renewal", "call: Ask an adviser"),
    ),
    journey(
        "claim", "A first claim", "harbour-insurance", "Priya Raman", "draft",
        stage("Report", "app: Photograph the damage", "call: Hotline at night"),
        stage("Settle", "email: Claim accepted", "web: Where is my money"),
    ),
    journey(
        "win-back", "Win back lapsed readers", "the-daily-lark", "Jonas Weber", "archived",
        stage("Notice", "email: We saved your bookmarks"),
        stage("Return", "web: Three months for one", "app: Pick your topics"),
    ),
    journey(
        "city-break", "Weekend city break", "blue-rail", "Aiko Tanaka", "draft",
        stage("Dream", "social: Ten hours in Lyon", "web: Price calendar"),
        stage("Book", "app: Seat map", "email: Ticket and receipt"),
        stage("Travel", "sms: Platform change", "app: Order from your seat"),
    ),
]  # fmt: skip

routes = web.RouteTableDef()
journeys: dict[str, Journey] = {}


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def find(request: web.Request) -> Journey:
    try:
        return journeys[request.match_info["id"]]
    except KeyError:
        raise web.HTTPNotFound(text='{"error": "Journey not found"}', content_type="application/json") from None


async def read_object(request: web.Request) -> Journey:
    try:
        data = await request.json()
    except json.JSONDecodeError:
        data = None
    if not isinstance(data, dict):
        raise web.HTTPBadRequest(text='{"error": "A JSON object is expected"}', content_type="application/json")
    return data


@routes.get("/api/journeys")
async def list_journeys(request: web.Request) -> web.Response:
    return web.json_response([{key: j[key] for key in ("id", "name", "clientId", "status", "updatedAt")} for j in journeys.values()])


@routes.post("/api/journeys")
async def create_journey(request: web.Request) -> web.Response:
    data = await read_object(request)
    base = journey_id = "-".join(str(data.get("name", "journey")).lower().split()) or "journey"
    number = 1
    while journey_id in journeys:
        number += 1
        journey_id = f"{base}-{number}"
    journeys[journey_id] = {"status": "draft", "stages": [], **data, "id": journey_id, "createdAt": now(), "updatedAt": now()}
    for field in ("name", "clientId"):
        journeys[journey_id].setdefault(field, "")
    return web.json_response(journeys[journey_id], status=201, headers={"Location": f"/api/journeys/{journey_id}"})


@routes.get("/api/journeys/{id}")
async def get_journey(request: web.Request) -> web.Response:
    return web.json_response(find(request))


@routes.put("/api/journeys/{id}")
async def replace_journey(request: web.Request) -> web.Response:
    old = find(request)
    data = await read_object(request)
    fixed = {"id": old["id"], "createdAt": old["createdAt"], "updatedAt": now()}
    journeys[old["id"]] = {"name": "", "clientId": "", "status": "draft", **data, **fixed}
    return web.json_response(journeys[old["id"]])


@routes.patch("/api/journeys/{id}")
async def update_journey(request: web.Request) -> web.Response:
    old = find(request)
    data = await read_object(request)
    journeys[old["id"]] = {**old, **data, "id": old["id"], "createdAt": old["createdAt"], "updatedAt": now()}
    return web.json_response(journeys[old["id"]])


@routes.delete("/api/journeys/{id}")
async def delete_journey(request: web.Request) -> web.Response:
    del journeys[find(request)["id"]]
    return web.Response(status=204)


def main() -> None:
    parser = argparse.ArgumentParser(description="A legacy journeys API without versions: the last save wins.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9000)
    args = parser.parse_args()
    journeys.update((j["id"], j) for j in SEED)
    app = web.Application()
    app.add_routes(routes)
    print(f"journeys on http://{args.host}:{args.port}/api/journeys", flush=True)
    web.run_app(app, host=args.host, port=args.port, print=None)


if __name__ == "__main__":
    main()
